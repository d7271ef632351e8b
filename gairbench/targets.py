"""What a target must be to be learned and scored: for the plan, ``data check`` and the conformance suite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gairbench.spec import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN = 3
"""Values and names a message shows at most."""


def target_problem(kind: Kind, values: NDArray[Any], classes: Sequence[str]) -> str:
    """Return what about a target's type, shape or range does not fit the kind of task; empty if all fits.

    Args:
        kind: What the task asks for; retrieval has no target.
        values: The target of one split.
        classes: Names of its classes; empty for regression.
    """
    import numpy as np

    if not isinstance(values, np.ndarray):
        return f"is a {type(values).__name__}, not an array"
    if kind is Kind.REGRESSION:
        return _problem_of_numbers(values, classes)
    if not classes:
        return "has no class names"
    if len(set(classes)) < len(classes):
        twice = next(name for number, name in enumerate(classes) if name in classes[:number])
        return f"has the class name {twice!r} twice"
    if kind is Kind.CLASSIFICATION:
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
        classes: Names of its classes; empty for regression.
        test: The target of the samples to score; measurements must differ there too, or R2 is undefined.
    """
    import numpy as np

    if kind is Kind.RETRIEVAL:
        return "", ""
    if kind is Kind.REGRESSION:
        for name, values in (("train", train), ("test", test)):
            if values is not None and len(values) and float(np.ptp(values)) == 0:
                return f"all samples of {name} have the same value, {values[0]:g}", "use another target or split"
        return "", ""
    if kind is Kind.MULTILABEL:
        if len(classes) < 2:
            only = repr(classes[0]) if classes else "none"
            return f"there is one label only, {only}", "use kind classification, with the words for yes and no"
        if len(train) and (train == train[0]).all():
            return "all samples of train have the same labels", "use another target or split"
        return "", ""
    present = present_classes(kind, train)
    if len(present) > 1:
        return "", ""
    if not present:
        return "no sample of train has a label", "label some, or split the data otherwise"
    return f"all samples of train are of one class, {classes[present[0]]!r}", "use another target or split"


def present_classes(kind: Kind, values: NDArray[Any]) -> list[int]:
    """Return the numbers of the classes or labels that occur, ascending; what takes no part is left out."""
    import numpy as np

    if kind is Kind.MULTILABEL:
        labels: list[int] = np.flatnonzero(values.any(axis=0)).tolist()
        return labels
    ignored = {-1, 255} if kind is Kind.SEGMENTATION else {-1}
    # Counting is far faster than sorting, and masks have many pixels.
    found = np.flatnonzero(np.bincount(values.ravel())) if values.dtype == np.uint8 else np.unique(values)
    return [int(value) for value in found if int(value) not in ignored]


def _problem_of_numbers(values: NDArray[Any], classes: Sequence[str]) -> str:
    import numpy as np

    if classes:
        return f"has class names ({', '.join(map(repr, classes[:SHOWN]))}), and a regression has none"
    if values.dtype != np.float64 or values.ndim != 1:
        return f"is {values.dtype} of shape {values.shape}, wanted float64 (n,)"
    bad = np.flatnonzero(~np.isfinite(values))
    return f"has values that are not finite ({len(bad)}; first: entry {bad[0]})" if len(bad) else ""


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
