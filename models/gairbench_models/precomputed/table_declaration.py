"""What a table of embeddings gives, by its header and the options of its name: ``table:PATH[:OPTION=VALUE]``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gairbench import Modality, ModelSpec, Preset, SampleInput
from gairbench.digests import digest
from gairbench.errors import DataError, UsageError
from gairbench.files.formats import TableFile, open_table, table_sha256
from gairbench.files.guard import reading
from gairbench.files.parquetfile import ParquetFile
from gairbench.files.vectors import VectorColumn, vector_columns
from gairbench.representation import Representation
from gairbench.selection import unknown
from gairbench_models.precomputed.dequantization import check_dequantization
from gairbench_models.precomputed.naming import path_and_options, short_name
from gairbench_models.precomputed.table import Offer, TableFactory

_VERSION = "1"
"""Raise it when embeddings of an unchanged table change."""

OPTIONS = ("column", "by", "within", "dequantize", "id", "lon", "lat")

WITHIN_M = 100.0
"""How far the nearest place may be where nothing else is declared. Rounded coordinates and the centres of pixels of a
satellite image are nearer than that; what is farther is another place, and whoever takes it has to say so."""

_USUAL: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "lon": ("lon", "longitude", "lng", "centre_lon"),
    "lat": ("lat", "latitude", "centre_lat"),
}
"""Names of columns, whatever their case; others are named by options."""

_PROVENANCE = b"gairbench"
_DISTANCE = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|km)")


def make_table_spec(rest: str) -> ModelSpec:
    """Return the spec of ``table:<rest>``.

    Args:
        rest: ``"PATH[:OPTION=VALUE]..."``.

    Raises:
        UsageError: An option is not known or has nothing to do.
        DataError: There is no such table, or what it holds and how samples are found in it is not clear.
    """
    path, options = path_and_options("table", rest, OPTIONS)
    file = open_table(Path(path))
    offers, made_by = _offers(file, options.get("column", ""))
    by, columns = _joined_by(file, options)
    within = _within(options, by)
    for offer in offers:
        check_dequantization(options.get("dequantize", ""), f"{path}, {offer.column.name}", offer.column.dtype)
    factory = TableFactory(
        path=str(Path(path).absolute()),
        sha256=table_sha256(file.path),
        by=by,
        columns=columns,
        within_m=within,
        dequantize=options.get("dequantize", ""),
        offers=offers,
    )
    taken = dict.fromkeys(Modality(offer.view.of[0]) for offer in offers)
    how = "id" if by == "id" else f"nearest place within {within:g} m"
    preset = Preset(
        name="default",
        inputs=tuple(map(SampleInput, taken)),
        offers=tuple(offer.view for offer in offers),
        needs=frozenset({"id" if by == "id" else "lonlat"}),
        description=f"looked up by {how}",
    )
    named_by = [options[key] for key in OPTIONS if key in options]
    return ModelSpec(
        name=short_name("table", path, named_by),
        # Everything that can change a value: the content and how it is read, and not where the file is.
        version=f"{_VERSION}.{digest(table=replace(factory, path=''))[:16]}",
        factory=factory,
        presets=(preset,),
        description=f"Embeddings in {Path(path).name}{made_by}, looked up by {how}",
        licence="not stated by the table",
        citation="docs/embeddings-as-models.md",
    )


def _offers(file: TableFile, wanted: str) -> tuple[tuple[Offer, ...], str]:
    """Return what a table gives, and in words who made it.

    Raises:
        UsageError: It has no such column.
        DataError: It has no vectors, several of which none is named, or a broken description of them.
    """
    found = {column.name: column for column in vector_columns(file)}
    about = _provenance(file)
    if wanted and wanted not in found:
        raise unknown("column of vectors", wanted, found, of=f"in {file.path}")
    if about is not None:
        try:
            views = {str(name): (str(one["view"]), one["shape"]) for name, one in about["columns"].items()}
            chosen = {name: view for name, view in views.items() if wanted in {"", name}}
            by = about["identity"]
            offers = tuple(_view(found[name], view, shape) for name, (view, shape) in chosen.items())
            made_by = f" of {by['model']} {by['model version']} ({by['preset']})"
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"what 'gairbench embed' says in the metadata of {file.path} is broken ({error})",
                "embed again, or save its columns as a table of your own",
            ) from error
        if offers:
            return offers, made_by
        raise UsageError(f"column {wanted!r} of {file.path} is not a view", f"its views are {', '.join(views)}")
    if not found:
        raise DataError(
            f"{file.path} has no vectors: no column of lists of numbers, and no numbered columns as A00, A01, ...",
            "save the embeddings as one of these",
        )
    if not wanted and len(found) > 1:
        raise DataError(
            f"{file.path} has several columns of vectors: {', '.join(found)}", "name one with :column=COLUMN"
        )
    column = found[wanted] if wanted else next(iter(found.values()))
    # Nobody said of what the vectors are: they are the sample's, whatever a task feeds.
    return tuple(Offer(Representation("pooled", (str(modality),)), column, ()) for modality in Modality), ""


def _view(column: VectorColumn, view: str, shape: Sequence[int]) -> Offer:
    """Return what a column of ``gairbench embed`` gives; its name begins with its modality."""
    modality = Modality(column.name.partition("_")[0])
    parsed = replace(Representation.parse(view), of=(str(modality),))
    return Offer(parsed, column, tuple(map(int, shape)))


def _provenance(file: TableFile) -> dict[str, Any] | None:
    """Return what ``gairbench embed`` says about its file; ``None`` where another program wrote it."""
    metadata = (file.schema().metadata or {}) if isinstance(file, ParquetFile) else {}
    if _PROVENANCE not in metadata:
        return None
    with reading(file.path, "metadata", "embed again"):
        about: dict[str, Any] = json.loads(metadata[_PROVENANCE])
        return about


def _joined_by(file: TableFile, options: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return by what samples are found, ``"id"`` or ``"place"``, and the columns of it.

    Raises:
        UsageError: There is no such way.
        DataError: A column is missing or could be one of several.
    """
    by = options.get("by", "")
    if by not in {"", "id", "place"}:
        raise UsageError(f"by={by!r} is not a way to find samples in a table", "write by=id or by=place")
    identifier = "" if by == "place" else _column(file, "id", options)
    if by == "id" or (identifier and not by):
        if not identifier:
            raise _lacking(file, "id")
        return "id", (identifier,)
    places = tuple(_column(file, role, options) for role in ("lon", "lat"))
    if all(places):
        return "place", places
    lacking = (
        "id"
        if not any(places) and not by
        else next(role for role, name in zip(("lon", "lat"), places, strict=True) if not name)
    )
    raise _lacking(file, lacking)


