"""What can be predicted without looking at any input: the level that a model has to pass to show anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.evaluators.nearest_place import median_direction
from gairbench.geography import from_sphere, on_sphere
from gairbench.kinds import ONE_CLASS
from gairbench.metrics import IGNORED
from gairbench.predictions import Predictions
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import Kind
from gairbench.targets import known_span, present_classes, value_counts

Array = NDArray[Any]

CONSTANT = "predicts the same for every sample"
"""Caveat of a record whose predictions do not differ, though the targets do."""

_SAME = 1e-6
"""Numbers that differ by less than this part of the targets' range are one prediction, give or take rounding."""


def trivial_predictions(
    kind: Kind, targets: Mapping[str, Array], class_names: tuple[str, ...], predicted: Predictions
) -> Predictions:
    """Return what is predicted for test samples by who knows the targets of train and val, and no input.

    Classification: the most frequent class; ordinal: the median class; multi-label: the labels with which micro
    F1 is best on train and val; each with the shares as probabilities. Regression: the mean, of each measurement.
    Segmentation: the most frequent class of the pixels. Dense regression: the mean of the pixels with a value.
    Geolocalization: the geometric median of the places. Retrieval: each rank once, whose mean is what ranks drawn by
    lot are expected to give.

    Args:
        kind: What the task asks for.
        targets: Of train and val, as the evaluator is given them; empty for retrieval.
        class_names: Names of the classes, labels or measurements.
        predicted: What an evaluator predicted of the test samples.

    Returns:
        The same samples; masks and maps take no memory.

    Example:
        >>> ids, test = np.array(["a", "b"]), np.array([0, 2])
        >>> train = {"train": np.array([1, 1, 0]), "val": np.array([2])}
        >>> found = trivial_predictions(
        ...     Kind.CLASSIFICATION, train, ("x", "y", "z"), Predictions(ids, test, np.array([0, 0]))
        ... )
        >>> found.prediction.tolist(), found.scores[0].tolist()
        ([1, 1], [0.25, 0.5, 0.25])
    """
    known = list(targets.values())
    one: Any
    shares: Array | None = None
    if kind is Kind.RETRIEVAL:
        ranks = np.arange(1, len(predicted.target) + 1, dtype=np.float64)
        return replace(predicted, prediction=ranks, scores=None, scores_are=None)
    if kind in ONE_CLASS:
        classes = np.concatenate(known)
        counts = np.bincount(classes[classes >= 0], minlength=len(class_names))
        shares = counts / counts.sum()
        # Of an even number of samples the lower one of the two in the middle: there is no class between them.
        one = np.searchsorted(2 * counts.cumsum(), counts.sum()) if kind is Kind.ORDINAL else counts.argmax()
    elif kind is Kind.MULTILABEL:
        labels = np.concatenate(known).astype(bool)
        shares = labels.mean(axis=0)
        one = _labels_of_all(labels)
    elif kind is Kind.SEGMENTATION:
        pixels: dict[int, int] = {}
        for masks in known:
            for number, count in value_counts(masks).items():
                pixels[number] = pixels.get(number, 0) + (count if number not in IGNORED else 0)
        one = max(sorted(pixels), key=lambda number: pixels[number])
    elif kind is Kind.DENSE_REGRESSION:
        spans = [known_span(maps) for maps in known]
        number = sum(count for *_, count in spans)
        one = sum(mean * count for _, mean, _, count in spans if count) / number
    elif kind is Kind.GEOLOCALIZATION:
        one = from_sphere(median_direction(on_sphere(np.concatenate(known))[None]))[0]
    else:
        one = np.concatenate(known).mean(axis=0)
    shape = (len(predicted.target), *predicted.prediction.shape[1:])
    return replace(
        predicted,
        prediction=np.broadcast_to(np.asarray(one), shape),
        scores=None
        if shares is None
        else np.broadcast_to(shares.astype(np.float32), (len(predicted.target), len(shares))),
        scores_are=None if shares is None else "probabilities",
    )


def _labels_of_all(labels: Array) -> Array:
    """Return which labels to predict for every sample so that micro F1 is best on these samples: the most frequent."""
    counts = labels.sum(axis=0)
    order = np.argsort(-counts, kind="stable")
    chosen = np.arange(1, len(order) + 1)
    scores = 2 * counts[order].cumsum() / (len(labels) * chosen + counts.sum())
    one = np.zeros(len(order), dtype=bool)
    one[order[: int(np.argmax(scores)) + 1]] = True
    return one


def is_constant(kind: Kind, target: Array, given: Array) -> bool:
    """Whether the same was predicted for all test samples, and in masks for all pixels, though their targets differ.

    Args:
        kind: What the task asks for; in retrieval each query has a rank of its own, and nothing is constant.
        target: Targets, samples along the first axis.
        given: What the headline metric looks at: predictions, or scores, which may differ where classes do not.
    """
    if kind is Kind.RETRIEVAL:
        return False
    if kind is Kind.SEGMENTATION:
        one = given.flat[0]
        alike = all(bool((given[block] == one).all()) for block in sample_blocks(given))
        return alike and len(present_classes(kind, target)) > 1
    if kind is Kind.DENSE_REGRESSION:
        low, _, high, _ = known_span(given)
        least, _, most, _ = known_span(target)
        return most > least and high - low <= _SAME * (most - least)
    if bool((target == target[:1]).all()):
        return False
    spread = np.ptp(given.astype(np.float64), axis=0)
    measured = kind in {Kind.REGRESSION, Kind.MULTI_REGRESSION, Kind.GEOLOCALIZATION}
    return bool((spread <= _SAME * (np.ptp(target, axis=0) if measured else 1)).all())
