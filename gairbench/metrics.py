"""Metrics on the test split, and what each unit of the test samples changes in them.

A metric is written in one of four forms, and :func:`load_metric` makes the same thing of each, a :class:`Measure`:

- :class:`Metric`: every sample has a vector of additive statistics, and the number follows from their sum. Leaving a
  unit out then means subtracting its sum, exactly and without a loop.
- :class:`RankedMetric`: the number follows from the order of the samples by score.
- :class:`MedianMetric`: the number is the median of one number a sample.
- a function ``f(target, given)``: one number a sample is averaged, and as fast as the first form; one number for all
  samples is computed again without each of up to 200 units, which takes 200 times as long as the number.

Intervals follow from these values (:mod:`gairbench.intervals`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import PluginError
from gairbench.evaluator import ScoresAre
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import MetricSpec, resolve

Array = NDArray[Any]

IGNORED = (255, -1)
"""Values of mask pixels that take part in nothing."""

_COUNTS = 2**22
"""Samples times units that are ranked at once: it keeps the counts small for test splits of a million samples."""


@runtime_checkable
class Measure(Protocol):
    """A metric, ready to be computed."""

    def __call__(self, target: Array, given: Array) -> float:
        """Return the metric over all samples.

        Args:
            target: Targets, samples along the first axis.
            given: What the metric needs, predictions or scores, samples along the first axis.
        """
        ...

    def without_each(self, target: Array, given: Array, units: Array) -> Array:
        """Return the metric without the samples of each unit in turn.

        Args:
            target: Targets, samples along the first axis.
            given: What the metric needs, samples along the first axis.
            units: The unit of each sample ``(samples,)``, whole numbers from 0 without a gap, two or more.

        Returns:
            ``(units,)``; NaN where it is not defined.
        """
        ...


class Predicted(Protocol):
    """What an evaluator predicted, fresh or from a file."""

    @property
    def prediction(self) -> Array:
        """Predictions, samples along the first axis."""
        ...

    @property
    def scores(self) -> Array | None:
        """Scores, samples along the first axis."""
        ...

    @property
    def scores_are(self) -> ScoresAre | None:
        """What the scores mean."""
        ...


def load_metric(spec: MetricSpec) -> Measure:
    """Return a metric, whichever form it is written in.

    Args:
        spec: The metric.

    Raises:
        PluginError: Its address leads to nothing that can be called.
        ImportError: Its module cannot be imported.
    """
    found: Any = resolve(spec.factory)
    if isinstance(found, Measure):
        return found
    if not callable(found):
        raise PluginError(f"metric {spec.name!r}: {spec.factory!r} is not callable", "name a function or a Metric")
    return _FunctionMetric(spec.name, found)


def needed_by(spec: MetricSpec, predicted: Predicted) -> Array | None:
    """Return what a metric is given of what an evaluator predicted, or ``None`` where that is not there."""
    if spec.needs == "prediction":
        return predicted.prediction
    suits = spec.needs == "scores" or predicted.scores_are == "probabilities"
    return predicted.scores if suits else None


def sums_by_unit(statistics: Array, units: Array) -> Array:
    """Return sums of statistics over the samples of each unit.

    Args:
        statistics: ``(samples, statistics)``; whole numbers are summed exactly.
        units: ``(samples,)``, whole numbers from 0 without a gap.

    Returns:
        ``(units, statistics)``.
    """
    wide = statistics.dtype if statistics.dtype.kind == "f" else np.dtype(np.int64)
    sums = np.zeros((int(units.max(initial=-1)) + 1, statistics.shape[1]), dtype=wide)
    for block in sample_blocks(statistics):
        order = np.argsort(units[block], kind="stable")
        found, starts = np.unique(units[block][order], return_index=True)
        sums[found] += np.add.reduceat(statistics[block][order].astype(wide, copy=False), starts, axis=0)
    return sums


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that follows from sums over the samples.

    Args:
        statistics: ``(target, given) -> (samples, statistics)``, additive over samples.
        value: ``(..., statistics) -> (...)``, from sums of statistics.

    Example:
        >>> import numpy as np
        >>> error = Metric(lambda target, given: with_count(abs(target - given)), mean_of_samples)
        >>> error(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
        1.0
    """

    statistics: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]

    def __call__(self, target: Array, given: Array) -> float:
        """Return the metric over all samples."""
        return float(self.value(self.statistics(target, given).sum(axis=0)))

    def without_each(self, target: Array, given: Array, units: Array) -> Array:
        """Return the metric without the samples of each unit in turn."""
        sums = sums_by_unit(self.statistics(target, given), units)
        return np.asarray(self.value(sums.sum(axis=0) - sums), dtype=np.float64)


def with_count(values: Array) -> Array:
    """Return the statistics ``(samples, 2)`` of a mean over samples."""
    return np.stack([values.astype(np.float64), np.ones(len(values))], axis=1)


