"""Metrics of scores: how well they rank, and how well probabilities are calibrated."""

from __future__ import annotations

import numpy as np

from gairbench.metrics import Array, Metric, RankedMetric, mean_of_samples, with_count

BINS = 15
"""Bins of equal width of the expected calibration error."""

LEAST = float(np.finfo(np.float32).eps)
"""Probabilities are at least this in the negative log-likelihood, as scikit-learn has it in single precision: a model
that is sure and wrong is bad, not infinitely bad."""


def _of_target(target: Array, scores: Array) -> Array:
    return np.take_along_axis(scores, target[:, None], axis=1)


def _above_and_beside(target: Array, scores: Array) -> tuple[Array, Array]:
    """Return how many classes have a higher score than each sample's own, and how many have an equal one, with it."""
    own = _of_target(target, scores)
    return (scores > own).sum(axis=1), (scores == own).sum(axis=1)


def _top(slots: int) -> Metric:
    """Return the chance of each sample's class to be among the highest scores where equal ones are drawn by lot."""

    def found(target: Array, scores: Array) -> Array:
        higher, equal = _above_and_beside(target, scores)
        return with_count(np.clip((slots - higher) / equal, 0, 1))

    return Metric(found, mean_of_samples)


top3_accuracy = _top(3)
top5_accuracy = _top(5)


def _reciprocal_rank(target: Array, scores: Array) -> Array:
    """Return the mean of one over the ranks that a sample's class has where equal scores are drawn by lot."""
    from scipy.special import digamma

    higher, equal = _above_and_beside(target, scores)
    # The sum of 1 / rank from one rank to another.
    return np.asarray((digamma(higher + equal + 1) - digamma(higher + 1)) / equal)


class_mrr = Metric(lambda target, scores: with_count(_reciprocal_rank(target, scores)), mean_of_samples)


def _columns(target: Array, scores: Array) -> tuple[Array, Array]:
    """Return one column for two classes, one a class for more, and one a label for multi-label targets."""
    if target.ndim == 2:
        return target.astype(bool), scores
    if scores.shape[1] == 2:
        return (target == 1)[:, None], scores[:, 1:]
    return target[:, None] == np.arange(scores.shape[1]), scores


def _area(hits: Array, misses: Array) -> Array:
    """Return the area under the curve of hits over misses."""
    area = (np.diff(misses) * (hits[..., 1:] + hits[..., :-1])).sum(axis=-1) / 2
    square = hits[..., -1].astype(np.float64) * misses[..., -1]
    return np.asarray(np.divide(area, square, out=np.full(np.shape(square), np.nan), where=square > 0))


def _average_precision(hits: Array, misses: Array) -> Array:
    """Return the sum over thresholds of precision times the gain in recall."""
    found = (hits + misses)[..., 1:]
    precision = np.divide(hits[..., 1:], found, out=np.zeros(found.shape), where=found > 0)
    positives = hits[..., -1].astype(np.float64)
    gained = (np.diff(hits) * precision).sum(axis=-1)
    return np.asarray(np.divide(gained, positives, out=np.full(np.shape(positives), np.nan), where=positives > 0))


auc = RankedMetric(_columns, _area)
mean_average_precision = RankedMetric(_columns, _average_precision)


def _log_loss(target: Array, probabilities: Array) -> Array:
    if target.ndim == 2:
        right = np.where(target, probabilities, 1 - probabilities)
    else:
        right = _of_target(target, probabilities)
    return np.asarray(-np.log(np.clip(right, LEAST, 1), dtype=np.float64).mean(axis=1))


nll = Metric(lambda target, probabilities: with_count(_log_loss(target, probabilities)), mean_of_samples)


def _squared_error(target: Array, probabilities: Array) -> Array:
    if target.ndim == 2:
        return np.asarray(((probabilities - target) ** 2).mean(axis=1, dtype=np.float64))
    # The squares of all, with the one of its own class in place of what it is without.
    own = _of_target(target, probabilities)[:, 0].astype(np.float64)
    squares = np.einsum("ij,ij->i", probabilities, probabilities, dtype=np.float64)
    return np.asarray(squares - own**2 + (1 - own) ** 2)


brier = Metric(lambda target, probabilities: with_count(_squared_error(target, probabilities)), mean_of_samples)


def _bins(target: Array, probabilities: Array) -> Array:
    """Return in each sample's bin how much its confidence exceeds its being right, and its count behind the bins."""
    confidence = probabilities.max(axis=1).astype(np.float64)
    right = probabilities.argmax(axis=1) == target
    # A bin has its upper end, as torchmetrics has it.
    which = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    statistics = np.zeros((len(target), BINS + 1))
    statistics[np.arange(len(target)), which] = confidence - right
    statistics[:, BINS] = 1
    return statistics


def _gap(statistics: Array) -> Array:
    return np.asarray(np.abs(statistics[..., :BINS]).sum(axis=-1) / statistics[..., BINS])


ece = Metric(_bins, _gap)
