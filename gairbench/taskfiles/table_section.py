"""The ``table`` of a task file's dataset."""

from __future__ import annotations

from gairbench.taskfiles.declaration import Join, Table
from gairbench.taskfiles.paths import missing_rule, relative_path
from gairbench.yamlfile import Section


def read_table_section(section: Section) -> Table:
    """Read the table of a dataset.

    Raises:
        UsageError: It is wrong; line, key and hint are named.
    """
    section.only("path", "arrays", "id", "lon", "lat", "join", "keep")
    if ("path" in section) == ("arrays" in section):
        raise section.error("path", "exactly one of 'path' and 'arrays' is needed", "name a table, or NumPy arrays")
    if ("lon" in section) != ("lat" in section):
        raise section.error("lon", "lon and lat belong together", "name both columns")
    joins = []
    for item in section.sections("join"):
        item.only("path", "on", "missing")
        joins.append(Join(path=relative_path(item, "path"), on=_key(item), missing=missing_rule(item)))
    keep: Section | None = section.get("keep", Section, None)
    return Table(
        path=relative_path(section, "path") if "path" in section else "",
        arrays=_arrays(section.get("arrays", Section)) if "arrays" in section else (),
        id=section.get("id", str, ""),
        lon=section.get("lon", str, ""),
        lat=section.get("lat", str, ""),
        joins=tuple(joins),
        keep=tuple((name, tuple(keep.texts(name))) for name in keep.values) if keep else (),
    )


def _arrays(section: Section) -> tuple[tuple[str, str, int | None], ...]:
    """Return the columns that are made of arrays: ``name: path``, or ``name: {path, at}`` of one of several columns."""
    columns: list[tuple[str, str, int | None]] = []
    for name in section.values:
        if isinstance(section.get(name, (str, Section)), str):
            columns.append((name, relative_path(section, name), None))
            continue
        item: Section = section.get(name, Section)
        item.only("path", "at")
        at: int = item.get("at", int)
        if at < 0:
            raise item.error("at", f"{at} is not a position", "count the columns of the array from 0")
        columns.append((name, relative_path(item, "path"), at))
    if not columns:
        raise section.error("arrays", "no columns", "write 'column: file.npy' lines")
    return tuple(columns)


def _key(section: Section) -> str | tuple[str, str]:
    """Return the column that tables are joined on: ``on: name``, or ``on: {name here: name in the further table}``."""
    on = section.get("on", (str, Section))
    if isinstance(on, str):
        return on
    if len(on.values) != 1:
        raise section.error(
            "on", f"{len(on.values)} pairs of columns", "write one, as {column of the table: column of the further one}"
        )
    (here,) = on.values
    there: str = on.get(here, str)
    return here if here == there else (here, there)
