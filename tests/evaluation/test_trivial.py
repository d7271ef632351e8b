"""The trivial predictor of each kind of task, what metrics say of it, and predictions that are all the same."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from generated import TASKS, carry_out
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import f1_score, r2_score

from gairbench.evaluation.plan import EvaluationRequest
from gairbench.evaluation.trivial import CONSTANT, is_constant, trivial_predictions
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators import METRICS
from gairbench.metrics import load_metric, needed_by
from gairbench.plugins import Origin, Registry
from gairbench.predictions import Predictions
from gairbench.spec import EvaluatorSpec, Kind

MEASURES = {spec.name: (spec, load_metric(spec)) for spec in METRICS}
RNG = np.random.default_rng(0)


def trivial(kind: Kind, targets: dict[str, Any], test: Any, names: tuple[str, ...] = ()) -> Predictions:
    test = np.asarray(test)
    ids = np.array([str(i) for i in range(len(test))])
    some = np.zeros(len(test)) if kind is Kind.RETRIEVAL else np.zeros_like(test)
    arrays = {name: np.asarray(values) for name, values in targets.items()}
    return trivial_predictions(kind, arrays, names, Predictions(ids, test, some))


def measured(name: str, predicted: Predictions) -> float:
    spec, measure = MEASURES[name]
    given = needed_by(spec, predicted)
    assert given is not None
    return measure(predicted.target, given)


def test_classes_are_as_scikit_learns_dummy_has_them() -> None:
    train, val, test = (RNG.choice(4, size, p=[0.2, 0.5, 0.3, 0]) for size in (90, 30, 50))
    found = trivial(Kind.CLASSIFICATION, {"train": train, "val": val}, test, ("a", "b", "c", "d"))
    both = np.concatenate([train, val])
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((120, 1)), both)
    assert measured("accuracy", found) == dummy.score(np.zeros((50, 1)), test)
    assert found.scores is not None
    np.testing.assert_allclose(found.scores[:, :3], dummy.predict_proba(np.zeros((50, 1))), atol=1e-7)
    assert found.scores[:, 3].max() == 0
    assert measured("auc", replace(found, target=np.arange(50) % 4)) == 0.5
    # Each metric is given what it is, whichever constant would be best for it.
    assert measured("balanced_accuracy", found) == pytest.approx(1 / 3)


def test_ordered_classes_are_the_median_and_no_better_than_chance() -> None:
    found = trivial(Kind.ORDINAL, {"train": [0, 0, 1], "val": [3, 3]}, [0, 1, 2], tuple("abcd"))
    assert found.prediction.tolist() == [1, 1, 1]
    assert measured("quadratic_kappa", found) == 0
    even = trivial(Kind.ORDINAL, {"train": [0, 0], "val": [3, 3]}, [0, 1], tuple("abcd"))
    assert even.prediction.tolist() == [0, 0]


def test_labels_are_those_with_the_best_micro_f1_of_all_that_could_be_predicted_of_every_sample() -> None:
    rng = np.random.default_rng(0)
    # All labels are rare: none is what more than half of the samples have, and none predicts nothing.
    train = rng.random((50, 4)) < np.array([0.3, 0.25, 0.1, 0.02])
    found = trivial(Kind.MULTILABEL, {"train": train[:30], "val": train[30:]}, train[:1], ("a", "b", "c", "d"))
    every = [np.array(one) for one in product([False, True], repeat=4)]
    scores = [f1_score(train, np.tile(one, (50, 1)), average="micro", zero_division=0) for one in every]
    assert found.prediction.tolist() == [every[int(np.argmax(scores))].tolist()]
    assert found.prediction.any()
    assert found.scores is not None
    np.testing.assert_allclose(found.scores[0], train.mean(axis=0), rtol=1e-6)


def test_numbers_are_the_mean_of_train_and_val() -> None:
    train, val, test = (RNG.normal(5, 2, size=(size, 2)) for size in (20, 10, 15))
    dummy = DummyRegressor().fit(np.zeros((30, 1)), np.concatenate([train, val]))
    several = trivial(Kind.MULTI_REGRESSION, {"train": train, "val": val}, test, ("a", "b"))
    assert measured("mean_r2", several) == pytest.approx(r2_score(test, dummy.predict(np.zeros((15, 1)))))
    one = trivial(Kind.REGRESSION, {"train": train[:, 0], "val": val[:, 0]}, test[:, 0])
    assert measured("r2", one) < 0
    assert measured("pearson_r", one) == pytest.approx(0, abs=1e-6)


def test_masks_are_the_most_frequent_class_of_the_pixels_that_count() -> None:
    # More pixels are ignored than are of any class.
    train = np.array([[[0, 0, 255, 255], [1, 1, 255, 255]], [[1, 255, 255, 255], [255, 255, 255, 255]]], dtype=np.uint8)
    found = trivial(Kind.SEGMENTATION, {"train": train, "val": train[:1]}, train, ("a", "b"))
    assert set(found.prediction.ravel().tolist()) == {1}
    assert measured("miou", found) == pytest.approx((0 + 3 / 5) / 2)


def test_maps_are_the_mean_of_the_pixels_with_a_value() -> None:
    train = np.array([[[1.0, np.nan], [3.0, 2.0]]])
    val = np.array([[[np.nan, np.nan], [6.0, np.nan]]])
    found = trivial(Kind.DENSE_REGRESSION, {"train": train, "val": val}, train)
    assert set(found.prediction.ravel().tolist()) == {3.0}
    assert measured("pixel_rmse", found) == pytest.approx(np.sqrt((4 + 0 + 1) / 3))


def test_a_map_of_the_trivial_predictor_takes_no_memory() -> None:
    test = np.broadcast_to(np.arange(4.0).reshape(2, 2), (10_000_000, 2, 2))
    targets = {"train": np.arange(8.0).reshape(2, 2, 2)}
    ids = np.broadcast_to(np.array("x"), 10_000_000)
    tracemalloc.start()
    found = trivial_predictions(Kind.DENSE_REGRESSION, targets, (), Predictions(ids, test, test))
    flat = found.prediction.reshape(len(test), -1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert flat.shape == (10_000_000, 4)
    assert peak < 2**20


def test_places_are_in_the_middle_across_the_antimeridian() -> None:
    places = np.array([[179.0, 0.0], [-179.0, 0.0], [180.0, 1.0], [180.0, -1.0]])
    found = trivial(Kind.GEOLOCALIZATION, {"train": places[:2], "val": places[2:]}, places[:1])
    assert abs(found.prediction[0, 0]) == pytest.approx(180, abs=0.1)
    assert measured("median_km", found) == pytest.approx(111.2, abs=3)


def test_ranks_drawn_by_lot_are_expected_to_give_what_each_rank_once_gives() -> None:
    found = trivial(Kind.RETRIEVAL, {}, np.arange(40))
    assert measured("recall@10", found) == 10 / 40
    # Some permutation's query has each rank with the same chance.
    drawn = 1 / (RNG.integers(40, size=20_000) + 1)
    assert measured("mrr", found) == pytest.approx(drawn.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("kind", "target", "same", "other"),
    [
        (Kind.CLASSIFICATION, [0, 1, 0], [1, 1, 1], [1, 1, 0]),
        (Kind.ORDINAL, [0, 1, 2], [1, 1, 1], [1, 1, 0]),
        (Kind.MULTILABEL, [[True, False], [True, True]], [[True, False]] * 2, [[True, False], [False, False]]),
        (Kind.REGRESSION, [1e6, 2e6], [1.5e6, 1.5e6 + 1e-3], [1.5e6, 1.6e6]),
        (Kind.MULTI_REGRESSION, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0]] * 2, [[1.0, 2.0], [1.0, 2.5]]),
        (Kind.GEOLOCALIZATION, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0]] * 2, [[1.0, 2.0], [1.0, 2.5]]),
        (Kind.SEGMENTATION, [[[0, 1]], [[255, 0]]], [[[1, 1]], [[1, 1]]], [[[1, 1]], [[1, 0]]]),
        (Kind.DENSE_REGRESSION, [[[0.0, 1.0]], [[np.nan, 0.0]]], [[[1.0, 1.0]]] * 2, [[[1.0, 1.0]], [[1.0, 0.9]]]),
    ],
)
def test_the_same_prediction_for_every_sample_is_constant(kind: Kind, target: Any, same: Any, other: Any) -> None:
    assert is_constant(kind, np.array(target), np.array(same))
    assert not is_constant(kind, np.array(target), np.array(other))


def test_where_targets_do_not_differ_either_and_in_retrieval_nothing_is_constant() -> None:
    assert not is_constant(Kind.CLASSIFICATION, np.array([1, 1]), np.array([1, 1]))
    assert not is_constant(Kind.SEGMENTATION, np.array([[[1, 255]]]), np.array([[[0, 0]]]))
    assert not is_constant(Kind.RETRIEVAL, np.arange(3), np.array([2.0, 2.0, 2.0]))


def same_class(data: EvaluatorInput) -> EvaluatorOutput:
    """Predict the most frequent class of train; the scores differ, and rank."""
    first = data.features["test"][:, 0]
    scores = np.zeros((len(first), data.classes))
    scores[:, 0] = first
    return EvaluatorOutput(
        prediction=np.full(len(first), np.bincount(data.targets["train"]).argmax()),
        scores=scores,
        scores_are="decisions",
    )


def test_records_hold_the_trivial_level_of_every_metric_and_say_what_is_constant(
    request_: EvaluationRequest, registry: Registry
) -> None:
    registry.add(
        Origin("theirs", "their-dist", "1.0"),
        evaluators=[EvaluatorSpec(name="same", version=1, factory=same_class, kinds=frozenset({Kind.CLASSIFICATION}))],
    )
    constant = replace(TASKS[0], name="world-constant", evaluators=("same",))
    # A metric of scores is given what differs.
    ranked = replace(constant, name="world-ranked", metric="auc", extra_metrics=("accuracy",))
    for task in (constant, ranked):
        registry.tasks[task.name] = task
        registry.task_origins[task.name] = Origin("theirs", "their-dist", "1.0")
    found = {r.task: r for r in carry_out(replace(request_, tasks=[*TASKS, constant, ranked]), registry) if r.headline}
    assert {r.status for r in found.values()} == {"ok"}, [r.reason for r in found.values()]
    assert all(value.trivial is not None for r in found.values() for value in r.metrics.values())
    assert found["world-retrieval"].metrics["recall@10"].trivial == 10 / 40
    assert [r.task for r in found.values() if r.constant] == ["world-constant"]
    assert [r.task for r in found.values() if CONSTANT in r.caveats] == ["world-constant"]
    accuracy = found["world-constant"].metrics["accuracy"]
    assert accuracy.value == accuracy.trivial
