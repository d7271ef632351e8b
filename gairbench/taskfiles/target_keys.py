"""The keys of a task file's task that say what it asks for."""

from __future__ import annotations

from gairbench.kinds import DENSE, WITH_CLASSES
from gairbench.names import plain_name
from gairbench.spec import Kind
from gairbench.taskfiles.declaration import MaskFiles, Target
from gairbench.taskfiles.paths import check_template, relative_path
from gairbench.yamlfile import Section

TRANSFORMS = ("none", "log1p")

WITH_LABELS = (Kind.CLASSIFICATION, Kind.ORDINAL, Kind.MULTILABEL, Kind.REGRESSION, Kind.MULTI_REGRESSION)
"""Kinds whose targets stand in columns."""

_CLASSES = (Kind.CLASSIFICATION, Kind.ORDINAL, Kind.MULTILABEL)

MOST_CLASSES = 255
"""Classes of masks are kept in bytes, and 255 marks what takes no part."""

_FITTING = {
    "label": WITH_LABELS,
    "classes": (Kind.ORDINAL,),
    "separator": (Kind.MULTILABEL,),
    "transform": (Kind.REGRESSION, Kind.MULTI_REGRESSION),
    "mask": (Kind.SEGMENTATION, Kind.DENSE_REGRESSION),
    "min_samples": _CLASSES,
    "drop_classes": _CLASSES,
}
"""The kinds that a key is for."""

TARGET_KEYS = ("kind", *_FITTING)


def read_target(section: Section, image: str) -> Target | None:
    """Read what a task asks for.

    Args:
        section: The task.
        image: Name of the image that masks are of; empty if the task feeds none.

    Returns:
        The target; ``None`` for retrieval.

    Raises:
        UsageError: A key is wrong, missing, or does not fit the kind.
    """
    kind = Kind(section.choice("kind", list(Kind)))
    for key, kinds in _FITTING.items():
        if key in section and kind not in kinds:
            raise section.error(key, f"does not fit kind {kind}", f"it is for {' and '.join(kinds)} only")
    if kind is Kind.RETRIEVAL:
        return None
    separator: str = section.get("separator", str, "")
    if kind is Kind.MULTILABEL and not separator:
        raise section.error("separator", f"does not fit kind {kind}", "give the separator between labels")
    if kind in DENSE and not image:
        raise section.error("input", f"does not fit kind {kind}", "feed one kind of overhead images in files")
    least: int = section.get("min_samples", int, 0)
    if "min_samples" in section and least < 1:
        raise section.error("min_samples", f"{least} is not a number of samples", "give 1 or more")
    return Target(
        kind=kind,
        column=_column(section, kind) if kind in WITH_LABELS and kind is not Kind.MULTI_REGRESSION else "",
        columns=_columns(section) if kind is Kind.MULTI_REGRESSION else (),
        order=_order(section) if "classes" in section else (),
        separator=separator,
        transform=section.choice("transform", TRANSFORMS, "none"),
        min_samples=least,
        drop_classes=tuple(section.texts("drop_classes", [])),
        mask=_mask(section.get("mask", Section), kind) if kind in DENSE else None,
        image=image if kind in DENSE else "",
    )


def _column(section: Section, kind: Kind) -> str:
    if kind is Kind.REGRESSION and isinstance(section.get("label", (str, list)), list):
        raise section.error("label", "names several columns", f"use 'kind: {Kind.MULTI_REGRESSION}'")
    column: str = section.get("label", str)
    return column


def _columns(section: Section) -> tuple[str, ...]:
    """Return the columns of several measurements."""
    columns = tuple(map(plain_name, section.texts("label")))
    if len(columns) < 2:
        raise section.error("label", "names one column", "list several, as [height, biomass], or use kind: regression")
    return _different(section, "label", columns)


def _order(section: Section) -> tuple[str, ...]:
    """Return the classes of an ordinal task, ascending."""
    classes = tuple(section.texts("classes"))
    if len(classes) < 2:
        raise section.error("classes", f"{len(classes)} classes", "name two or more, the lowest first")
    return _different(section, "classes", tuple(map(plain_name, classes)))


def _different(section: Section, key: str, names: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise section.error(key, f"{twice!r} is there twice", "name it once")
    return names


def _mask(section: Section, kind: Kind) -> MaskFiles:
    section.only("folder", "file", "classes", "ignore", "resize")
    if (kind in WITH_CLASSES) != ("classes" in section):
        hint = "name the classes of the pixel values" if kind in WITH_CLASSES else "measurements have none"
        raise section.error("classes", f"does not fit kind {kind}", hint)
    classes = _classes(section) if "classes" in section else ()
    ignore = _ignored(section, whole=bool(classes))
    twice = [value for value, _ in classes if value in ignore]
    if twice:
        raise section.error("ignore", f"{twice[0]} is a class too", "name it once")
    template: str = section.get("file", str)
    check_template(section, "file", template)
    return MaskFiles(
        folder=relative_path(section, "folder"),
        file=template,
        classes=classes,
        ignore=ignore,
        resize=section.choice("resize", ["refuse", "nearest"], "refuse") == "nearest",
    )


def _classes(section: Section) -> tuple[tuple[int, str], ...]:
    """Return pixel values and the names of their classes; several values may have one name."""
    if isinstance(section.get("classes", (list, Section)), list):
        found = list(enumerate(section.texts("classes")))
    else:
        item: Section = section.get("classes", Section)
        for value in item.values:
            if not value.isdecimal():
                raise item.error(value, "is not a pixel value", "write 'whole number: name' lines")
        found = [(int(value), item.get(value, str)) for value in item.values]
    names = {name for _, name in found}
    if not 1 < len(names) < MOST_CLASSES:
        what = f"{len(names)} classes"
        raise section.error("classes", what, f"name 2 to {MOST_CLASSES - 1}")
    return tuple(found)


def _ignored(section: Section, *, whole: bool) -> tuple[float, ...]:
    values = section.get("ignore", (int if whole else float, list), [])
    values = values if isinstance(values, list) else [values]
    kinds = (int,) if whole else (int, float)
    for value in values:
        if not isinstance(value, kinds) or isinstance(value, bool):
            what = f"{value!r} is not a pixel value"
            raise section.error("ignore", what, "give numbers, as [255]" if whole else "give numbers, as [-9999]")
    return tuple(values)
