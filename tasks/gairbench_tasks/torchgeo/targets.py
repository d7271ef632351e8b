"""Turn what TorchGeo has as a label or mask into a target, and refuse what is not declared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError, PluginError
from gairbench.spec import Kind
from gairbench_tasks.torchgeo.addresses import found
from gairbench_tasks.torchgeo.declaration import Label

IGNORED = 255
"""Of masks of fewer than 255 classes, which are bytes; of others it is -1."""


def class_names(dataset: Any, target: Label, what: str) -> tuple[str, ...]:
    """Return the class names of a target in index order, or of several measurements; empty for one measurement.

    Args:
        dataset: The TorchGeo dataset.
        target: The target, with nothing left open.
        what: What it is, for messages.

    Raises:
        PluginError: The dataset does not name its classes, or others than are declared; or their order, or what several
            measurements are, is not declared.
    """
    if target.kind is Kind.REGRESSION:
        return ()
    if isinstance(target.classes, str):
        return tuple(map(str, found(dataset, target.classes, f"classes of {what}")))
    if target.kind in {Kind.ORDINAL, Kind.MULTI_REGRESSION} and not target.classes:
        order = target.kind is Kind.ORDINAL
        missing = "the order of its classes is not declared" if order else "its measurements have no names"
        hint = "name them in 'classes', the lowest first" if order else "name them in 'classes'"
        raise PluginError(f"{what}: {missing}", hint)
    if target.kind is Kind.MULTI_REGRESSION:
        return target.classes
    own = getattr(dataset, "classes", None)
    own = tuple(own) if isinstance(own, list | tuple) and all(isinstance(name, str) for name in own) else ()
    if not target.classes and not own:
        raise PluginError(f"{what}: {type(dataset).__name__} does not name its classes", "declare 'classes'")
    # Where raw values are class indices by the dataset's own order, another number of classes would shift them.
    if own and target.classes and not target.values and len(own) != len(target.classes):
        differing = sorted(set(target.classes) ^ set(own))
        raise PluginError(
            f"{what}: {len(target.classes)} classes are declared and {type(dataset).__name__} has {len(own)}"
            f" (in one only: {', '.join(differing[:5])})",
            "complete the data, or correct the classes",
        )
    if set(own) == set(target.classes) and own != target.classes and not target.values:
        raise PluginError(
            f"{what}: the classes of {type(dataset).__name__} are in another order: {', '.join(own)}",
            "declare the value of each in 'values'" if target.kind is Kind.ORDINAL else "declare them in its order",
        )
    return target.classes or own


def make_target(
    raw: Iterable[Any], target: Label, classes: Sequence[str], ids: Sequence[str], what: str
) -> NDArray[Any]:
    """Return a target as :meth:`gairbench.data.Split.target` does.

    Args:
        raw: One value for each sample: number, text, tensor or array.
        target: The target, with nothing left open.
        classes: Its class names.
        ids: Names of the samples, for messages.
        what: What it is, for messages.

    Returns:
        Classification and ordinal: int64 ``(n,)``. Multi-label: bool ``(n, classes)``. Segmentation: ``(n, height,
        width)``, bytes with 255 for ignored pixels, or int64 with -1 from 255 classes on. Several measurements: float64
        ``(n, measurements)``. Regression: float64 ``(n,)``, or ``(n, values)``, ``(n, height, width)`` as the dataset
        has it.

    Raises:
        DataError: A value is of another kind or out of range, or masks differ in size.
    """
    rows: list[NDArray[Any]] = []
    for identifier, value in zip(ids, raw, strict=True):
        array = _array(value, classes)
        if target.index is not None:
            array = _at(array, target.index, f"{what} of sample {identifier!r}")
        try:
            rows.append(_converted(array, target, classes))
        except ValueError as error:
            raise DataError(
                f"{what} of sample {identifier!r} {error}",
                "correct the declared Label (kind, classes, values, ignore)",
            ) from None
        if rows[-1].shape != rows[0].shape:
            raise DataError(
                f"{what} of sample {identifier!r} has shape {rows[-1].shape}, and others have {rows[0].shape}",
                "cut or pad the samples to one size",
            )
    return np.stack(rows)


def _converted(array: NDArray[Any], target: Label, classes: Sequence[str]) -> NDArray[Any]:
    """Return one sample's value; a ``ValueError`` says what is wrong with it."""
    match target.kind:
        case Kind.CLASSIFICATION | Kind.ORDINAL:
            return _class(array, target, classes)
        case Kind.MULTILABEL:
            return _labels(array, classes)
        case Kind.SEGMENTATION:
            return _mask(array, target, classes)
        case Kind.REGRESSION:
            return _measurement(array, target)
        case Kind.MULTI_REGRESSION:
            if array.shape != (len(classes),):
                raise ValueError(f"has shape {array.shape}, wanted a number for each of {len(classes)} names")
            return _measurement(array, target)
    raise PluginError(f"a Label is of kind {target.kind}, which has no values", "leave it out")


