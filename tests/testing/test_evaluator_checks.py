"""The checks of evaluators catch what they are there to catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from points import checks, failures

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators import EVALUATORS
from gairbench.spec import EvaluatorSpec, Kind
from gairbench.testing import evaluator_checks

GOOD = next(spec for spec in EVALUATORS if spec.name == "linear")


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "My Head"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        ({"kinds": frozenset(), "default": frozenset()}, "check_kinds_are_stated", "no kinds"),
        ({"default": frozenset({Kind.RETRIEVAL})}, "check_kinds_are_stated", "run by default for retrieval, which it"),
        ({"factory": "gairbench.metrics:RESAMPLES"}, "check_factories_can_be_imported", "is not callable"),
        ({"factory": "rasterio:open"}, "check_registering_imports_nothing_heavy", "registering rasterio imports"),
    ],
)
def test_a_wrong_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(evaluator_checks)[check](replace(GOOD, **changes))


def nearest(data: EvaluatorInput, **changes: Any) -> EvaluatorOutput:
    """Return the class of the nearest mean, as it should be but for the changes."""
    x, y = data.features["train"], data.targets["train"]
    means = np.stack([x[y == c].mean(axis=0) if (y == c).any() else np.full(x.shape[1], 1e3) for c in range(4)])
    scores = -((data.features["test"][:, None] - means) ** 2).sum(axis=2)
    good: dict[str, Any] = {"prediction": scores.argmax(axis=1), "scores": scores, "scores_are": "decisions"}
    return EvaluatorOutput(**(good | changes))


def without_scores(data: EvaluatorInput) -> EvaluatorOutput:
    return EvaluatorOutput(prediction=nearest(data).prediction)


def one_short(data: EvaluatorInput) -> EvaluatorOutput:
    return EvaluatorOutput(prediction=nearest(data).prediction[:-1])


def by_chance(data: EvaluatorInput) -> EvaluatorOutput:
    flipped = np.random.default_rng().random(40) < 0.1
    return EvaluatorOutput(prediction=np.where(flipped, 0, nearest(data).prediction))


def by_chance_in_scores(data: EvaluatorInput) -> EvaluatorOutput:
    scores = nearest(data).scores
    assert scores is not None
    return nearest(data, scores=scores + np.random.default_rng().normal(0, 1e-6, scores.shape))


def scaling_in_place(data: EvaluatorInput) -> EvaluatorOutput:
    features: Any = data.features["train"]
    features /= 2
    return nearest(data)


def sorting_in_place(data: EvaluatorInput) -> EvaluatorOutput:
    output = nearest(data)
    data.targets["val"].sort()
    return output


def always_the_first(data: EvaluatorInput) -> EvaluatorOutput:
    return EvaluatorOutput(prediction=np.zeros(40, dtype=np.int64))


def scores_turned_round(data: EvaluatorInput) -> EvaluatorOutput:
    scores = nearest(data).scores
    assert scores is not None
    return nearest(data, scores=-scores)


def columns_of_train(data: EvaluatorInput) -> EvaluatorOutput:
    """Return a column for the classes of train alone, as scikit-learn does."""
    scores = nearest(data).scores
    assert scores is not None
    return nearest(data, scores=scores[:, np.unique(data.targets["train"])])


def columns_pushed_left(data: EvaluatorInput) -> EvaluatorOutput:
    present = np.unique(data.targets["train"])
    scores = nearest(data).scores
    assert scores is not None
    pushed = np.concatenate([scores[:, present], np.full((40, 4 - len(present)), -1e6)], axis=1)
    return nearest(data, scores=pushed)


def spec(function: Callable[[EvaluatorInput], EvaluatorOutput]) -> EvaluatorSpec:
    return EvaluatorSpec(name="mine", version=1, factory=function, kinds=frozenset({Kind.CLASSIFICATION}))


@pytest.mark.parametrize("function", [nearest, without_scores])
def test_a_good_evaluator_of_a_plugin_passes(function: Callable[[EvaluatorInput], EvaluatorOutput]) -> None:
    cases = [(c.__name__, partial(c, spec(function), Kind.CLASSIFICATION)) for c in evaluator_checks.BEHAVIOUR]
    assert failures(cases) == {}


@pytest.mark.parametrize(
    ("function", "check", "why"),
    [
        (one_short, "check_output_can_be_scored", r"shape \(39,\), wanted \(40,\)"),
        (by_chance, "check_output_is_the_same_for_a_seed", "two predictions for the same"),
        (by_chance_in_scores, "check_output_is_the_same_for_a_seed", "scores differ for the same"),
        (scaling_in_place, "check_input_is_not_written_to", r"it writes to features\['train'\]"),
        (sorting_in_place, "check_input_is_not_written_to", r"it writes to targets\['val'\]"),
        (always_the_first, "check_what_is_there_is_learned", "it learns nothing"),
        (scores_turned_round, "check_scores_agree_with_the_prediction", "has the highest score for"),
        (columns_of_train, "check_every_class_has_its_column", r"shape \(40, 3\), wanted \(40, 4\)"),
        (columns_pushed_left, "check_every_class_has_its_column", "the columns are not class numbers"),
    ],
)
def test_wrong_behaviour_is_caught(function: Callable[[EvaluatorInput], EvaluatorOutput], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(evaluator_checks)[check](spec(function), Kind.CLASSIFICATION)


def on_the_mean(data: EvaluatorInput) -> EvaluatorOutput:
    """Encode the samples anew, as fine-tuning does, and go by the nearest mean of these."""
    assert data.backbone is not None
    encoded = {}
    for split in ("train", "test"):
        batches = [data.backbone.encode(batch).detach() for batch, _ in data.backbone.loader(split)]
        encoded[split] = data.backbone.standardize(torch.cat(batches)).numpy()
    return nearest(replace(data, features=encoded))


def test_an_evaluator_that_is_given_the_model_passes() -> None:
    trains = replace(spec(on_the_mean), needs="backbone")
    cases = [(c.__name__, partial(c, trains, Kind.CLASSIFICATION)) for c in evaluator_checks.BEHAVIOUR]
    assert failures(cases) == {}


def test_the_given_model_is_the_one_of_the_features() -> None:
    for kind in (Kind.CLASSIFICATION, Kind.SEGMENTATION):
        data, _ = evaluator_checks.generated_input("backbone", kind)
        assert data.backbone is not None
        for split, features in data.features.items():
            parts = [data.backbone.encode(batch) for batch, _ in data.backbone.loader(split)]
            assert parts[0].requires_grad
            found = data.backbone.standardize(torch.cat(parts)).detach().numpy()
            np.testing.assert_allclose(found, features, atol=1e-4)


def test_an_evaluator_that_trains_the_model_is_not_for_retrieval() -> None:
    wrong = replace(GOOD, needs="backbone", kinds=frozenset({Kind.RETRIEVAL}), default=frozenset())
    with pytest.raises(AssertionError, match="retrieval has nothing to train it on"):
        evaluator_checks.check_kinds_are_stated(wrong)


def labels_turned_round(data: EvaluatorInput) -> EvaluatorOutput:
    prediction = data.features["test"][:, :4] > 0
    return EvaluatorOutput(prediction=prediction, scores=np.where(prediction, 0.1, 0.9), scores_are="probabilities")


def test_scores_of_labels_that_are_turned_round_are_caught() -> None:
    with pytest.raises(AssertionError, match="predicted labels have lower scores than others"):
        evaluator_checks.check_scores_agree_with_the_prediction(spec(labels_turned_round), Kind.MULTILABEL)
