"""Metrics on the test split, with their bootstrap over samples.

A metric is written in one of four forms, and :func:`load_metric` makes the same thing of each, a :class:`Measure`:

- :class:`Metric`: every sample has a vector of additive statistics, and the number follows from their sum. Resampling
  samples then means re-weighting the statistics, exactly and without a loop.
- :class:`RankedMetric`: the number follows from the order of the samples by score.
- :class:`MedianMetric`: the number is the median of one number a sample.
- a function ``f(target, given)``: one number a sample is averaged, and as fast as the first form; one number for all
  samples is computed again on every one of 1,000 resamples, which takes a thousand times as long as the number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import PluginError
from gairbench.evaluator import ScoresAre
from gairbench.spec import MetricSpec, resolve

Array = NDArray[Any]

RESAMPLES = 1000
LEVEL = 0.95

IGNORED = (255, -1)
"""Values of mask pixels that take part in nothing."""

_TOGETHER = 100
"""Resamples drawn together: it keeps the count matrix small for test splits of a million samples."""


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

    def resampled(self, target: Array, given: Array, seed: int) -> Array:
        """Return the metric on bootstrap resamples of the samples.

        Args:
            target: Targets, samples along the first axis.
            given: What the metric needs, samples along the first axis.
            seed: Seed of the resampling; the same seed and number of samples draw the same samples.

        Returns:
            1,000 values.
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


def interval(resampled: Array) -> tuple[float, float]:
    """Return the lower and upper end of the percentile bootstrap's 95 % interval."""
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(resampled, [tail, 1 - tail])
    return float(low), float(high)


def _draws(samples: int, seed: int) -> Iterator[Array]:
    """Yield the rows of each resample."""
    rng = np.random.default_rng(seed)
    for _ in range(RESAMPLES):
        yield rng.integers(samples, size=samples)


def _counts(samples: int, seed: int, together: int = _TOGETHER) -> Iterator[tuple[slice, Array]]:
    """Yield how often every sample is drawn, for some resamples at a time ``(resamples, samples)``."""
    draws = _draws(samples, seed)
    for start in range(0, RESAMPLES, together):
        stop = min(start + together, RESAMPLES)
        yield slice(start, stop), np.stack([np.bincount(next(draws), minlength=samples) for _ in range(start, stop)])


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

    def resampled(self, target: Array, given: Array, seed: int) -> Array:
        """Return the metric on bootstrap resamples of the samples."""
        statistics = self.statistics(target, given).astype(np.float64)
        values = np.empty(RESAMPLES)
        for rows, counts in _counts(len(statistics), seed):
            values[rows] = self.value(counts @ statistics)
        return values


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
        ranked = self._ranked(target, given)
        return float(self._mean(ranked, np.ones((1, len(target)), dtype=np.int64))[0])

    def resampled(self, target: Array, given: Array, seed: int) -> Array:
        """Return the metric on bootstrap resamples of the samples."""
        ranked = self._ranked(target, given)
        values = np.empty(RESAMPLES)
        for rows, counts in _counts(len(target), seed, max(1, min(_TOGETHER, 2**22 // len(target)))):
            values[rows] = self._mean(ranked, counts)
        return values

    def _ranked(self, target: Array, given: Array) -> list[tuple[Array, Array, Array]]:
        """Return for every class the order of the samples, whether they belong, and where a score ends."""
        ranked = []
        for belongs, scores in zip(*(part.T for part in self.columns(target, given)), strict=True):
            order = np.argsort(-scores)
            ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
            ranked.append((order, belongs[order], ends))
        return ranked

    def _mean(self, ranked: list[tuple[Array, Array, Array]], counts: Array) -> Array:
        total, defined = np.zeros(len(counts)), np.zeros(len(counts))
        for order, belongs, ends in ranked:
            sorted_counts = counts[:, order]
            hits, misses = (
                np.pad(np.cumsum(sorted_counts * which, axis=1)[:, ends], [(0, 0), (1, 0)])
                for which in (belongs, ~belongs)
            )
            values = self.value(hits, misses)
            total += np.nan_to_num(values)
            defined += ~np.isnan(values)
        return np.asarray(np.divide(total, defined, out=np.full(len(counts), np.nan), where=defined > 0))


@dataclass(frozen=True, slots=True)
class MedianMetric:
    """The median of one number a sample.

    Args:
        values: ``(target, given) -> (samples,)``.
    """

    values: Callable[[Array, Array], Array]

    def __call__(self, target: Array, given: Array) -> float:
        """Return the median over all samples."""
        return float(np.median(self.values(target, given)))

    def resampled(self, target: Array, given: Array, seed: int) -> Array:
        """Return the median on bootstrap resamples of the samples."""
        values = self.values(target, given)
        return np.array([np.median(values[rows]) for rows in _draws(len(values), seed)])


@dataclass(frozen=True, slots=True)
class _FunctionMetric:
    """A function of the arrays that knows nothing of resampling."""

    name: str
    function: Callable[[Array, Array], Any]

    def __call__(self, target: Array, given: Array) -> float:
        return float(self._values(target, given).mean())

    def resampled(self, target: Array, given: Array, seed: int) -> Array:
        values = self._values(target, given)
        if values.ndim:
            return Metric(lambda _target, each: with_count(each), mean_of_samples).resampled(target, values, seed)
        return np.array([float(self._values(target[rows], given[rows])) for rows in _draws(len(target), seed)])

    def _values(self, target: Array, given: Array) -> Array:
        """Return one number, or one a sample."""
        values = np.asarray(self.function(target, given), dtype=np.float64)
        if values.ndim and values.shape != (len(target),):
            raise PluginError(
                f"metric {self.name!r} returned an array of shape {values.shape} for {len(target)} samples",
                "return one number, or one number a sample",
            )
        return values