def _column(file: TableFile, role: str, options: Mapping[str, str]) -> str:
    """Return the column of a role; empty if there is none."""
    if named := options.get(role):
        if file.names.count(named) != 1:
            raise unknown("column", named, file.names, of=f"in {file.path}, or more than once")
        return named
    found = [name for name in file.names if name.casefold() in _USUAL[role]]
    # A geometry is a second choice, as in every table.
    found = [name for name in found if name not in file.derived] or found
    if len(found) > 1:
        raise DataError(
            f"columns {' and '.join(found)} of {file.path} could both be the {role}", f"name one with :{role}=COLUMN"
        )
    return found[0] if found else ""


def _lacking(file: TableFile, role: str) -> DataError:
    names = ", ".join(file.names[:20])
    if role == "id":
        return DataError(
            f"{file.path} has no column 'id', and none of longitude and latitude, by which samples could be found; its"
            f" columns are {names}",
            "name them with :id=COLUMN, or with :lon=COLUMN:lat=COLUMN",
        )
    note = f" ({file.geometry_note})" if file.geometry_note else ""
    return DataError(
        f"{file.path} has no column {role!r}{note}; its columns are {names}", f"name it with :{role}=COLUMN"
    )


def _within(options: Mapping[str, str], by: str) -> float:
    """Return how far the nearest place may be, in metres; 0 where samples are found by their ids."""
    text = options.get("within", "")
    if by == "id":
        if text:
            raise UsageError(f"within={text} is of places, and the table is joined by id", "add :by=place")
        return 0.0
    if not text:
        return WITHIN_M
    found = _DISTANCE.fullmatch(text)
    metres = float(found[1]) * (1_000 if found[2] == "km" else 1) if found else 0.0
    if not metres:
        raise UsageError(f"within={text!r} is not a distance", "write for instance within=250m or within=5km")
    return metres
