"""Tasks over one's own images and tables, declared in a YAML file (docs/own-data.md is its reference)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gairbench.errors import DataError
from gairbench.inputs import ImageInput, Input, LocationInput, Modality
from gairbench.kinds import DEFAULT_METRICS
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.spec import Category, DataContext, DatasetSpec, Kind, TaskSpec
from gairbench.taskfiles.declaration import Extent, FileDataset, ImageFiles, SplitRule, Table, Target
from gairbench.taskfiles.images_section import read_images
from gairbench.taskfiles.split_section import TEST_ONLY, read_split
from gairbench.taskfiles.table_section import read_table_section
from gairbench.taskfiles.target_keys import TARGET_KEYS, read_target
from gairbench.yamlfile import Section, load_yaml

if TYPE_CHECKING:
    from gairbench.taskfiles.source import FileSource

_SLUG = r"[a-z0-9][a-z0-9._-]*"


def load_task_file(path: Path) -> tuple[TaskSpec, ...]:
    """Read the tasks that a YAML file declares; the data are not looked at.

    Args:
        path: The YAML file.

    Returns:
        Task specs whose datasets open the files below ``--data-root``; those of a dataset with several split rules once
        for each.

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
            "name", "version", "dataset", "input", "localized", "category", "family", "description", "evaluators",
            "metric", "extra_metrics", "group", "diagnostic", "sweep", *TARGET_KEYS,
        )  # fmt: skip
        dataset = section.choice("dataset", parts)
        parts[dataset][1].append(section)
    datasets = {name: _datasets(name, section, tasks) for name, (section, tasks) in parts.items()}
    return tuple(
        _task(section, policy, *variant)
        for section in wanted
        for policy, variant in datasets[section.get("dataset", str)].items()
    )


def _inputs(section: Section, delivers: Sequence[Input]) -> tuple[str, ...]:
    """Return what a task feeds: modalities, and names of the dataset's images."""
    modalities = {i.modality for i in delivers}
    default = next((m for m in (Modality.RS, Modality.SV) if m in modalities), Modality.LOCATION)
    available = sorted({*modalities, *(i.name for i in delivers)})
    entries = tuple(section.texts("input", [default]))
    for entry in entries:
        if entry not in available:
            near = difflib.get_close_matches(entry, available, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(available)}"
            raise section.error("input", f"unknown input {entry!r}", hint)
    if not entries or len(set(entries)) < len(entries):
        raise section.error("input", "nothing, or an input twice", "name each input once")
    return entries


def _fed(entries: Sequence[str], delivers: Sequence[Input]) -> list[Input]:
    """Return the inputs that a task's entries mean."""
    named = {i.name for i in delivers} - {*Modality}
    return [i for entry in entries for i in delivers if (i.name if entry in named else i.modality) == entry]


def _target(section: Section, delivers: Sequence[Input]) -> Target | None:
    """Return what a task asks for, after a look at whether its inputs fit that."""
    entries = _inputs(section, delivers)
    fed = _fed(entries, delivers)
    alone = len(fed) == 1 and isinstance(fed[0], ImageInput) and fed[0].modality is Modality.RS
    target = read_target(section, fed[0].name if alone else "")
    localized: bool = section.get("localized", bool, False)
    if localized and not any(i.modality is Modality.RS for i in fed):
        raise section.error("localized", f"does not fit input {', '.join(entries)}", "it is for overhead images (rs)")
    if target is None and len(entries) != 2:
        raise section.error("input", f"{', '.join(entries)}: retrieval has two", "write [query, gallery]")
    if target is not None and target.kind is Kind.GEOLOCALIZATION:
        key = "localized" if localized else "input"
        if localized or Modality.LOCATION in entries:
            raise section.error(key, "gives the place away, which the task asks for", "feed images alone")
    return target


def _task(section: Section, policy: str, spec: DatasetSpec, synthetic: bool) -> TaskSpec:
    entries = _inputs(section, spec.delivers)
    target = _target(section, spec.delivers)
    kind = Kind.RETRIEVAL if target is None else target.kind
    modalities = {i.modality for i in _fed(entries, spec.delivers)}
    category = str(modalities.pop()) if len(modalities) == 1 else str(Category.CROSS_MODAL)
    metric, extra_metrics = DEFAULT_METRICS[kind]
    return TaskSpec(
        name=_slug(section, "name") + policy,
        version=section.get("version", int, 1),
        category=Category(section.choice("category", list(Category), category)),
        family=section.get("family", str, "own data"),
        kind=kind,
        dataset=spec,
        target="" if target is None else target.name,
        inputs=entries,
        # Whether plugins have these is seen when the task is planned: what they lack fails its cells alone.
        metric=section.get("metric", str, metric),
        extra_metrics=_names(section, "extra_metrics", extra_metrics),
        evaluators=_names(section, "evaluators", ()),
        synthetic=synthetic,
        description=section.get("description", str, ""),
        localized=section.get("localized", bool, False),
        group=section.get("group", str, ""),
        diagnostic=section.get("diagnostic", bool, False),
        sweep=_sweep(section) if "sweep" in section else None,
    )


def _sweep(section: Section) -> tuple[str, float]:
    """Return the quantity in which a diagnostic task differs from others of its family, and its value."""
    if not section.get("diagnostic", bool, False):
        raise section.error("sweep", "is for diagnostic tasks", "add 'diagnostic: true'")
    sweep: Section = section.get("sweep", Section)
    sweep.only("quantity", "value")
    return sweep.get("quantity", str), float(sweep.get("value", (int, float)))