def _array(value: Any, classes: Sequence[str]) -> NDArray[Any]:
    if isinstance(value, str):
        return np.array(classes.index(value) if value in classes else value)
    return np.asarray(value)


def _at(array: NDArray[Any], index: int, what: str) -> NDArray[Any]:
    if array.ndim == 0 or index >= len(array):
        raise DataError(f"{what} has shape {array.shape} and no position {index}", "correct the Label's 'index'")
    return np.asarray(array[index])


def _class(array: NDArray[Any], target: Label, classes: Sequence[str]) -> NDArray[Any]:
    if array.size != 1:
        raise ValueError(f"has shape {array.shape}, and a class is one number")
    return _indices(array.reshape(()), target, classes, np.dtype(np.int64), -1)


def _mask(array: NDArray[Any], target: Label, classes: Sequence[str]) -> NDArray[Any]:
    if array.ndim == 3 and len(array) == 1:
        array = array[0]
    if array.ndim != 2:
        raise ValueError(f"has shape {array.shape}, and a mask has two axes")
    small = len(classes) < IGNORED
    return _indices(array, target, classes, np.dtype(np.uint8 if small else np.int64), IGNORED if small else -1)


def _indices(
    array: NDArray[Any], target: Label, classes: Sequence[str], dtype: np.dtype[Any], ignored: int
) -> NDArray[Any]:
    if array.dtype.kind not in "biu" and not (array.dtype.kind == "f" and bool((array == np.round(array)).all())):
        shown = array.flat[0] if array.size else ""
        raise ValueError(f"is {shown!r}, not the number of a class" if array.ndim == 0 else f"holds {array.dtype}")
    whole = array.astype(np.int64)
    out = np.isin(whole, target.ignore) if target.ignore else np.zeros(whole.shape, dtype=bool)
    index = whole
    if target.values:
        table = np.array(target.values)
        order = np.argsort(table)
        place = np.searchsorted(table[order], whole).clip(max=len(table) - 1)
        index = order[place]
        unknown = ~out & (table[index] != whole)
    else:
        unknown = ~out & ((whole < 0) | (whole >= len(classes)))
    if unknown.any():
        raise ValueError(
            f"is {int(whole[unknown].flat[0])}, which is neither one of {len(classes)} classes nor ignored"
        )
    return np.where(out, ignored, index).astype(dtype)


def _labels(array: NDArray[Any], classes: Sequence[str]) -> NDArray[Any]:
    if array.shape != (len(classes),) or not np.isin(array, (0, 1)).all():
        raise ValueError(f"has shape {array.shape}, wanted 0 or 1 for each of {len(classes)} classes")
    return array.astype(bool)


def _measurement(array: NDArray[Any], target: Label) -> NDArray[Any]:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"is {array.dtype}, not a number")
    values = array.astype(np.float64)
    if target.ignore:
        values = np.where(np.isin(values, target.ignore), np.nan, values)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
    return values.reshape(()) if values.size == 1 else values
