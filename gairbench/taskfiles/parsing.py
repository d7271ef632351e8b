"""Tasks over one's own images and tables, declared in a YAML file (docs/own-data.md is its reference)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, cast

from gairbench.bands import ALPHA
from gairbench.errors import DataError
from gairbench.files.folders import check_pattern
from gairbench.kinds import DEFAULT_METRICS
from gairbench.names import plain_name
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.sensors import band, canonical
from gairbench.spec import (
    RGB,
    Category,
    DataContext,
    DatasetSpec,
    ImageInput,
    Input,
    Kind,
    LocationInput,
    MissingPixels,
    Modality,
    TaskSpec,
    Unit,
)
from gairbench.taskfiles.declaration import (
    PLACEHOLDER,
    Extent,
    FileDataset,
    ImageFiles,
    Join,
    SplitRule,
    Table,
    Target,
)
from gairbench.units import band_problem
from gairbench.yamlfile import Section, load_yaml

if TYPE_CHECKING:
    from gairbench.taskfiles.source import FileSource

TRANSFORMS = ("none", "log1p")

SPLITS = ("train", "val", "test")
DRAWN = ("random", "blocks", "group")
GIVEN = ("column", "folder", "files")
"""Rules that draw the splits, and rules to which they are given."""

Missing = Literal["refuse", "drop"]


def load_task_file(path: Path) -> tuple[TaskSpec, ...]:
    """Read the tasks that a YAML file declares; the data are not looked at.

    Args:
        path: The YAML file.

    Returns:
        Task specs whose datasets open the files below ``--data-root``.

    Raises:
        UsageError: The file is wrong; line, key and hint are named.
    """
    root = load_yaml(path)
    root.only("datasets", "tasks")
    declared = root.get("datasets", Section)
    parts: dict[str, tuple[Section, list[Section]]] = {}
    for name in declared.values:
        parts[name] = (declared.get(name, Section), [])
    wanted = root.sections("tasks")
    if not wanted:
        raise root.error("tasks", "missing or empty", "declare at least one task")
    for section in wanted:
        section.only(
            "name", "version", "dataset", "label", "kind", "separator", "transform", "input", "localized", "category",
            "family", "description", "evaluators", "metric", "extra_metrics",
        )  # fmt: skip
        dataset = section.choice("dataset", parts)
        parts[dataset][1].append(section)
    datasets = {name: _dataset(name, section, tasks) for name, (section, tasks) in parts.items()}
    return tuple(_task(section, datasets) for section in wanted)


def _target(section: Section) -> Target:
    kind = Kind(section.choice("kind", DEFAULT_METRICS))
    separator: str = section.get("separator", str, "")
    if (kind is Kind.MULTILABEL) != bool(separator):
        hint = "give the separator between labels" if kind is Kind.MULTILABEL else "it is for multilabel only"
        raise section.error("separator", f"does not fit kind {kind}", hint)
    transform = section.choice("transform", TRANSFORMS, "none")
    if transform != "none" and kind is not Kind.REGRESSION:
        raise section.error("transform", f"does not fit kind {kind}", "it is for regression only")
    return Target(column=section.get("label", str), kind=kind, separator=separator, transform=transform)


def _task(section: Section, datasets: dict[str, tuple[DatasetSpec, bool]]) -> TaskSpec:
    spec, synthetic = datasets[section.get("dataset", str)]
    target = _target(section)
    available = sorted(spec.modalities)
    default = next((m for m in (Modality.RS, Modality.SV) if m in spec.modalities), Modality.LOCATION)
    modality = Modality(section.choice("input", available, str(default)))
    localized: bool = section.get("localized", bool, False)
    if localized and modality is not Modality.RS:
        raise section.error("localized", f"does not fit input {modality}", "it is for overhead images (rs) only")
    metric, extra_metrics = DEFAULT_METRICS[target.kind]
    return TaskSpec(
        name=_slug(section, "name"),
        version=section.get("version", int, 1),
        category=Category(section.choice("category", list(Category), str(modality))),
        family=section.get("family", str, "own data"),
        kind=target.kind,
        dataset=spec,
        target=target.name,
        inputs=(modality,),
        # Whether plugins have these is seen when the task is planned: what they lack fails its cells alone.
        metric=section.get("metric", str, metric),
        extra_metrics=_names(section, "extra_metrics", extra_metrics),
        evaluators=_names(section, "evaluators", ()),
        synthetic=synthetic,
        description=section.get("description", str, ""),
        localized=localized,
    )


def _names(section: Section, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    names = section.texts(key, list(default))
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise section.error(key, f"{twice!r} is there twice", "name it once")
    return tuple(names)


def _slug(section: Section, key: str) -> str:
    name: str = section.get(key, str)
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise section.error(key, f"{name!r} is not a plain name", "use lower-case letters, digits, '.', '_' and '-'")
    return name


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """Open the data of a task file's dataset; the factory of its spec.

    Args:
        declared: The dataset.
    """

    declared: FileDataset

    def __call__(self, context: DataContext) -> FileSource:
        """Open the data below the data root.

        Raises:
            DataError: No data root is given.
        """
        if context.root is None:
            raise DataError(f"dataset {self.declared.name!r} is made of files", "give --data-root")
        # Reading files needs pandas and torch; declaring them must not.
        from gairbench.taskfiles.source import FileSource

        return FileSource(self.declared, context.root)


def _dataset(name: str, section: Section, tasks: Sequence[Section]) -> tuple[DatasetSpec, bool]:
    section.only(
        "version", "licence", "citation", "description", "synthetic", "images", "table", "split", "follow_links",
        "extent",
    )  # fmt: skip
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", name):
        raise section.error(name, "is not a plain name", "use lower-case letters, digits, '.', '_' and '-'")
    images_section: Section | None = section.get("images", Section, None)
    table = _table(section.get("table", Section)) if "table" in section else None
    if images_section is None and table is None:
        raise section.error("images", "neither images nor a table", "declare at least one of them")
    images, delivered = _images(images_section, table) if images_section else (None, None)
    synthetic: bool = section.get("synthetic", bool)
    delivers: list[Input] = [] if delivered is None else [replace(delivered, synthetic=synthetic)]
    split = _split(section.get("split", Section), images, table)
    localized = any(task.get("localized", bool, False) for task in tasks)
    given = bool((table and table.lon) or (images and images.location))
    needed = (
        ["spatial blocks"] * (split.by == "blocks")
        + ["a location task"] * any(task.get("input", str, "") == Modality.LOCATION for task in tasks)
        + ["a localized task"] * localized
        + ["an extent"] * ("extent" in section)
    )
    # Overhead images may state their place themselves; whether they do is seen when they are opened.
    by_images = bool(not given and needed and images and images.modality is Modality.RS)
    if needed and not (given or by_images):
        key = "extent" if "extent" in section else "split" if split.by == "blocks" else "table"
        raise section.error(key, f"{needed[0]} needs coordinates", "declare lon and lat, or images.location")
    if given or by_images:
        delivers.append(LocationInput())
    if not delivers:
        raise section.error("table", "no images and no coordinates", "name the columns lon and lat")
    declared = FileDataset(
        name=name,
        images=images,
        table=table,
        split=split,
        targets=tuple(dict.fromkeys(map(_target, tasks))),
        follow_links=section.get("follow_links", bool, False),
        located_by_images=by_images,
        localized=localized,
        extent=_extent(section.get("extent", Section)) if "extent" in section else None,
    )
    spec = DatasetSpec(
        name=name,
        version=section.get("version", int, 1),
        factory=OpenFiles(declared),
        delivers=tuple(delivers),
        description=section.get("description", str, ""),
        licence=_licence(section),
        citation=section.get("citation", str, ""),
        folder=images.folder if images else str(PurePosixPath(table.path).parent) if table else ".",
    )
    return spec, synthetic


def _extent(section: Section) -> Extent:
    section.only("lon", "lat")
    found = {}
    for key, limit in (("lon", 180), ("lat", 90)):
        ends = section.get(key, list)
        numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool)]
        if len(ends) != 2 or len(numbers) != 2 or not all(abs(end) <= limit for end in numbers):
            raise section.error(key, f"{ends} is not a range of degrees", f"give two numbers from -{limit} to {limit}")
        found[key] = (float(numbers[0]), float(numbers[1]))
    if found["lat"][0] > found["lat"][1]:
        raise section.error("lat", f"{list(found['lat'])} runs from north to south", "give the southern end first")
    return Extent(lon=found["lon"], lat=found["lat"])


def _licence(section: Section) -> str:
    licence: str = section.get("licence", str)
    if not licence.strip():
        raise section.error("licence", "is empty", "state it; if nobody knows, write 'unknown'")
    return licence


def _images(section: Section, table: Table | None) -> tuple[ImageFiles, ImageInput]:
    section.only(
        "modality",
        "folder",
        "pattern",
        "file",
        "location",
        "bands",
        "unit",
        "size",
        "gsd_m",
        "missing",
        "missing_pixels",
    )
    modality = Modality(section.choice("modality", [Modality.RS, Modality.SV]))
    bands = _bands(section)
    unit = _unit(section, bands)
    location: str = section.get("location", str, "")
    if location:
        try:
            groups = set(re.compile(location).groupindex)
        except re.error as error:
            raise section.error("location", f"is not a regular expression: {error}", "correct it") from error
        if not {"lon", "lat"} <= groups:
            raise section.error("location", "has no groups lon and lat", "write (?P<lon>...) and (?P<lat>...)")
    if ("file" in section) == ("pattern" in section):
        raise section.error("file", "exactly one of 'file' and 'pattern' is needed", "name images by table or by glob")
    if "file" in section:
        _check_template(section, section.get("file", str))
    if "file" in section and table is None:
        raise section.error("file", "needs a table to take the names from", "declare 'table', or use 'pattern'")
    if "pattern" in section and table is not None:
        raise section.error("pattern", "cannot be matched to the rows of a table", "use 'file' with a column's name")
    if "pattern" in section and (wrong := check_pattern(section.get("pattern", str))):
        raise section.error("pattern", wrong, "write for instance '*/*.tif' or '**/*.tif'")
    size: int | None = section.get("size", int, None)
    if size is not None and size < 1:
        raise section.error("size", f"{size} is not a size", "give pixels, 1 or more")
    files = ImageFiles(
        modality=modality,
        folder=_relative(section, "folder"),
        pattern=_relative(section, "pattern") if "pattern" in section else "",
        file=section.get("file", str, ""),
        location=location,
        bands=bands,
        unit=unit,
        size=size,
        missing=_missing(section),
        missing_pixels=cast(MissingPixels, section.choice("missing_pixels", ["fill", "refuse"], "fill")),
    )
    if modality is Modality.SV and unit is not Unit.UINT8:
        raise section.error("unit", f"photos are not in {unit}", f"declare {Unit.UINT8}")
    gsd: float | None = section.get("gsd_m", float, None)
    if gsd is not None and not gsd > 0:
        raise section.error("gsd_m", f"{gsd:g} is not a distance", "give metres per pixel, above 0")
    return files, ImageInput(modality=modality, bands=bands, unit=unit, size=size, gsd_m=gsd)


def _bands(section: Section) -> tuple[str, ...]:
    # Alpha masks pixels and is not a band. Bands are named as models name them, however they are spelled.
    bands = tuple(canonical(band) for band in section.texts("bands", list(RGB)) if band.casefold() != ALPHA)
    if not bands or len(set(bands)) < len(bands):
        raise section.error("bands", f"{', '.join(bands) or 'nothing'}: a band twice, or none", "name each band once")
    return bands


def _unit(section: Section, bands: Sequence[str]) -> Unit | tuple[Unit, ...]:
    """Return the unit of all bands, or of each, after a look at what the bands measure."""
    if isinstance(section.get("unit", (str, list)), str):
        unit: Unit | tuple[Unit, ...] = Unit(section.choice("unit", list(Unit)))
    else:
        names = section.texts("unit")
        wrong = next((name for name in names if name not in {*Unit}), None)
        if wrong is not None:
            raise section.error("unit", f"{wrong!r} is not a unit", f"use {', '.join(Unit)}")
        if len(names) != len(bands):
            raise section.error("unit", f"{len(names)} units for {len(bands)} bands", "give one, or one for each")
        unit = tuple(map(Unit, names))
    for name, of_band in zip(bands, unit if isinstance(unit, tuple) else (unit,) * len(bands), strict=True):
        if problem := band_problem(name, band(name).quantity, of_band):
            raise section.error("unit", problem, "correct the unit or the band's name")
    return unit


def _check_template(section: Section, template: str) -> None:
    literal = PLACEHOLDER.sub("", template)
    if not PLACEHOLDER.search(template) or "{" in literal or "}" in literal:
        raise section.error("file", f"{template!r} names no column", "write for instance '{uuid}.jpeg'")


def _table(section: Section) -> Table:
    section.only("path", "id", "lon", "lat", "join", "keep")
    if ("lon" in section) != ("lat" in section):
        raise section.error("lon", "lon and lat belong together", "name both columns")
    joins = []
    for item in section.sections("join"):
        item.only("path", "on", "missing")
        joins.append(Join(path=_relative(item, "path"), on=_key(item), missing=_missing(item)))
    keep: Section | None = section.get("keep", Section, None)
    return Table(
        path=_relative(section, "path"),
        id=section.get("id", str, ""),
        lon=section.get("lon", str, ""),
        lat=section.get("lat", str, ""),
        joins=tuple(joins),
        keep=tuple((name, tuple(keep.texts(name))) for name in keep.values) if keep else (),
    )


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


def _split(section: Section, images: ImageFiles | None, table: Table | None) -> SplitRule:
    section.only("by", "column", "degrees", "shares", "seed", "stratify", "train", "val", "test", "val_share")
    by = section.choice("by", [*DRAWN, *GIVEN])

    def belongs(key: str, *rules: str) -> None:
        if key in section and by not in rules:
            raise section.error(key, f"does not fit 'by: {by}'", f"it is for {' and '.join(rules)} only")

    belongs("column", "group", "column")
    belongs("degrees", "blocks")
    belongs("shares", *DRAWN)
    for key in (*SPLITS, "val_share"):
        belongs(key, *GIVEN)
    if by in {"group", "column"} and table is None:
        raise section.error("by", "needs a table with that column", "declare 'table', or divide by something else")
    if by == "folder" and images is None:
        raise section.error("by", "needs images in folders", "declare 'images', or divide by something else")
    if "val" in section and "val_share" in section:
        raise section.error("val_share", "val is given already", "give one of 'val' and 'val_share'")
    val_share: float = section.get("val_share", float, 0.0)
    if "val_share" in section and not 0 < val_share < 1:
        raise section.error("val_share", f"{val_share:g} is not a share", "give a number between 0 and 1")
    if "stratify" in section and by != "random" and not val_share:
        raise section.error("stratify", f"does not fit 'by: {by}'", "it is for 'random' and 'val_share' only")
    degrees: float = section.get("degrees", float) if by == "blocks" else 0.0
    if by == "blocks" and not 0 < degrees <= 360:
        raise section.error("degrees", f"{degrees:g} is not a size of a block", "give degrees above 0, at most 360")
    return SplitRule(
        by=cast(Literal["random", "blocks", "group", "column", "folder", "files"], by),
        column=section.get("column", str) if by in {"group", "column"} else "",
        degrees=degrees,
        shares=_shares(section),
        seed=section.get("seed", int, 0),
        stratify=section.get("stratify", str, ""),
        given=_given(section, by) if by in GIVEN else ((), (), ()),
        val_share=val_share,
    )


def _shares(section: Section) -> tuple[float, float, float]:
    shares = section.get("shares", list, [0.6, 0.15, 0.25])
    numbers = [float(s) for s in shares if isinstance(s, int | float) and not isinstance(s, bool) and s > 0]
    if len(numbers) != 3 or len(shares) != 3 or abs(sum(numbers) - 1) > 1e-6:
        raise section.error("shares", f"{shares} are not shares of train, val and test", "give three that sum to 1")
    return numbers[0], numbers[1], numbers[2]


def _given(section: Section, by: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return what means train, val and test: by default their own names, and for lists nothing."""
    given: dict[str, tuple[str, ...]] = {}
    taken: dict[str, str] = {}
    for split in SPLITS:
        if split == "val" and "val_share" in section:
            given[split] = ()
            continue
        values = section.texts(split) if by == "files" else section.texts(split, [split])
        if by == "files":
            for value in values:
                _refuse_leaving(section, split, value)
        for value in map(plain_name, values):
            if taken.setdefault(value, split) != split:
                raise section.error(split, f"{value!r} is in {taken[value]} too", "name it once")
        given[split] = tuple(values)
    return given["train"], given["val"], given["test"]


def _missing(section: Section) -> Missing:
    return cast(Missing, section.choice("missing", ["refuse", "drop"], "refuse"))


def _relative(section: Section, key: str) -> str:
    path: str = section.get(key, str)
    _refuse_leaving(section, key, path)
    return path


def _refuse_leaving(section: Section, key: str, path: str) -> None:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise section.error(key, f"{path!r} leaves the data root", "give a path relative to --data-root")


def registry_with(task_files: Sequence[Path]) -> Registry:
    """Return what plugins and task files provide.

    Raises:
        UsageError: A task file is wrong.
        PluginError: A task file uses a taken name.
    """
    registry = load_registry()
    for path in task_files:
        registry.add(Origin("task-file", path.name, "0"), tasks=load_task_file(path))
    return registry
