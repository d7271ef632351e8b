"""How whole numbers become the embeddings that they stand for: declared by name, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError, UsageError
from gairbench.selection import unknown

Values = NDArray[np.float32 | np.float64]

_ALPHAEARTH_STEPS = 127.5
_ALPHAEARTH_MISSING = -128


def _alphaearth(values: Values) -> Values:
    """AlphaEarth Foundations' 8-bit embeddings, arXiv:2507.22291: a signed square root in 127 steps."""
    held = values[np.isfinite(values)]
    if held.size and (held.min() < _ALPHAEARTH_MISSING or held.max() > -_ALPHAEARTH_MISSING - 1):
        raise DataError(
            f"values from {held.min():g} to {held.max():g} are not AlphaEarth's 8-bit embeddings, -128 to 127",
            "correct dequantize",
        )
    scaled = np.sign(values) * (values / _ALPHAEARTH_STEPS) ** 2
    return np.where(values == _ALPHAEARTH_MISSING, np.nan, scaled)


def as_they_are(values: Values) -> Values:
    """Return values that need no rule."""
    return values


DEQUANTIZATIONS: Mapping[str, Callable[[Values], Values]] = {"alphaearth": _alphaearth, "none": as_they_are}
"""By name: ``none`` takes whole numbers as they are."""


def without_zeros(values: Values) -> Values:
    """Return values ``(bands, ...)`` of which those that are zero in all bands are not numbers: nothing is there."""
    return np.where((values == 0).all(axis=0), np.nan, values)


def check_dequantization(name: str, where: str, dtype: str) -> None:
    """Refuse whole numbers of which nobody said what they stand for, and a rule for what is not quantized.

    Args:
        name: Of the rule; empty: none is declared.
        where: The file, for messages.
        dtype: Of its values; empty: text, which may hold either.

    Raises:
        UsageError: There is no such rule.
        DataError: The rule is missing, or has nothing to do.
    """
    if name and name not in DEQUANTIZATIONS:
        raise unknown("dequantization", name, DEQUANTIZATIONS)
    whole = bool(dtype) and np.dtype(dtype).kind in "iu"
    if whole and not name:
        raise DataError(
            f"{where} holds whole numbers ({dtype}), which say nothing about the values that they stand for",
            f"add :dequantize=NAME, one of {', '.join(DEQUANTIZATIONS)}",
        )
    if name and dtype and not whole:
        raise UsageError(f"{where} holds {dtype}, which is not quantized", f"leave dequantize={name} out")
