"""What an evaluator's output must be to be scored: for the runner and the conformance suite."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.degrees import are_degrees
from gairbench.evaluator import EvaluatorOutput
from gairbench.kinds import DENSE, ONE_CLASS
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import Kind

Array = NDArray[Any]

SCORED = ONE_CLASS | {Kind.MULTILABEL}
"""Kinds of task whose evaluators may return scores."""

SUM = 1e-3
"""How far the probabilities of all classes may be from 1 together: half precision is so coarse."""


def output_problem(
    kind: Kind, output: object, *, samples: int, classes: int, mask_size: tuple[int, int] | None = None
) -> str:
    """Return what about an evaluator's output cannot be scored; empty if all fits.

    Args:
        kind: What the task asks for.
        output: What the evaluator returned.
        samples: Number of test samples.
        classes: Number of classes, labels or measurements of a sample; 0 where they have no names.
        mask_size: Height and width of the masks, for tasks of pixels.
    """
    if not isinstance(output, EvaluatorOutput):
        return f"it returned {type(output).__name__}, not EvaluatorOutput"
    return (
        _problem_of_prediction(kind, output.prediction, samples, classes, mask_size)
        or _problem_of_scores(kind, output, samples, classes)
        or _problem_of_params(output.params)
        or _problem_of_caveats(output.caveats)
    )


def _problem_of_prediction(
    kind: Kind, prediction: object, samples: int, classes: int, mask_size: tuple[int, int] | None
) -> str:
    if not isinstance(prediction, np.ndarray):
        return f"its prediction is {type(prediction).__name__}, not an array"
    shape: tuple[int, ...] = (samples,)
    if kind in {Kind.MULTILABEL, Kind.MULTI_REGRESSION}:
        shape = (samples, classes)
    elif kind in DENSE and mask_size is not None:
        shape = (samples, *mask_size)
    elif kind is Kind.GEOLOCALIZATION:
        shape = (samples, 2)
    types, words = _TYPES[kind]
    if prediction.shape != shape:
        return f"its prediction has shape {prediction.shape}, wanted {shape}"
    if prediction.dtype.kind not in types:
        return f"its prediction is {prediction.dtype}, wanted {words}"
    if kind in ONE_CLASS or kind is Kind.SEGMENTATION:
        least, most = int(prediction.min()), int(prediction.max())
        return "" if 0 <= least <= most < classes else f"it predicts classes {least} ... {most} of {classes}"
    if kind is Kind.MULTILABEL:
        return ""
    axes = tuple(range(1, prediction.ndim))
    finite = [np.isfinite(prediction[block]).all(axis=axes) for block in sample_blocks(prediction)]
    bad = np.flatnonzero(~np.concatenate([np.ones(0, dtype=bool), *finite]))
    if len(bad):
        return f"its prediction is not finite ({len(bad)} samples; first: sample {bad[0]})"
    if kind is Kind.RETRIEVAL and prediction.min() < 1:
        return f"it predicts rank {prediction.min():g}, and 1 is best"
    if kind is Kind.GEOLOCALIZATION and not are_degrees(*prediction.T).all():
        return "it predicts places that are not longitude and latitude in degrees"
    return ""


_TYPES = {
    Kind.CLASSIFICATION: ("iu", "whole numbers"),
    Kind.ORDINAL: ("iu", "whole numbers"),
    Kind.MULTILABEL: ("b", "bool"),
    Kind.REGRESSION: ("f", "floats"),
    Kind.MULTI_REGRESSION: ("f", "floats"),
    Kind.SEGMENTATION: ("iu", "whole numbers"),
    Kind.DENSE_REGRESSION: ("f", "floats"),
    Kind.GEOLOCALIZATION: ("f", "floats"),
    Kind.RETRIEVAL: ("fiu", "numbers"),
}


def _problem_of_scores(kind: Kind, output: EvaluatorOutput, samples: int, classes: int) -> str:
    scores, meaning = output.scores, output.scores_are
    if scores is None:
        return "" if meaning is None else f"it says that its scores are {meaning}, and returned none"
    if meaning not in {"probabilities", "decisions"}:
        return f"its scores_are is {meaning!r}, wanted 'probabilities' or 'decisions'"
    if kind not in SCORED:
        return f"it returned scores for {kind}; they are for {', '.join(sorted(SCORED))} only"
    if not isinstance(scores, np.ndarray) or scores.dtype.kind != "f":
        return f"its scores are {getattr(scores, 'dtype', type(scores).__name__)}, wanted floats"
    if scores.shape != (samples, classes):
        return f"its scores have shape {scores.shape}, wanted {(samples, classes)}"
    bad = np.flatnonzero(~np.isfinite(scores).all(axis=1))
    if len(bad):
        return f"its scores are not finite ({len(bad)} samples; first: sample {bad[0]})"
    if meaning == "decisions":
        return ""
    least, most = float(scores.min()), float(scores.max())
    if least < -SUM or most > 1 + SUM:
        return f"its probabilities run from {least:g} to {most:g}"
    total = scores.sum(axis=1, dtype=np.float64)
    far = np.flatnonzero(np.abs(total - 1) > SUM)
    if kind in ONE_CLASS and len(far):
        return f"its probabilities sum to {total[far[0]]:g} for sample {far[0]}"
    return ""


def _problem_of_params(params: object) -> str:
    try:
        json.dumps(dict(params), sort_keys=True)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        return f"its params cannot be recorded: {error}"
    return ""


def _problem_of_caveats(caveats: object) -> str:
    wrong = not isinstance(caveats, tuple) or not all(isinstance(one, str) and one.strip() for one in caveats)
    return f"its caveats are {caveats!r}, wanted a tuple of texts" if wrong else ""
