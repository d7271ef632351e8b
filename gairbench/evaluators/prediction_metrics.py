"""Metrics of predictions: accuracy, F1, mIoU, kappa, R2, errors, recall of retrieval, kilometres."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gairbench.geography import great_circle_km
from gairbench.metrics import IGNORED, Array, MedianMetric, Metric, mean_of_samples, with_count
from gairbench.sample_blocks import sample_blocks

MOMENTS = 7
"""Statistics of a measurement and its prediction that R2 and the correlation follow from."""

CENTRED = 2**24
"""Pixels that are summed at once for the centre of their moments."""

accuracy = Metric(lambda target, prediction: with_count(target == prediction), mean_of_samples)


@dataclass(frozen=True, slots=True)
class _ClassMetric:
    """A number that follows from how often each class is meant, predicted, and both; of masks, how many pixels.

    It needs three numbers for each class and unit, and not the square of the number of classes for each sample.
    """

    value: Callable[[Array], Array]
    """Of sums ``(..., 3 * classes)``: of each class both, then meant, then predicted."""

    def __call__(self, target: Array, given: Array) -> float:
        return float(self.value(_overlap(target, given, np.zeros(len(target), dtype=np.int64))[0]))

    def without_each(self, target: Array, given: Array, units: Array) -> Array:
        counts = _overlap(target, given, units)
        return np.asarray(self.value(counts.sum(axis=0) - counts), dtype=np.float64)


def _overlap(target: Array, prediction: Array, units: Array) -> Array:
    """Return how often each class is both, meant and predicted in each unit: ``(units, 3 * classes)``."""
    target, prediction = target.reshape(len(target), -1), prediction.reshape(len(prediction), -1)
    most = 0
    for block in sample_blocks(target):
        known = target[block][~np.isin(target[block], IGNORED)]
        most = max(most, int(known.max(initial=0)), int(prediction[block].max(initial=0)))
    number = int(units.max(initial=0)) + 1
    both, of_target, of_prediction = counts = np.zeros((3, number * (most + 1)), dtype=np.int64)
    for block in sample_blocks(target):
        known = ~np.isin(target[block], IGNORED)
        meant, given = target[block][known], prediction[block][known]
        # In place: of masks this array is most of the memory.
        cell = np.broadcast_to(units[block, None] * (most + 1), known.shape)[known]
        cell += meant.astype(np.int64)
        of_target += np.bincount(cell, minlength=counts.shape[1])
        both += np.bincount(cell[meant == given], minlength=counts.shape[1])
        cell -= meant.astype(np.int64)
        cell += given.astype(np.int64)
        of_prediction += np.bincount(cell, minlength=counts.shape[1])
    return counts.reshape(3, number, most + 1).swapaxes(0, 1).reshape(number, -1)


def _parts(sums: Array) -> tuple[Array, Array, Array]:
    """Return what is both, meant and predicted, each ``(..., classes)``."""
    both, meant, predicted = np.moveaxis(sums.reshape(*sums.shape[:-1], 3, -1), -2, 0)
    return both, meant, predicted


def _mean_over_classes(numerator: Array, denominator: Array, target: Array) -> Array:
    """Return the mean over the classes that a target has: the same ones for every model."""
    present = target > 0
    ratio = np.divide(numerator, denominator, out=np.zeros(numerator.shape, dtype=np.float64), where=present)
    return np.asarray(ratio.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1))


def _macro_f1(sums: Array) -> Array:
    both, target, prediction = _parts(sums)
    return _mean_over_classes(2 * both, target + prediction, target)


def _mean_iou(sums: Array) -> Array:
    both, target, prediction = _parts(sums)
    return _mean_over_classes(both, target + prediction - both, target)


def _mean_recall(sums: Array) -> Array:
    both, target, _ = _parts(sums)
    return _mean_over_classes(both, target, target)


macro_f1 = _ClassMetric(_macro_f1)
miou = _ClassMetric(_mean_iou)
balanced_accuracy = _ClassMetric(_mean_recall)


def _ranks(target: Array, prediction: Array) -> Array:
    # As floats, which cannot overflow as the squares of small integers do.
    t, p = target.astype(np.float64), prediction.astype(np.float64)
    return np.stack([np.ones(len(t)), t, p, t * t + p * p, (t - p) ** 2], axis=1)


def _quadratic_kappa(statistics: Array) -> Array:
    # The squared distance that is expected of the same ranks, paired at random, follows from their moments.
    n, t, p, squares, distance = np.moveaxis(statistics, -1, 0)
    expected = squares - 2 * t * p / n
    return np.asarray(1 - np.divide(distance, expected, out=np.full(np.shape(n), np.nan), where=expected > 0))


quadratic_kappa = Metric(_ranks, _quadratic_kappa)


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


r2 = Metric(_moments, _r2)
pearson_r = Metric(_moments, _pearson)


def _mean_over_columns(value: Callable[[Array], Array]) -> Metric:
    """Return the mean over the measurements of a sample of a number that follows from the moments of each."""

    def moments_of_each(target: Array, prediction: Array) -> Array:
        columns = zip(target.T, prediction.T, strict=True)
        return np.concatenate([_moments(one, other) for one, other in columns], axis=1)

    def mean_of_values(statistics: Array) -> Array:
        return np.asarray(value(statistics.reshape(*statistics.shape[:-1], -1, MOMENTS)).mean(axis=-1))

    return Metric(moments_of_each, mean_of_values)


mean_r2 = _mean_over_columns(_r2)
mean_pearson_r = _mean_over_columns(_pearson)
mae = Metric(lambda target, prediction: with_count(np.abs(target - prediction)), mean_of_samples)
rmse = Metric(
    lambda target, prediction: with_count((target - prediction) ** 2),
    lambda statistics: np.sqrt(mean_of_samples(statistics)),
)


def _pixel_moments(target: Array, prediction: Array) -> Array:
    """Moments of the pixels with a value, summed over each image."""
    target, prediction = target.reshape(len(target), -1), prediction.reshape(len(prediction), -1)
    total, number = 0.0, 0
    for block in sample_blocks(target, CENTRED):
        some = target[block][np.isfinite(target[block])]
        total, number = total + some.sum(dtype=np.float64), number + len(some)
    centre = total / number if number else 0.0
    moments = (_pixel_moments_of(target[block], prediction[block], centre) for block in sample_blocks(target))
    return np.concatenate([np.zeros((0, MOMENTS)), *moments])


def _pixel_moments_of(target: Array, prediction: Array, centre: float) -> Array:
    known = np.isfinite(target)
    y = np.where(known, target, centre).astype(np.float64) - centre
    p = np.where(known, prediction, centre).astype(np.float64) - centre
    sums = (known, y, p, y * y, p * p, y * p, (y - p) ** 2)
    return np.stack([values.sum(axis=1) for values in sums], axis=1)


def _rmse(statistics: Array) -> Array:
    n, residual = statistics[..., 0], statistics[..., -1]
    return np.asarray(np.sqrt(np.divide(residual, n, out=np.full(np.shape(n), np.nan), where=n > 0)))


pixel_r2 = Metric(_pixel_moments, _r2)
pixel_rmse = Metric(_pixel_moments, _rmse)


def _micro_f1(statistics: Array) -> Array:
    both, either = np.moveaxis(statistics, -1, 0)
    return np.asarray(np.divide(2 * both, either, out=np.zeros(np.shape(either)), where=either > 0))


micro_f1 = Metric(
    lambda target, prediction: np.stack(
        [(target & prediction).sum(axis=1), target.sum(axis=1) + prediction.sum(axis=1)], axis=1
    ),
    _micro_f1,
)


# Retrieval: the prediction is the rank of the true item, 1 is best; the target is not looked at.
def _recall_at(k: int) -> Metric:
    return Metric(lambda _target, rank: with_count(rank <= k), mean_of_samples)


recall_at_1, recall_at_5, recall_at_10 = (_recall_at(k) for k in (1, 5, 10))
mrr = Metric(lambda _target, rank: with_count(1 / rank), mean_of_samples)
median_rank = MedianMetric(lambda _target, rank: rank)


# Geolocalization: target and prediction are longitude and latitude in degrees.
median_km = MedianMetric(great_circle_km)


def _within(km: int) -> Metric:
    return Metric(lambda target, prediction: with_count(great_circle_km(target, prediction) <= km), mean_of_samples)


within_1_km, within_25_km, within_200_km, within_750_km, within_2500_km = map(_within, (1, 25, 200, 750, 2500))