def _names(section: Section, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    names = section.texts(key, list(default))
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise section.error(key, f"{twice!r} is there twice", "name it once")
    return tuple(names)


def _slug(section: Section, key: str) -> str:
    name: str = section.get(key, str)
    if not re.fullmatch(_SLUG, name):
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


def _datasets(name: str, section: Section, tasks: Sequence[Section]) -> dict[str, tuple[DatasetSpec, bool]]:
    """Return a dataset by the suffix of its split policy, and whether it is synthetic."""
    section.only(
        "version", "licence", "citation", "description", "synthetic", "images", "table", "split", "splits",
        "follow_links", "extent",
    )  # fmt: skip
    if not re.fullmatch(_SLUG, name):
        raise section.error(name, "is not a plain name", "use lower-case letters, digits, '.', '_' and '-'")
    images_section: Section | None = section.get("images", Section, None)
    table = read_table_section(section.get("table", Section)) if "table" in section else None
    if images_section is None and table is None:
        raise section.error("images", "neither images nor a table", "declare at least one of them")
    found = read_images(images_section, table) if images_section is not None else []
    synthetic: bool = section.get("synthetic", bool)
    delivers: list[Input] = [replace(delivered, synthetic=synthetic) for _, delivered in found]
    images = tuple(files for files, _ in found)
    splits = _splits(section, images, table)
    given = bool((table and table.lon) or any(files.location for files in images))
    needed = _needs_places(section, tasks, splits.values())
    # Overhead images may state their place themselves; whether they do is seen when they are opened.
    by_images = bool(not given and needed and any(f.modality is Modality.RS and f.array is None for f in images))
    if needed and not (given or by_images):
        key = "extent" if "extent" in section else "split" if needed[0] == "spatial blocks" else "table"
        raise section.error(key, f"{needed[0]} needs coordinates", "declare lon and lat, or images.location")
    if given or by_images:
        delivers.append(LocationInput())
    if not delivers:
        raise section.error("table", "no images and no coordinates", "name the columns lon and lat")
    targets = [_target(task, delivers) for task in tasks]
    for target, task in zip(targets, tasks, strict=True):
        if target is not None and any(rule.by == TEST_ONLY for rule in splits.values()):
            what = f"{target.kind} learns from a train split, and dataset {name!r} has none"
            raise task.error("kind", what, "divide the samples, or ask for retrieval")
    main = next((files for files in images if files.array is None), None)
    files = FileDataset(
        name=name,
        images=images,
        table=table,
        split=next(iter(splits.values())),
        targets=tuple(dict.fromkeys(target for target in targets if target is not None)),
        follow_links=section.get("follow_links", bool, False),
        located_by_images=by_images,
        localized=any(task.get("localized", bool, False) for task in tasks),
        extent=_extent(section.get("extent", Section)) if "extent" in section else None,
    )
    spec = DatasetSpec(
        name=name,
        version=section.get("version", int, 1),
        factory=OpenFiles(files),
        delivers=tuple(delivers),
        description=section.get("description", str, ""),
        licence=_licence(section),
        citation=section.get("citation", str, ""),
        folder=main.folder if main else _folder_of(table),
        splits=files.split.splits,
        group=files.split.grouping,
    )
    if "split" in section:
        return {"": (spec, synthetic)}
    variants = {}
    for policy, rule in splits.items():
        named = f"{name}@{policy}"
        variants[f"@{policy}"] = (
            replace(
                spec,
                name=named,
                factory=OpenFiles(replace(files, name=named, split=rule)),
                splits=rule.splits,
                group=rule.grouping,
            ),
            synthetic,
        )
    return variants


def _splits(section: Section, images: Sequence[ImageFiles], table: Table | None) -> dict[str, SplitRule]:
    in_folders = any(files.array is None for files in images)
    if ("split" in section) == ("splits" in section):
        what = "exactly one of 'split' and 'splits' is needed"
        raise section.error("split", what, "say how samples are divided, or name several ways")
    if "split" in section:
        return {"": read_split(section.get("split", Section), in_folders=in_folders, table=table)}
    named: Section = section.get("splits", Section)
    for policy in named.values:
        if not re.fullmatch(_SLUG, policy):
            raise named.error(policy, "is not a plain name", "use lower-case letters, digits, '.', '_' and '-'")
    if not named.values:
        raise section.error("splits", "names no rule", "write 'name: rule' lines")
    return {
        policy: read_split(named.get(policy, Section), in_folders=in_folders, table=table) for policy in named.values
    }


def _needs_places(section: Section, tasks: Sequence[Section], splits: Iterable[SplitRule]) -> list[str]:
    """Return what of a dataset and its tasks needs coordinates."""
    kinds = {task.get("kind", str, "") for task in tasks}
    inputs = {entry for task in tasks for entry in task.texts("input", [])}
    return (
        ["spatial blocks"] * any(rule.by == "blocks" for rule in splits)
        + ["a location task"] * (Modality.LOCATION in inputs)
        + ["geolocalization"] * (Kind.GEOLOCALIZATION in kinds)
        + ["a localized task"] * any(task.get("localized", bool, False) for task in tasks)
        + ["an extent"] * ("extent" in section)
    )


def _folder_of(table: Table | None) -> str:
    if table is None:
        return "."
    return str(PurePosixPath(table.path or table.arrays[0][1]).parent)


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
