"""The checks of evaluators catch what they are there to catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from points import checks, failures

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators import EVALUATORS
from gairbench.evaluators.ordinal_linear import ordinal_linear
from gairbench.evaluators.ridge import ridge
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
        ({"factory": "gairbench.metrics:IGNORED"}, "check_factories_can_be_imported", "is not callable"),
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


def in_double_precision(data: EvaluatorInput) -> EvaluatorOutput:
    torch.set_default_dtype(torch.float64)
    return nearest(data)


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


@pytest.mark.parametrize("check", evaluator_checks.BEHAVIOUR, ids=lambda check: check.__name__)
def test_no_check_lets_an_evaluator_change_the_process_for_others(check: Callable[..., None]) -> None:
    failures([("", partial(check, spec(in_double_precision), Kind.CLASSIFICATION))])
    assert torch.get_default_dtype() == torch.float32


def on_the_last_layer(data: EvaluatorInput) -> EvaluatorOutput:
    return nearest(replace(data, features={name: x[:, -1].mean((2, 3)) for name, x in data.features.items()}))


def on_the_first_layer(data: EvaluatorInput) -> EvaluatorOutput:
    return nearest(replace(data, features={name: x[:, 0].mean((2, 3)) for name, x in data.features.items()}))


def test_an_evaluator_of_several_layers_is_given_as_many_and_must_use_the_one_that_shows_something() -> None:
    several = replace(spec(on_the_last_layer), needs="tokens", layers=3)
    cases = [(c.__name__, partial(c, several, Kind.CLASSIFICATION)) for c in evaluator_checks.BEHAVIOUR]
    assert failures(cases) == {}
    given, _ = evaluator_checks.generated_input("tokens", Kind.CLASSIFICATION, 3)
    assert given.features["train"].shape == (90, 3, 8, 4, 4)
    with pytest.raises(AssertionError, match="it learns nothing"):
        evaluator_checks.check_what_is_there_is_learned(
            replace(several, factory=on_the_first_layer), Kind.CLASSIFICATION
        )


@pytest.mark.parametrize(
    ("function", "check", "why"),
    [
        (one_short, "check_output_can_be_scored", r"shape \(39,\), wanted \(40,\)"),
        (by_chance, "check_output_is_the_same_for_a_seed", "two predictions for the same"),
        (by_chance_in_scores, "check_output_is_the_same_for_a_seed", "scores differ for the same"),
        (scaling_in_place, "check_input_is_not_written_to", r"it writes to features\['train'\]"),
        (sorting_in_place, "check_input_is_not_written_to", r"it writes to targets\['val'\]"),
        (
            in_double_precision,
            "check_the_process_is_left_as_it_was",
            r"evaluator 'mine' \(.*in_double_precision\) changed torch's default",
        ),
        (always_the_first, "check_what_is_there_is_learned", "it learns nothing"),
        (scores_turned_round, "check_scores_agree_with_the_prediction", "has the highest score for"),
        (columns_of_train, "check_every_class_has_its_column", r"shape \(40, 3\), wanted \(40, 4\)"),
        (columns_pushed_left, "check_every_class_has_its_column", "the columns are not class numbers"),
    ],
)
def test_wrong_behaviour_is_caught(function: Callable[[EvaluatorInput], EvaluatorOutput], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(evaluator_checks)[check](spec(function), Kind.CLASSIFICATION)


def ranks(data: EvaluatorInput, **changes: Any) -> EvaluatorOutput:
    """Return the predictions of the built-in probe, but for the changes."""
    return replace(ordinal_linear(data), **changes)


def as_columns_of_train(data: EvaluatorInput) -> EvaluatorOutput:
    scores = ranks(data).scores
    assert scores is not None
    return ranks(data, scores=scores[:, np.unique(data.targets["train"])])


def backwards(data: EvaluatorInput) -> EvaluatorOutput:
    scores = ranks(data).scores
    assert scores is not None
    return ranks(data, scores=scores[:, ::-1])


def as_floats(data: EvaluatorInput) -> EvaluatorOutput:
    return ranks(data, prediction=ranks(data).prediction + 0.5)


def first_of_several(data: EvaluatorInput) -> EvaluatorOutput:
    """Learn the first measurement and predict the mean of the others."""
    prediction = ridge(data).prediction
    prediction[:, 1:] = data.targets["train"][:, 1:].mean(axis=0)
    return EvaluatorOutput(prediction=prediction)


def one_number(data: EvaluatorInput) -> EvaluatorOutput:
    return EvaluatorOutput(prediction=ridge(data).prediction[:, 0])


@pytest.mark.parametrize(
    ("function", "kind", "check", "why"),
    [
        (as_floats, Kind.ORDINAL, "check_output_can_be_scored", "float64, wanted whole numbers"),
        (as_columns_of_train, Kind.ORDINAL, "check_every_class_has_its_column", r"shape \(40, 3\), wanted \(40, 4\)"),
        (backwards, Kind.ORDINAL, "check_scores_agree_with_the_prediction", "has the highest score for"),
        (one_number, Kind.MULTI_REGRESSION, "check_output_can_be_scored", r"shape \(40,\), wanted \(40, 4\)"),
        (first_of_several, Kind.MULTI_REGRESSION, "check_what_is_there_is_learned", "it learns nothing from multi_reg"),
    ],
)
def test_wrong_ranks_and_measurements_are_caught(
    function: Callable[[EvaluatorInput], EvaluatorOutput], kind: Kind, check: str, why: str
) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(evaluator_checks)[check](replace(spec(function), kinds=frozenset({kind})), kind)


DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"


def near_of_the_docs() -> Callable[[EvaluatorInput], EvaluatorOutput]:
    """Return the evaluator that the docs show as one that is given places."""
    block = DOCS.read_text(encoding="utf-8").split("# my_package/near.py\n")[1].split("```")[0]
    namespace: dict[str, Any] = {}
    exec(block, namespace)
    evaluate: Callable[[EvaluatorInput], EvaluatorOutput] = namespace["evaluate"]
    return evaluate


@pytest.mark.parametrize("kind", [Kind.REGRESSION, Kind.MULTI_REGRESSION, Kind.DENSE_REGRESSION])
def test_an_evaluator_that_is_given_places_passes(kind: Kind) -> None:
    placed = replace(spec(near_of_the_docs()), places=True, kinds=frozenset({kind}))
    cases = [(c.__name__, partial(c, placed, kind)) for c in evaluator_checks.BEHAVIOUR]
    assert failures(cases) == {}


@pytest.mark.parametrize("kind", sorted(Kind))
def test_places_are_given_of_every_sample(kind: Kind) -> None:
    given, _ = evaluator_checks.generated_input("features", kind, places=True)
    assert {name: len(array) for name, array in given.lonlat.items()} == {
        name: len(array) for name, array in given.features.items()
    }
    assert all((np.abs(lonlat) < (180, 90)).all() for lonlat in given.lonlat.values())


def moving_places(data: EvaluatorInput) -> EvaluatorOutput:
    places: Any = data.lonlat["test"]
    places += 1
    return nearest(data)


def test_an_evaluator_that_writes_to_places_is_caught() -> None:
    placed = replace(spec(moving_places), places=True)
    with pytest.raises(AssertionError, match=r"it writes to lonlat\['test'\]"):
        evaluator_checks.check_input_is_not_written_to(placed, Kind.CLASSIFICATION)


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
