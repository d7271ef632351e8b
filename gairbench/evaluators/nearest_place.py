"""Geolocalization by the places of the most similar train samples: nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.geography import from_sphere, great_circle_km, on_sphere
from gairbench.metrics import Array

NEIGHBOURS = (1, 3, 5, 10)
"""Numbers of neighbours tried."""

QUERIES = 256
"""Queries compared with all of train at once."""

STEPS = 100
"""Steps towards the median of places; far more than ten places need."""


def nearest_place(data: EvaluatorInput) -> EvaluatorOutput:
    """Predict the median of the places of the nearest train samples by cosine similarity.

    The number of neighbours is chosen on val by the median great-circle error. The place of several neighbours is their
    geometric median and not their mean: of nine neighbours in Portugal and one in Japan it is in Portugal, where the
    mean is in neither.
    """
    places = data.targets["train"]
    tried = [k for k in NEIGHBOURS if k <= len(places)]
    on_val = _predictions(data, "val", tried)
    errors = [float(np.median(great_circle_km(data.targets["val"], on_val[k]))) for k in tried]
    best = int(np.argmin(errors))
    prediction = _predictions(data, "test", tried[best : best + 1])[tried[best]]
    return EvaluatorOutput(prediction=prediction, params={"k": tried[best], "val_median_km": errors[best]})


def _predictions(data: EvaluatorInput, split: str, tried: Sequence[int]) -> dict[int, Array]:
    """Return places by number of neighbours, each ``(samples, 2)`` degrees."""
    near = _neighbours(data.features["train"], data.features[split], max(tried))
    points = on_sphere(data.targets["train"])
    return {k: from_sphere(median_direction(points[near[:, :k]])) for k in tried}


def _neighbours(train: Array, queries: Array, count: int) -> Array:
    """Return the train samples that are most similar to each query, the most similar first: ``(queries, count)``."""
    from sklearn.preprocessing import normalize

    gallery, wanted = normalize(train), normalize(queries)
    found = np.empty((len(wanted), count), dtype=np.int64)
    # A part of the queries at a time bounds the similarity matrix.
    for start in range(0, len(wanted), QUERIES):
        similarity = wanted[start : start + QUERIES] @ gallery.T
        # A stable order, so that equally similar samples count in the order of train.
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
