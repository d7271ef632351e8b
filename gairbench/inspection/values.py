"""Many values in few numbers: percentiles, mean, deviation and a histogram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 16
"""Bins of a histogram, from the least to the greatest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSummary:
    """Values in few numbers; those that are not finite are counted and left out of all others.

    Args:
        count: How many there are.
        finite: Share of them that are finite.
        least: The least value.
        low: The 2nd percentile.
        median: The median.
        high: The 98th percentile.
        most: The greatest value.
        mean: Their mean.
        std: Their standard deviation.
        histogram: How many are in each of :data:`BINS` bins of one width; empty where no value is finite.
    """

    count: int
    finite: float
    least: float
    low: float
    median: float
    high: float
    most: float
    mean: float
    std: float
    histogram: tuple[int, ...]

    @property
    def all_equal(self) -> bool:
        """Every value is the same."""
        return self.finite == 1 and self.least == self.most


def summarize(values: NDArray[Any]) -> ValueSummary:
    """Return what values of any shape are like.

    Example:
        >>> import numpy as np
        >>> found = summarize(np.array([0.0, 1.0, 2.0, np.nan]))
        >>> found.median, found.finite
        (1.0, 0.75)
    """
    flat = np.asarray(values, dtype=np.float64).reshape(-1)
    known = flat[np.isfinite(flat)]
    share = len(known) / len(flat) if len(flat) else 0.0
    if not len(known):
        numbers, histogram = [float("nan")] * 7, ()
    else:
        percentiles = np.percentile(known, [0, 2, 50, 98, 100])
        numbers = [float(number) for number in (*percentiles, known.mean(), known.std())]
        histogram = tuple(np.histogram(known, BINS)[0].tolist())
    least, low, median, high, most, mean, std = numbers
    return ValueSummary(
        count=len(flat),
        finite=share,
        least=least,
        low=low,
        median=median,
        high=high,
        most=most,
        mean=mean,
        std=std,
        histogram=histogram,
    )
