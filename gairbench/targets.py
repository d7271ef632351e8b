"""What a target must be to be learned and scored: for the plan, ``data check`` and the conformance suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gairbench.degrees import are_degrees
from gairbench.kinds import ONE_CLASS, WITH_NAMES
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 3
"""Values and names a message shows at most."""

LARGEST_MEASUREMENT = 1e100
"""Errors are squared and summed over samples; what is beyond is a mistake of units, or marks what is missing."""


def target_problem(kind: Kind, values: NDArray[Any], classes: Sequence[str]) -> str:
    """Return what about a target's type, shape or range does not fit the kind of task; empty if all fits.

    Args:
        kind: What the task asks for; retrieval has no target.
        values: The target of one split.
        classes: Names of its classes, or of several measurements; empty for one measurement and for places.
    """
    import numpy as np

    if not isinstance(values, np.ndarray):
        return f"is a {type(values).__name__}, not an array"
    if kind not in WITH_NAMES and classes:
        return f"has class names ({', '.join(map(repr, classes[:SHOWN]))}), and a {kind} has none"
    if kind is Kind.REGRESSION:
        return _problem_of_numbers(values)
    if kind is Kind.GEOLOCALIZATION:
        return _problem_of_places(values)
    if kind is Kind.DENSE_REGRESSION:
        return _problem_of_maps(values)
    what = "class" if kind is not Kind.MULTI_REGRESSION else "measurement"
    if not classes:
        return f"has no {what} names"
    if len(set(classes)) < len(classes):
        twice = next(name for number, name in enumerate(classes) if name in classes[:number])
        return f"has the {what} name {twice!r} twice"
    if kind is Kind.MULTI_REGRESSION:
        return _problem_of_several_numbers(values, classes)
    if kind in ONE_CLASS:
        return _problem_of_classes(values, classes)
    if kind is Kind.MULTILABEL:
        if values.dtype != bool:
            return f"is {values.dtype}, wanted bool"
        shape = (len(values), len(classes))
        return "" if values.shape == shape else f"has shape {values.shape}, wanted {shape}"
    return _problem_of_masks(values, classes)


def degenerate(
    kind: Kind, train: NDArray[Any], classes: Sequence[str], test: NDArray[Any] | None = None
) -> tuple[str, str]:
    """Return why nothing can be learned from a target, and what to do; two empty texts if something can.

    Args:
        kind: What the task asks for.
        train: The target of the samples to learn from.
        classes: Names of its classes, or of several measurements; empty for one measurement and for places.
        test: The target of the samples to score; measurements and ordered classes must differ there too, or R2 and
            kappa are undefined.
    """
    if kind is Kind.RETRIEVAL:
        return "", ""
    if kind is Kind.GEOLOCALIZATION:
        same = len(train) > 0 and bool((train == train[0]).all())
        return ("all samples of train are at one place", "use another dataset or split") if same else ("", "")
    if kind in {Kind.REGRESSION, Kind.DENSE_REGRESSION}:
        what = "pixels" if kind is Kind.DENSE_REGRESSION else "samples"
        for name, values in (("train", train), ("test", test)):
            if values is None or not len(values):
                continue
            low, _, high, known = known_span(values)
            if not known:
                return f"no {what} of {name} have a value", "use another target or split"
            if low == high:
                return f"all {what} of {name} have the same value, {low:g}", "use another target or split"
        return "", ""
    if kind is Kind.MULTI_REGRESSION:
        for number, one in enumerate(classes):
            column = None if test is None else test[:, number]
            problem, _ = degenerate(Kind.REGRESSION, train[:, number], (), column)
            if problem:
                return f"{problem}, of {one!r}", f"leave {one!r} out, or use another split"
        return "", ""
    if kind is Kind.MULTILABEL:
        if len(classes) < 2:
            only = repr(classes[0]) if classes else "none"
            return f"there is one label only, {only}", "use kind classification, with the words for yes and no"
        if len(train) and (train == train[0]).all():
            return "all samples of train have the same labels", "use another target or split"
        return "", ""
    scored = test if kind is Kind.ORDINAL else None
    for name, values in (("train", train), ("test", scored)):
        if values is None:
            continue
        present = present_classes(kind, values)
        if not present:
            return f"no sample of {name} has a label", "label some, or split the data otherwise"
        if len(present) == 1:
            return f"all samples of {name} are of one class, {classes[present[0]]!r}", "use another target or split"
    return "", ""


def present_classes(kind: Kind, values: NDArray[Any]) -> list[int]:
    """Return the numbers of the classes or labels that occur, ascending; what takes no part is left out."""
    import numpy as np

    if kind is Kind.MULTILABEL:
        labels: list[int] = np.flatnonzero(values.any(axis=0)).tolist()
        return labels
    ignored = {-1, 255} if kind is Kind.SEGMENTATION else {-1}
    return [number for number in value_counts(values) if number not in ignored]


def value_counts(values: NDArray[Any]) -> dict[int, int]:
    """Return how often each whole number occurs, the numbers ascending; few of an array are in memory at a time."""
    import numpy as np

    counts: dict[int, int] = {}
    for block in sample_blocks(values):
        if values.dtype == np.uint8:
            # Counting is far faster than sorting, and masks have many pixels.
            times = np.bincount(values[block].ravel())
            numbers = np.flatnonzero(times)
            times = times[numbers]
        else:
            numbers, times = np.unique(values[block], return_counts=True)
        for number, count in zip(numbers.tolist(), times.tolist(), strict=True):
            counts[number] = counts.get(number, 0) + count
    return dict(sorted(counts.items()))


def known_span(values: NDArray[Any]) -> tuple[float, float, float, int]:
    """Return the least, mean and greatest value and the number of those that are finite, NaN where none is.

    Few of an array are in memory at a time.
    """
    import numpy as np

    low, total, high, number = np.inf, 0.0, -np.inf, 0
    for block in sample_blocks(values):
        some = values[block]
        # Pixels of maps may be without a value.
        if len(known := some[np.isfinite(some)]):
            low, high = min(low, float(known.min())), max(high, float(known.max()))
            total, number = total + float(known.sum(dtype=np.float64)), number + len(known)
    return (low, total / number, high, number) if number else (np.nan, np.nan, np.nan, 0)


def _problem_of_numbers(values: NDArray[Any]) -> str:
    import numpy as np

    if values.dtype != np.float64 or values.ndim != 1:
        several = values.ndim == 2 and values.shape[1] > 1
        other = f"; several numbers a sample are of kind {Kind.MULTI_REGRESSION}" if several else ""
        return f"is {values.dtype} of shape {values.shape}, wanted float64 (n,){other}"
    return _too_large(values, "values")


def _too_large(values: NDArray[Any], what: str) -> str:
    """Return which numbers are not finite or cannot be squared, as errors are; empty if none."""
    import numpy as np

    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        return f"has {what} that are not finite ({len(bad)}; first: entry {bad[0]})"
    large = np.flatnonzero(np.abs(values) > LARGEST_MEASUREMENT)
    if not len(large):
        return ""
    first = f"first: entry {large[0]}, {values[large[0]]:g}"
    return f"has {what} beyond {LARGEST_MEASUREMENT:g}, whose squared errors cannot be computed ({len(large)}; {first})"


def _problem_of_several_numbers(values: NDArray[Any], names: Sequence[str]) -> str:
    import numpy as np

    if len(names) < 2:
        return f"has one measurement a sample, {names[0]!r}; that is of kind {Kind.REGRESSION}"
    shape = (len(values), len(names))
    if values.dtype != np.float64 or values.shape != shape:
        return f"is {values.dtype} of shape {values.shape}, wanted float64 {shape}, a number for each name"
    for name, column in zip(names, values.T, strict=True):
        if problem := _too_large(column, f"values of {name!r}"):
            return problem
    return ""


def _problem_of_places(values: NDArray[Any]) -> str:
    import numpy as np

    if values.dtype != np.float64 or values.ndim != 2 or values.shape[1] != 2:
        return f"is {values.dtype} of shape {values.shape}, wanted places: float64 (n, 2), longitude first"
    bad = np.flatnonzero(~are_degrees(values[:, 0], values[:, 1]))
    if not len(bad):
        return ""
    lon, lat = values[bad[0]]
    return f"has places that are not in degrees ({len(bad)}; first: longitude {lon:g}, latitude {lat:g})"


def _problem_of_maps(values: NDArray[Any]) -> str:
    import numpy as np

    if values.dtype not in (np.float32, np.float64) or values.ndim != 3:
        return f"is {values.dtype} of shape {values.shape}, wanted float32 or float64 (n, height, width)"
    infinite = (np.isinf(values[block]).any(axis=(1, 2)) for block in sample_blocks(values))
    bad = np.flatnonzero(np.concatenate([np.zeros(0, dtype=bool), *infinite]))
    return f"has values that are infinite ({len(bad)} images; first: entry {bad[0]})" if len(bad) else ""


def _problem_of_classes(values: NDArray[Any], classes: Sequence[str]) -> str:
    import numpy as np

    if values.dtype != np.int64 or values.ndim != 1:
        shown = f" such as {values.flat[0]:g}" if values.size and values.dtype.kind == "f" else ""
        return f"is {values.dtype} of shape {values.shape}{shown}, wanted class numbers: int64 (n,)"
    if not len(values):
        return ""
    least, most = int(values.min()), int(values.max())
    if least >= -1 and most < len(classes):
        return ""
    return f"holds classes {least} ... {most} of {len(classes)} names (-1: left out)"


def _problem_of_masks(values: NDArray[Any], classes: Sequence[str]) -> str:
    import numpy as np

    if values.dtype not in (np.uint8, np.int64) or values.ndim != 3:
        return f"is {values.dtype} of shape {values.shape}, wanted uint8 or int64 (n, height, width)"
    unknown = [number for number in present_classes(Kind.SEGMENTATION, values) if not 0 <= number < len(classes)]
    return f"holds values {unknown[:SHOWN]} that are neither classes nor ignored" if unknown else ""
