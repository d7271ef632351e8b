"""Prediction by the nearest of the samples that are known: votes of classes, and means of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gairbench.choosing import Round, VectorRounds, as_columns, beside_each_other, choose, choose_each
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.kinds import ONE_CLASS
from gairbench.metrics import Array

NEIGHBOURS = (500, 200, 100, 50, 20, 10, 5, 3, 1)
"""Numbers of neighbours tried, as far as there are so many samples; the smoothest first."""

QUERIES = 1024
"""Queries whose votes for every class are counted at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """Which samples are near, and how much a near one counts.

    Args:
        metric: A distance, as scikit-learn names it.
        algorithm: How neighbours are searched, as scikit-learn names it.
        power: A neighbour counts by one over its distance to this power.
    """

    metric: str
    algorithm: str
    power: int = 1

    def weights(self, distance: Array) -> Array:
        """Return how much neighbours count ``(queries, k)``; where a sample is the same, only such samples do."""
        same = distance == 0
        far = 1 / np.where(same, 1.0, distance) ** self.power
        return np.asarray(np.where(same.any(axis=1, keepdims=True), same, far))

    def nearest(self, x: Array, queries: Array, count: int) -> tuple[Array, Array]:
        """Return how much the nearest samples count, and which they are, the nearest first; both ``(queries, k)``."""
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=count, metric=self.metric, algorithm=self.algorithm).fit(x)
        distance, near = search.kneighbors(queries)
        return self.weights(distance), near


def by_neighbours(data: EvaluatorInput, rounds: VectorRounds, nearness: Nearness) -> EvaluatorOutput:
    """Return what near samples say: the class with most votes, or the mean of measurements, weighted by nearness.

    The number of neighbours is chosen: by mean balanced accuracy of classes, by squared error of each measurement.

    Args:
        data: Of a task with a class or with measurements a sample.
        rounds: In which numbers of neighbours are tried.
        nearness: What is near.
    """
    fewest = min(len(rows) for rows in (*(fold.fit for fold in rounds.folds.rounds), rounds.folds.final))
    tried = tuple(k for k in NEIGHBOURS if k <= fewest)
    return (_classes if data.kind in ONE_CLASS else _measurements)(data, rounds, nearness, tried)


def _classes(data: EvaluatorInput, rounds: VectorRounds, nearness: Nearness, tried: Sequence[int]) -> EvaluatorOutput:
    from sklearn.neighbors import KNeighborsClassifier

    losses, trivial = [], []
    for one in rounds.each():
        losses.append([1 - _balanced_accuracy(one.held_y, votes) for votes in _votes(one, nearness, tried)])
        # One class for all.
        trivial.append(1 - 1 / len(np.unique(one.held_y)))
    # Fewer neighbours than one cannot be tried.
    choice = choose("k", tried, losses, trivial, rounds.folds, loss="1 - balanced accuracy", ends=(NEIGHBOURS[0],))
    final = rounds.final()
    model = KNeighborsClassifier(
        int(choice.value), metric=nearness.metric, algorithm=nearness.algorithm, weights=nearness.weights
    )
    model.fit(final.x, final.y)
    found = model.predict_proba(final.test)
    prediction = model.classes_[found.argmax(axis=1)].astype(np.int64)
    if len(model.classes_) < data.classes:
        shares = np.zeros((len(found), data.classes))
        shares[:, model.classes_] = found
        found = shares
    return EvaluatorOutput(
        prediction=prediction,
        scores=found,
        scores_are="probabilities",
        params=choice.params,
        caveats=choice.caveats,
    )


def _votes(one: Round, nearness: Nearness, tried: Sequence[int]) -> list[Array]:
    """Return the class of every held sample for each number of neighbours, as ``KNeighborsClassifier`` predicts it."""
    known, numbers = np.unique(one.y, return_inverse=True)
    weights, near = nearness.nearest(one.x, one.held_x, max(tried))
    found = {k: np.empty(len(near), dtype=known.dtype) for k in tried}
    for start in range(0, len(near), QUERIES):
        rows = slice(start, start + QUERIES)
        several = numbers[near[rows]]
        votes, counted = np.zeros((len(several), len(known))), 0
        for k in sorted(tried):
            for place in range(counted, k):
                votes[np.arange(len(several)), several[:, place]] += weights[rows, place]
            found[k][rows], counted = known[votes.argmax(axis=1)], k
    return [found[k] for k in tried]


def _balanced_accuracy(truth: Array, guess: Array) -> float:
    return float(np.mean([np.mean(guess[truth == one] == one) for one in np.unique(truth)]))


def _measurements(
    data: EvaluatorInput, rounds: VectorRounds, nearness: Nearness, tried: Sequence[int]
) -> EvaluatorOutput:
    losses, trivial = [], []
    for x, y, held_x, held_y in rounds.each():
        truth, known = as_columns(held_y), as_columns(y)
        losses.append([((mean - truth) ** 2).mean(axis=0) for mean in _means(x, known, held_x, nearness, tried)])
        trivial.append(((truth - known.mean(axis=0)) ** 2).mean(axis=0))
    ends, names = (NEIGHBOURS[0],), data.class_names
    choices = choose_each(
        "k", tried, np.array(losses), np.array(trivial), rounds.folds, loss="squared error", ends=ends, names=names
    )
    x, y, test = rounds.final()
    numbers = [int(choice.value) for choice in choices]
    means = dict(zip(numbers, _means(x, as_columns(y), test, nearness, numbers), strict=True))
    prediction = np.stack([means[number][:, column] for column, number in enumerate(numbers)], axis=1)
    several = y.ndim == 2
    return EvaluatorOutput(
        prediction=prediction if several else prediction[:, 0],
        params=beside_each_other(choices) if several else choices[0].params,
        caveats=tuple(dict.fromkeys(caveat for choice in choices for caveat in choice.caveats)),
    )


def _means(x: Array, y: Array, queries: Array, nearness: Nearness, tried: Sequence[int]) -> list[Array]:
    """Return for each number of neighbours what ``KNeighborsRegressor`` predicts, ``(queries, measurements)``."""
    weights, near = nearness.nearest(x, queries, max(tried))
    sums, total, found, counted = np.zeros((len(near), y.shape[1])), np.zeros((len(near), 1)), {}, 0
    for k in sorted(set(tried)):
        for place in range(counted, k):
            sums += weights[:, place, None] * y[near[:, place]]
            total += weights[:, place, None]
        found[k], counted = sums / total, k
    return [found[k] for k in tried]
