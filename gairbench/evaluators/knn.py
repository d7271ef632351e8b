"""Nearest neighbours on frozen features: no training, so it judges the embedding space as it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gairbench.choosing import Round, choose, vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.metrics import Array

NEIGHBOURS = (500, 200, 100, 50, 20, 10, 5, 3, 1)
"""Numbers of neighbours tried, as far as there are so many samples; the smoothest first."""


def knn(data: EvaluatorInput) -> EvaluatorOutput:
    """Vote among the nearest samples by cosine distance, weighted by it; k has the best mean balanced accuracy.

    The scores are the weighted shares of the votes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    rounds = vector_rounds(data)
    fewest = min(len(rows) for rows in (*(fold.fit for fold in rounds.folds.rounds), rounds.folds.final))
    tried = tuple(k for k in NEIGHBOURS if k <= fewest)
    losses, trivial = [], []
    for one in rounds.each():
        losses.append([1 - _balanced_accuracy(one.held_y, votes) for votes in _votes(one, tried)])
        # One class for all.
        trivial.append(1 - 1 / len(np.unique(one.held_y)))
    # Fewer neighbours than one cannot be tried.
    choice = choose("k", tried, losses, trivial, rounds.folds, loss="1 - balanced accuracy", ends=(NEIGHBOURS[0],))
    final = rounds.final()
    model = KNeighborsClassifier(int(choice.value), metric="cosine", algorithm="brute", weights="distance")
    model.fit(final.x, final.y)
    found = model.predict_proba(final.test)
    shares = np.zeros((len(found), data.classes))
    shares[:, model.classes_] = found
    return EvaluatorOutput(
        prediction=model.classes_[found.argmax(axis=1)].astype(np.int64),
        scores=shares,
        scores_are="probabilities",
        params=choice.params,
        caveats=choice.caveats,
    )


def _votes(one: Round, tried: Sequence[int]) -> list[Array]:
    """Return the class of every held sample for each number of neighbours, as ``KNeighborsClassifier`` predicts it."""
    from sklearn.neighbors import NearestNeighbors

    known, numbers = np.unique(one.y, return_inverse=True)
    search = NearestNeighbors(n_neighbors=max(tried), metric="cosine", algorithm="brute").fit(one.x)
    distance, near = search.kneighbors(one.held_x)
    # Where a sample is the same, only such samples vote.
    same = distance == 0
    weights = np.where(same.any(axis=1, keepdims=True), same, 1 / np.where(same, 1.0, distance))
    votes = np.zeros((len(near), len(known)))
    found, counted = {}, 0
    for k in sorted(tried):
        for place in range(counted, k):
            votes[np.arange(len(near)), numbers[near[:, place]]] += weights[:, place]
        found[k], counted = known[votes.argmax(axis=1)], k
    return [found[k] for k in tried]


def _balanced_accuracy(truth: Array, guess: Array) -> float:
    return float(np.mean([np.mean(guess[truth == one] == one) for one in np.unique(truth)]))
