"""Metrics on the test split, written so that a bootstrap over samples is one matrix product.

A metric is two functions: ``statistics`` gives every sample a vector of additive statistics, ``value`` turns their sum
into the number. Resampling samples then means re-weighting the statistics, exactly and without a loop.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.geography import great_circle_km

Array = NDArray[Any]

RESAMPLES = 1000
LEVEL = 0.95

IGNORED = (255, -1)
"""Values of mask pixels that take part in nothing."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A number with a direction.

    Args:
        name: As tasks name it.
        higher_is_better: Its direction.
        statistics: ``(target, prediction) -> (samples, statistics)``, additive over samples.
        value: ``(..., statistics) -> (...)``, from sums of statistics.
    """

    name: str
    higher_is_better: bool
    statistics: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]

    def __call__(self, target: Array, prediction: Array) -> float:
        """Return the metric over all samples."""
        return float(self.value(self.statistics(target, prediction).sum(axis=0)))

    def resampled(self, target: Array, prediction: Array, seed: int) -> Array:
        """Return the metric on bootstrap resamples of the samples.

        Args:
            target: Targets, samples along the first axis.
            prediction: Predictions, samples along the first axis.
            seed: Seed of the resampling; the same seed and number of samples draw the same samples.

        Returns:
            1,000 values.
        """
        statistics = self.statistics(target, prediction).astype(np.float64)
        n = len(statistics)
        rng = np.random.default_rng(seed)
        values = np.empty(RESAMPLES)
        # A hundred resamples at a time keep the count matrix small for test splits of a million samples.
        for start in range(0, RESAMPLES, 100):
            counts = np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(100)])
            values[start : start + 100] = self.value(counts @ statistics)
        return values

    def interval(self, target: Array, prediction: Array, seed: int) -> tuple[float, float]:
        """Return the lower and upper end of the percentile bootstrap's 95 % interval over samples."""
        tail = (1 - LEVEL) / 2
        low, high = np.nanquantile(self.resampled(target, prediction, seed), [tail, 1 - tail])
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Median(Metric):
    """The median of the first statistic over samples, which sums of statistics do not give."""

    def __call__(self, target: Array, prediction: Array) -> float:
        """Return the median over all samples."""
        return float(np.median(self.statistics(target, prediction)[:, 0]))

    def resampled(self, target: Array, prediction: Array, seed: int) -> Array:
        """Return the median of bootstrap resamples of the samples; see :meth:`Metric.resampled`."""
        values = self.statistics(target, prediction)[:, 0]
        rng = np.random.default_rng(seed)
        return np.array([np.median(values[rng.integers(len(values), size=len(values))]) for _ in range(RESAMPLES)])


METRICS: dict[str, Metric] = {}


def _add(metric: Metric) -> Metric:
    METRICS[metric.name] = metric
    return metric


def _mean(statistics: Array) -> Array:
    """Mean of the first statistic; the second counts samples."""
    return np.asarray(statistics[..., 0] / statistics[..., 1])


def _with_count(values: Array) -> Array:
    return np.stack([values.astype(np.float64), np.ones(len(values))], axis=1)


accuracy = _add(Metric("accuracy", True, lambda target, prediction: _with_count(target == prediction), _mean))


def _confusion(target: Array, prediction: Array) -> Array:
    """Per-sample confusion matrices, flattened: ``(samples, classes * classes)``, rows are targets."""
    target, prediction = target.reshape(len(target), -1), prediction.reshape(len(prediction), -1)
    valid = ~np.isin(target, IGNORED)
    classes = int(max(target[valid].max(initial=0), prediction.max(initial=0))) + 1
    sample = np.broadcast_to(np.arange(len(target))[:, None], target.shape)
    cell = (sample * classes + np.where(valid, target, 0)) * classes + prediction.astype(np.int64)
    counts = np.bincount(cell[valid], minlength=len(target) * classes * classes)
    return counts.reshape(len(target), classes * classes)


def _overlap(statistics: Array) -> tuple[Array, Array, Array]:
    """Per-class intersection, target count and prediction count from summed confusion matrices."""
    classes = int(np.sqrt(statistics.shape[-1]))
    matrix = statistics.reshape(*statistics.shape[:-1], classes, classes)
    return np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2)


