"""Geolocalization by the places of the most similar train samples: nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gairbench.choosing import choose, vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.geography import from_sphere, great_circle_km, on_sphere
from gairbench.metrics import Array

NEIGHBOURS = (50, 20, 10, 5, 3, 2, 1)
"""Numbers of neighbours tried, as far as there are so many samples."""

QUERIES = 256
"""Queries compared with all others at once."""

STEPS = 100
"""Steps towards the median of places; far more than fifty places need."""


def nearest_place(data: EvaluatorInput) -> EvaluatorOutput:
    """Predict the median of the places of the nearest samples by cosine similarity.

    The number of neighbours is chosen by the median great-circle error. The place of several neighbours is their
    geometric median and not their mean: of nine neighbours in Portugal and one in Japan it is in Portugal, where the
    mean is in neither.
    """
    rounds = vector_rounds(data)
    fewest = min(len(rows) for rows in (*(fold.fit for fold in rounds.folds.rounds), rounds.folds.final))
    tried = tuple(k for k in NEIGHBOURS if k <= fewest)
    losses, trivial = [], []
    for x, y, held_x, held_y in rounds.each():
        found = _places(x, y, held_x, tried)
        losses.append([float(np.median(great_circle_km(held_y, found[k]))) for k in tried])
        middle = from_sphere(median_direction(on_sphere(y)[None]))
        trivial.append(float(np.median(great_circle_km(held_y, np.repeat(middle, len(held_y), axis=0)))))
    # Fewer neighbours than one cannot be tried.
    choice = choose("k", tried, losses, trivial, rounds.folds, loss="median km", ends=(NEIGHBOURS[0],))
    k = int(choice.value)
    prediction = _places(*rounds.final(), [k])[k]
    return EvaluatorOutput(prediction=prediction, params=choice.params, caveats=choice.caveats)


def _places(x: Array, y: Array, queries: Array, tried: Sequence[int]) -> dict[int, Array]:
    """Return places by number of neighbours, each ``(queries, 2)`` degrees."""
    near = _neighbours(x, queries, max(tried))
    points = on_sphere(y)
    return {k: from_sphere(median_direction(points[near[:, :k]])) for k in tried}


def _neighbours(gallery: Array, queries: Array, count: int) -> Array:
    """Return the samples that are most similar to each query, the most similar first: ``(queries, count)``."""
    from sklearn.preprocessing import normalize

    known, wanted = normalize(gallery), normalize(queries)
    found = np.empty((len(wanted), count), dtype=np.int64)
    # A part of the queries at a time bounds the similarity matrix.
    for start in range(0, len(wanted), QUERIES):
        similarity = wanted[start : start + QUERIES] @ known.T
        # A stable order, so that equally similar samples count in the order of the gallery.
        found[start : start + QUERIES] = np.argsort(-similarity, axis=1, kind="stable")[:, :count]
    return found


def median_direction(points: Array) -> Array:
    """Return the geometric median of each group of points on the sphere (Weiszfeld's steps, brought back onto it).

    Args:
        points: ``(groups, points, 3)`` unit vectors.

    Returns:
        ``(groups, 3)`` unit vectors; the first point where a group's mean has no direction.
    """
    # A little of the first point decides between opposite ones.
    at = _unit(points.mean(axis=1) + 1e-9 * points[:, 0])
    for _ in range(STEPS):
        distance = np.linalg.norm(points - at[:, None], axis=2)
        weights = 1 / np.maximum(distance, 1e-12)
        at = _unit((points * weights[:, :, None]).sum(axis=1))
    return at


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
