"""What makes a metric of an additive one, a ranked one and a function; and what each unit of the samples changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.metrics import roc_auc_score

from gairbench.errors import PluginError
from gairbench.evaluators import METRICS
from gairbench.intervals import jackknife_variance
from gairbench.metrics import (
    MedianMetric,
    Metric,
    Predicted,
    load_metric,
    mean_of_samples,
    needed_by,
    sums_by_unit,
    with_count,
)
from gairbench.predictions import Predictions
from gairbench.spec import Kind, MetricSpec

SPECS = {spec.name: spec for spec in METRICS}
MEASURES = {name: load_metric(spec) for name, spec in SPECS.items()}
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, 400)
GUESSES = np.where(RNG.random(400) < 0.6, LABELS, RNG.integers(0, 5, 400))
TARGET = RNG.normal(50, 3, 400)
PREDICTION = TARGET + RNG.normal(1, 2, 400)
SCORES = RNG.normal(size=(400, 5)).round(1) + 1.5 * (LABELS[:, None] == np.arange(5))


def spec(factory: Any, needs: Any = "prediction") -> MetricSpec:
    return MetricSpec(
        name="mine",
        version=1,
        factory=factory,
        kinds=frozenset({Kind.CLASSIFICATION}),
        higher_is_better=True,
        needs=needs,
    )


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy", "r2", "pearson_r", "auc"])
@pytest.mark.parametrize("several", [2, 7, 200])
def test_values_without_each_unit_are_those_of_the_remaining_samples(name: str, several: int) -> None:
    target, given = (TARGET, PREDICTION) if name in {"r2", "pearson_r"} else (LABELS, GUESSES)
    if name == "auc":
        given = SCORES
    units = np.random.default_rng(1).permutation(np.arange(len(target)) % several)
    found = MEASURES[name].without_each(target, given, units)
    plain = [MEASURES[name](target[units != unit], given[units != unit]) for unit in range(several)]
    np.testing.assert_allclose(found, plain, rtol=0, atol=1e-12)


def test_sums_by_unit_are_exact_in_any_type_and_over_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gairbench.sample_blocks.VALUES", 60)
    units = RNG.permutation(np.arange(400) % 9)
    for statistics in (
        RNG.random((400, 3)),
        RNG.integers(0, 256, (400, 3)).astype(np.uint8),
        RNG.random((400, 2)) < 0.5,
        RNG.random((400, 2)).astype(np.float32),
    ):
        found = sums_by_unit(statistics, units)
        plain = np.stack([statistics[units == unit].sum(axis=0) for unit in range(9)])
        np.testing.assert_allclose(found, plain, rtol=1e-6)
        assert found.dtype.kind == ("f" if statistics.dtype.kind == "f" else "i")


def test_the_jackknife_of_a_share_has_the_standard_error_of_a_share() -> None:
    each = MEASURES["accuracy"].without_each(LABELS, GUESSES, np.arange(400))
    value = MEASURES["accuracy"](LABELS, GUESSES)
    assert jackknife_variance(each) == pytest.approx(value * (1 - value) / 399)


def test_a_class_whose_samples_are_all_of_one_unit_is_left_out_with_it() -> None:
    target = np.array([0, 0, 1, 1, 2, 2])
    guesses = np.array([0, 0, 1, 0, 2, 2])
    found = MEASURES["balanced_accuracy"].without_each(target, guesses, np.array([0, 1, 0, 1, 2, 2]))
    np.testing.assert_allclose(found, [(1 + 0 + 1) / 3, 1, (1 + 0.5) / 2])


def test_a_class_that_is_predicted_and_not_in_test_is_not_averaged_over() -> None:
    """The classes are those of the targets, the same for every model."""
    target = np.repeat([0, 1], 10)
    guesses = np.where(np.arange(20) % 5 == 0, 2, target)
    for name, score in (
        ("macro_f1", reference.f1_score(target, guesses, average="macro", labels=[0, 1])),
        ("miou", reference.jaccard_score(target, guesses, average="macro", labels=[0, 1])),
        ("balanced_accuracy", 0.8),
    ):
        assert MEASURES[name](target, guesses) == pytest.approx(score)


def right(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return target == prediction


def share(target: np.ndarray, prediction: np.ndarray) -> float:
    return float(np.mean(target == prediction))


def additive(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return with_count(target == prediction)


@pytest.mark.parametrize(
    "factory", [right, share, Metric(additive, mean_of_samples)], ids=["per sample", "number", "sums"]
)
def test_every_form_of_a_metric_gives_the_same_values_without_each_unit(factory: Any) -> None:
    wanted = load_metric(SPECS["accuracy"])
    found = load_metric(spec(factory))
    assert found(LABELS, GUESSES) == wanted(LABELS, GUESSES)
    units = np.arange(400) % 30
    np.testing.assert_allclose(
        found.without_each(LABELS, GUESSES, units), wanted.without_each(LABELS, GUESSES, units), rtol=1e-12
    )


@pytest.mark.parametrize("together", [60, 240, 2**22])
def test_a_ranked_metric_is_as_a_function_however_many_units_at_a_time(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr("gairbench.metrics._COUNTS", together)
    target, scores = LABELS[:60], SCORES[:60]
    plain = load_metric(spec(lambda y, s: roc_auc_score(y == 1, s[:, 1])))
    ranked = load_metric(SPECS["auc"])
    both = np.stack([-scores[:, 1], scores[:, 1]], axis=1)
    units = np.arange(60) % 11
    np.testing.assert_allclose(
        ranked.without_each((target == 1).astype(np.int64), both, units),
        plain.without_each(target, scores, units),
        rtol=1e-12,
    )


def test_a_function_that_returns_another_shape_is_named() -> None:
    wrong: Callable[..., Any] = lambda target, given: np.ones(3)  # noqa: E731
    with pytest.raises(PluginError, match=r"metric 'mine' returned an array of shape \(3,\) for 400 samples"):
        load_metric(spec(wrong))(LABELS, GUESSES)


def test_an_address_of_something_else_is_named() -> None:
    with pytest.raises(PluginError, match=r"'gairbench\.metrics:IGNORED' is not callable"):
        load_metric(spec("gairbench.metrics:IGNORED"))


def predicted(scores_are: Any) -> Predicted:
    scores = None if scores_are is None else SCORES
    return Predictions(np.arange(400), LABELS, GUESSES, scores, scores_are)


@pytest.mark.parametrize(
    ("needs", "scores_are", "given"),
    [
        ("prediction", None, GUESSES),
        ("prediction", "decisions", GUESSES),
        ("scores", None, None),
        ("scores", "decisions", SCORES),
        ("scores", "probabilities", SCORES),
        ("probabilities", None, None),
        ("probabilities", "decisions", None),
        ("probabilities", "probabilities", SCORES),
    ],
)
def test_a_metric_is_given_what_it_needs_or_nothing(needs: str, scores_are: Any, given: Any) -> None:
    found = needed_by(spec(right, needs), predicted(scores_are))
    assert found is given is None or (found is not None and np.shares_memory(found, given))


def test_kilometres_agree_with_scikit_learn_and_errors_at_the_antimeridian_are_small() -> None:
    rng = np.random.default_rng(1)
    here, there = (np.stack([rng.uniform(-180, 180, 99), rng.uniform(-90, 90, 99)], axis=1) for _ in range(2))
    swapped = [np.radians(points[:, ::-1]) for points in (here, there)]
    expected = np.diag(reference.pairwise.haversine_distances(*swapped)) * 6371.0088
    assert MEASURES["median_km"](here, there) == pytest.approx(np.median(expected))
    assert MEASURES["within_2500_km"](here, there) == pytest.approx(np.mean(expected <= 2500))
    west, east = np.array([[-179.999, 0.0]]), np.array([[179.999, 0.0]])
    assert MEASURES["within_1_km"](west, east) == 1


def test_what_a_unit_changes_in_a_median_follows_from_the_density_there() -> None:
    """The standard error of a median is 1 / (2 f sqrt(n)), f the density at the median."""
    errors, values = [], []
    for seed in range(300):
        sample = np.random.default_rng(seed).normal(10, 2, 400)
        metric = MedianMetric(lambda target, given: given)
        values.append(metric(sample, sample))
        errors.append(jackknife_variance(metric.without_each(sample, sample, np.arange(400) % 200)) ** 0.5)
    expected = np.sqrt(np.pi / 2) * 2 / np.sqrt(400)
    assert np.median(errors) == pytest.approx(expected, rel=0.05)
    assert np.std(values) == pytest.approx(expected, rel=0.15)


def test_values_without_each_unit_surround_a_median_and_do_not_depend_on_the_order() -> None:
    rng = np.random.default_rng(2)
    places = np.stack([rng.uniform(-10, 10, 60), rng.uniform(-10, 10, 60)], axis=1)
    metric, units = MEASURES["median_km"], np.arange(60) % 12
    found = metric.without_each(places, places[::-1], units)
    assert found.min() < metric(places, places[::-1]) < found.max()
    rows = rng.permutation(60)
    np.testing.assert_allclose(metric.without_each(places[rows], places[::-1][rows], units[rows]), found)
    assert (metric.without_each(places, places, units) == 0).all()


def test_pixels_without_a_value_take_no_part() -> None:
    rng = np.random.default_rng(3)
    target = rng.normal(100, 2, (9, 5, 4))
    prediction = target + rng.normal(0, 1, target.shape)
    target[0], target[3, 2] = np.nan, np.nan
    known = np.isfinite(target)
    assert MEASURES["pixel_r2"](target, prediction) == pytest.approx(
        reference.r2_score(target[known], prediction[known])
    )
    rmse = reference.root_mean_squared_error(target[known], prediction[known])
    assert MEASURES["pixel_rmse"](target, prediction) == pytest.approx(rmse)
    assert np.isfinite(MEASURES["pixel_r2"].without_each(target, prediction, np.arange(9))).all()