def mean_of_samples(statistics: Array) -> Array:
    """Return the mean of the first statistic; the second counts samples."""
    return np.asarray(statistics[..., 0] / statistics[..., 1])


@dataclass(frozen=True, slots=True)
class RankedMetric:
    """The mean over classes of a number that follows from the order of the samples by their score for the class.

    A class for which the number is not defined, for instance because no sample has it, is left out of the mean; without
    any class the metric is NaN.

    Args:
        columns: ``(target, scores) -> (belongs, scores)``, both ``(samples, classes)``: whether a sample is of the
            class, and its score.
        value: ``(hits, misses) -> (...)``, from the samples of the class and the others ``(..., thresholds + 1)`` whose
            score is at least each threshold, in descending order after a first one that no sample reaches.
    """

    columns: Callable[[Array, Array], tuple[Array, Array]]
    value: Callable[[Array, Array], Array]

    def __call__(self, target: Array, given: Array) -> float:
        """Return the metric over all samples."""
        return float(self._means(target, given, np.full(len(target), -1), units=1)[0])

    def without_each(self, target: Array, given: Array, units: Array) -> Array:
        """Return the metric without the samples of each unit in turn."""
        return self._means(target, given, units, units=int(units.max()) + 1)

    def _means(self, target: Array, given: Array, unit: Array, *, units: int) -> Array:
        """Return the mean over classes without each unit; one class after the other, so that there is one order."""
        total, defined = np.zeros(units), np.zeros(units)
        together = max(1, _COUNTS // max(len(target), 1))
        for belongs, scores in zip(*(part.T for part in self.columns(target, given)), strict=True):
            order = np.argsort(-scores)
            ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
            which, of = belongs[order], unit[order]
            for start in range(0, units, together):
                part = np.arange(start, min(start + together, units))
                counts = (of != part[:, None]).astype(np.int64)
                hits, misses = (
                    np.pad(np.cumsum(counts * some, axis=1)[:, ends], [(0, 0), (1, 0)]) for some in (which, ~which)
                )
                values = self.value(hits, misses)
                total[part] += np.nan_to_num(values)
                defined[part] += ~np.isnan(values)
        return np.asarray(np.divide(total, defined, out=np.full(units, np.nan), where=defined > 0))


@dataclass(frozen=True, slots=True)
class MedianMetric:
    """The median of one number a sample.

    The jackknife of a median is inconsistent where single samples are left out: the median jumps to its neighbour or
    stays (Efron, The Jackknife, the Bootstrap and Other Resampling Plans, 1982, section 3.4). What a unit changes is
    thus computed to first order, from the density at the median, which is estimated from order statistics around it
    (Bloch and Gastwirth, Ann. Math. Stat. 39, 1968).

    Args:
        values: ``(target, given) -> (samples,)``.
    """

    values: Callable[[Array, Array], Array]

    def __call__(self, target: Array, given: Array) -> float:
        """Return the median over all samples."""
        return float(np.median(self.values(target, given)))

    def without_each(self, target: Array, given: Array, units: Array) -> Array:
        """Return the median without the samples of each unit in turn, to first order."""
        values = self.values(target, given).astype(np.float64)
        median = np.median(values)
        # Half a sample for one at the median: the shares above and below balance.
        above = (values > median).astype(np.float64) + 0.5 * (values == median)
        sums = sums_by_unit(with_count(above), units)
        rest = sums.sum(axis=0) - sums
        return np.asarray(median + (rest[:, 0] / rest[:, 1] - 0.5) * _spacing(np.sort(values)), dtype=np.float64)


def _spacing(ordered: Array) -> float:
    """Return one over the density at the median."""
    n = len(ordered)
    wide = max(int(np.ceil(1.96 * np.sqrt(n) / 2)), 1)
    low, high = max(n // 2 - wide, 0), min((n - 1) // 2 + wide, n - 1)
    return float((ordered[high] - ordered[low]) * n / max(high - low, 1))


@dataclass(frozen=True, slots=True)
class _FunctionMetric:
    """A function of the arrays that knows nothing of units."""

    name: str
    function: Callable[[Array, Array], Any]

    def __call__(self, target: Array, given: Array) -> float:
        return float(self._values(target, given).mean())

    def without_each(self, target: Array, given: Array, units: Array) -> Array:
        values = self._values(target, given)
        if values.ndim:
            return Metric(lambda _target, each: with_count(each), mean_of_samples).without_each(target, values, units)
        kept = (units != unit for unit in range(int(units.max()) + 1))
        return np.array([float(self._values(target[rows], given[rows])) for rows in kept])

    def _values(self, target: Array, given: Array) -> Array:
        """Return one number, or one a sample."""
        values = np.asarray(self.function(target, given), dtype=np.float64)
        if values.ndim and values.shape != (len(target),):
            raise PluginError(
                f"metric {self.name!r} returned an array of shape {values.shape} for {len(target)} samples",
                "return one number, or one number a sample",
            )
        return values