def _ratio_mean(numerator: Array, denominator: Array) -> Array:
    """Mean over the classes that occur in target or prediction."""
    present = denominator > 0
    ratio = np.divide(numerator, denominator, out=np.zeros(numerator.shape, dtype=np.float64), where=present)
    return np.asarray(ratio.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def _macro_f1(statistics: Array) -> Array:
    both, target, prediction = _overlap(statistics)
    return _ratio_mean(2 * both, target + prediction)


def _mean_iou(statistics: Array) -> Array:
    both, target, prediction = _overlap(statistics)
    return _ratio_mean(both, target + prediction - both)


macro_f1 = _add(Metric("macro_f1", True, _confusion, _macro_f1))
miou = _add(Metric("miou", True, _confusion, _mean_iou))


def _moments(target: Array, prediction: Array) -> Array:
    # Moments about fixed centres: numerically sound, and the centres cancel in both metrics.
    y, p = target - target.mean(), prediction - target.mean()
    return np.stack([np.ones(len(y)), y, p, y * y, p * p, y * p, (y - p) ** 2], axis=1)


def _r2(statistics: Array) -> Array:
    n, y, _, yy, _, _, residual = np.moveaxis(statistics, -1, 0)
    total = yy - y * y / n
    return np.asarray(1 - np.divide(residual, total, out=np.full(np.shape(total), np.nan), where=total > 0))


def _pearson(statistics: Array) -> Array:
    n, y, p, yy, pp, yp, _ = np.moveaxis(statistics, -1, 0)
    scale = np.sqrt(np.maximum(yy - y * y / n, 0) * np.maximum(pp - p * p / n, 0))
    return np.asarray(np.divide(yp - y * p / n, scale, out=np.zeros(np.shape(scale)), where=scale > 0))


r2 = _add(Metric("r2", True, _moments, _r2))
pearson_r = _add(Metric("pearson_r", True, _moments, _pearson))


def _pixel_moments(target: Array, prediction: Array) -> Array:
    """Moments of the pixels with a value, summed over each image."""
    target, prediction = target.reshape(len(target), -1), prediction.reshape(len(prediction), -1)
    known = np.isfinite(target)
    centre = target[known].mean(dtype=np.float64) if known.any() else 0.0
    y = np.where(known, target, centre).astype(np.float64) - centre
    p = np.where(known, prediction, centre).astype(np.float64) - centre
    sums = (known, y, p, y * y, p * p, y * p, (y - p) ** 2)
    return np.stack([values.sum(axis=1) for values in sums], axis=1)


def _rmse(statistics: Array) -> Array:
    n, residual = statistics[..., 0], statistics[..., -1]
    return np.asarray(np.sqrt(np.divide(residual, n, out=np.full(np.shape(n), np.nan), where=n > 0)))


pixel_r2 = _add(Metric("pixel_r2", True, _pixel_moments, _r2))
pixel_rmse = _add(Metric("pixel_rmse", False, _pixel_moments, _rmse))


def _micro_f1(statistics: Array) -> Array:
    both, either = np.moveaxis(statistics, -1, 0)
    return np.asarray(np.divide(2 * both, either, out=np.zeros(np.shape(either)), where=either > 0))


micro_f1 = _add(
    Metric(
        "micro_f1",
        True,
        lambda target, prediction: np.stack(
            [(target & prediction).sum(axis=1), target.sum(axis=1) + prediction.sum(axis=1)], axis=1
        ),
        _micro_f1,
    )
)


# Retrieval: the prediction is the rank of the true item, 1 is best; the target is not looked at.
def _recall_at(k: int) -> Metric:
    return _add(Metric(f"recall@{k}", True, lambda _target, rank: _with_count(rank <= k), _mean))


recall_at_1, recall_at_5, recall_at_10 = (_recall_at(k) for k in (1, 5, 10))
mrr = _add(Metric("mrr", True, lambda _target, rank: _with_count(1 / rank), _mean))


# Geolocalization: target and prediction are longitude and latitude in degrees.
median_km = _add(
    Median("median_km", False, lambda target, prediction: _with_count(great_circle_km(target, prediction)), _mean)
)


def _within(km: int) -> Metric:
    return _add(
        Metric(
            f"within_{km}_km",
            True,
            lambda target, prediction: _with_count(great_circle_km(target, prediction) <= km),
            _mean,
        )
    )


within_1_km, within_25_km, within_200_km, within_750_km, within_2500_km = map(_within, (1, 25, 200, 750, 2500))
