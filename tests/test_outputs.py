"""What of an evaluator's output cannot be scored is said in a few words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gairbench.evaluator import EvaluatorOutput
from gairbench.outputs import output_problem
from gairbench.spec import Kind

N, CLASSES = 4, 3
PREDICTIONS = {
    Kind.CLASSIFICATION: np.array([0, 1, 2, 1]),
    Kind.ORDINAL: np.array([0, 1, 2, 1]),
    Kind.MULTILABEL: np.ones((N, CLASSES), dtype=bool),
    Kind.REGRESSION: np.array([0.5, 1, 2, 1]),
    Kind.MULTI_REGRESSION: np.ones((N, CLASSES)),
    Kind.SEGMENTATION: np.ones((N, 5, 6), dtype=np.uint8),
    Kind.DENSE_REGRESSION: np.ones((N, 5, 6)),
    Kind.GEOLOCALIZATION: np.array([[180.0, 90], [-180, -90], [0, 0], [10, 50]]),
    Kind.RETRIEVAL: np.array([1, 1.5, 2, 4]),
}
PROBABILITIES = np.full((N, CLASSES), 1 / 3)
NAN = np.full((N, CLASSES), np.nan)


def problem(kind: Kind, prediction: Any, **more: Any) -> str:
    output = EvaluatorOutput(prediction=prediction, **more)
    return output_problem(kind, output, samples=N, classes=CLASSES, mask_size=(5, 6))


@pytest.mark.parametrize("kind", list(Kind))
def test_a_sound_output_has_no_problem(kind: Kind) -> None:
    assert problem(kind, PREDICTIONS[kind], params={"C": 0.1, "layers": [1, 2]}) == ""


@pytest.mark.parametrize("kind", [Kind.CLASSIFICATION, Kind.ORDINAL, Kind.MULTILABEL])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_sound_scores_have_no_problem(kind: Kind, dtype: Any) -> None:
    for meaning, scores in (("probabilities", PROBABILITIES), ("decisions", PROBABILITIES * 50 - 100)):
        assert problem(kind, PREDICTIONS[kind], scores=scores.astype(dtype), scores_are=meaning) == ""


@pytest.mark.parametrize(
    ("kind", "prediction", "why"),
    [
        (Kind.CLASSIFICATION, [0, 1, 2, 1], "is list, not an array"),
        (Kind.CLASSIFICATION, np.zeros(3, dtype=int), r"shape (3,), wanted (4,)"),
        (Kind.CLASSIFICATION, np.zeros((4, 3), dtype=int), r"shape (4, 3), wanted (4,)"),
        (Kind.CLASSIFICATION, np.array(["a"] * 4), "<U1, wanted whole numbers"),
        (Kind.CLASSIFICATION, np.array([0, 1, 2, 3]), "it predicts classes 0 ... 3 of 3"),
        (Kind.CLASSIFICATION, np.array([0, 1, 2, -1]), "it predicts classes -1 ... 2 of 3"),
        (Kind.MULTILABEL, np.ones((4, 3)), "float64, wanted bool"),
        (Kind.MULTILABEL, np.ones(4, dtype=bool), "wanted (4, 3)"),
        (Kind.REGRESSION, np.ones((4, 1)), "shape (4, 1), wanted (4,)"),
        (Kind.REGRESSION, np.ones(4, dtype=int), "int64, wanted floats"),
        (Kind.REGRESSION, np.array([0, np.inf, 0, 0]), "not finite (1 samples; first: sample 1)"),
        (Kind.ORDINAL, np.array([0, 1, 2, 3]), "it predicts classes 0 ... 3 of 3"),
        (Kind.ORDINAL, np.array([0, 1.5, 2, 1]), "float64, wanted whole numbers"),
        (Kind.MULTI_REGRESSION, np.ones(4), "shape (4,), wanted (4, 3)"),
        (Kind.MULTI_REGRESSION, np.ones((4, 3), dtype=int), "int64, wanted floats"),
        (Kind.MULTI_REGRESSION, NAN, "not finite (4 samples; first: sample 0)"),
        (Kind.SEGMENTATION, np.zeros((4, 6, 5), dtype=int), "shape (4, 6, 5), wanted (4, 5, 6)"),
        (Kind.SEGMENTATION, np.full((4, 5, 6), 255, dtype=np.uint8), "classes 255 ... 255 of 3"),
        (Kind.RETRIEVAL, np.array([0, 1, 2, 3]), "it predicts rank 0, and 1 is best"),
        (Kind.DENSE_REGRESSION, np.ones((4, 6, 5)), "shape (4, 6, 5), wanted (4, 5, 6)"),
        (Kind.GEOLOCALIZATION, np.ones(4), "shape (4,), wanted (4, 2)"),
        (Kind.GEOLOCALIZATION, np.full((4, 2), 95.0), "places that are not longitude and latitude"),
    ],
)
def test_a_prediction_that_cannot_be_scored_is_named(kind: Kind, prediction: Any, why: str) -> None:
    assert why in problem(kind, prediction)


@pytest.mark.parametrize(
    ("kind", "scores", "meaning", "why"),
    [
        (Kind.CLASSIFICATION, PROBABILITIES, None, "scores_are is None, wanted 'probabilities' or 'decisions'"),
        (Kind.CLASSIFICATION, None, "decisions", "says that its scores are decisions, and returned none"),
        (Kind.CLASSIFICATION, PROBABILITIES[:, :2], "decisions", "shape (4, 2), wanted (4, 3)"),
        (Kind.CLASSIFICATION, np.ones((4, 3), dtype=int), "decisions", "int64, wanted floats"),
        (Kind.CLASSIFICATION, NAN, "decisions", "not finite (4 samples; first: sample 0)"),
        (Kind.CLASSIFICATION, PROBABILITIES * 2, "probabilities", "sum to 2 for sample 0"),
        (Kind.ORDINAL, PROBABILITIES * 2, "probabilities", "sum to 2 for sample 0"),
        (Kind.MULTILABEL, PROBABILITIES * 5, "probabilities", "run from 1.66667 to 1.66667"),
        (Kind.CLASSIFICATION, PROBABILITIES - 1, "probabilities", "run from -0.666667"),
        (Kind.REGRESSION, PROBABILITIES, "decisions", "scores for regression; they are for classification, multilab"),
    ],
)
def test_scores_that_do_not_fit_are_named(kind: Kind, scores: Any, meaning: Any, why: str) -> None:
    assert why in problem(kind, PREDICTIONS[kind], scores=scores, scores_are=meaning)


def test_params_that_json_cannot_hold_are_named() -> None:
    found = problem(Kind.REGRESSION, PREDICTIONS[Kind.REGRESSION], params={"alpha": np.float32(1)})
    assert found == "its params cannot be recorded: Object of type float32 is not JSON serializable"


@pytest.mark.parametrize("caveats", ["a text", ["a list"], (1,), ("",)])
def test_caveats_that_are_not_texts_are_named(caveats: Any) -> None:
    found = problem(Kind.REGRESSION, PREDICTIONS[Kind.REGRESSION], caveats=caveats)
    assert found == f"its caveats are {caveats!r}, wanted a tuple of texts"
