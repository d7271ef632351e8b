"""What makes a metric of an additive one, a ranked one and a function; and their intervals, a plain bootstrap's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference
from sklearn.metrics import roc_auc_score

from gairbench.errors import PluginError
from gairbench.evaluators import METRICS
from gairbench.metrics import Metric, Predicted, interval, load_metric, mean_of_samples, needed_by, with_count
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


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "r2", "pearson_r", "auc"])
def test_interval_is_that_of_a_plain_bootstrap(name: str) -> None:
    target, given = (LABELS, GUESSES) if name in {"accuracy", "macro_f1"} else (TARGET, PREDICTION)
    if name == "auc":
        target, given = LABELS, SCORES
    measure = load_metric(SPECS[name])
    rng = np.random.default_rng(1)
    values = []
    for _ in range(1000):
        rows = rng.integers(len(target), size=len(target))
        values.append(measure(target[rows], given[rows]))
    plain = np.quantile(values, [0.025, 0.975])
    # Two bootstraps of 1,000 resamples differ by a few hundredths of the interval's width.
    found = interval(measure.resampled(target, given, 0))
    assert found == pytest.approx(plain, abs=0.15 * (plain[1] - plain[0]))


def test_interval_depends_on_the_seed_only() -> None:
    r2 = load_metric(SPECS["r2"])
    first, second, other = (interval(r2.resampled(TARGET, PREDICTION, seed)) for seed in (3, 3, 4))
    assert first == second
    assert first != other


def right(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return target == prediction


def share(target: np.ndarray, prediction: np.ndarray) -> float:
    return float(np.mean(target == prediction))


def additive(target: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    return with_count(target == prediction)


@pytest.mark.parametrize(
    "factory", [right, share, Metric(additive, mean_of_samples)], ids=["per sample", "number", "sums"]
)
def test_every_form_of_a_metric_gives_the_same_values_on_the_same_resamples(factory: Any) -> None:
    wanted = load_metric(SPECS["accuracy"])
    found = load_metric(spec(factory))
    assert found(LABELS, GUESSES) == wanted(LABELS, GUESSES)
    np.testing.assert_allclose(found.resampled(LABELS, GUESSES, 5), wanted.resampled(LABELS, GUESSES, 5), rtol=1e-12)


@pytest.mark.parametrize("together", [7, 100])
def test_a_ranked_metric_resamples_as_a_function_does_however_many_at_a_time(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr("gairbench.metrics._TOGETHER", together)
    target, scores = LABELS[:60], SCORES[:60]
    plain = load_metric(spec(lambda y, s: roc_auc_score(y == 1, s[:, 1])))
    ranked = load_metric(SPECS["auc"])
    both = np.stack([-scores[:, 1], scores[:, 1]], axis=1)
    np.testing.assert_allclose(
        ranked.resampled((target == 1).astype(np.int64), both, 2), plain.resampled(target, scores, 2), rtol=1e-12
    )


def test_a_function_that_returns_another_shape_is_named() -> None:
    wrong: Callable[..., Any] = lambda target, given: np.ones(3)  # noqa: E731
    with pytest.raises(PluginError, match=r"metric 'mine' returned an array of shape \(3,\) for 400 samples"):
        load_metric(spec(wrong))(LABELS, GUESSES)


def test_an_address_of_something_else_is_named() -> None:
    with pytest.raises(PluginError, match=r"'gairbench\.metrics:RESAMPLES' is not callable"):
        load_metric(spec("gairbench.metrics:RESAMPLES"))


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


def test_the_interval_of_a_median_is_the_bootstrap_s() -> None:
    rng = np.random.default_rng(2)
    places = np.stack([rng.uniform(-10, 10, 60), rng.uniform(-10, 10, 60)], axis=1)
    metric = MEASURES["median_km"]
    low, high = interval(metric.resampled(places, places[::-1], 0))
    assert low < metric(places, places[::-1]) < high
    resampled = metric.resampled(places, places[::-1], 0)
    draws = np.random.default_rng(0)
    rows = draws.integers(60, size=60)
    assert resampled[0] == pytest.approx(metric(places[rows], places[::-1][rows]))


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
    assert np.isfinite(interval(MEASURES["pixel_r2"].resampled(target, prediction, 0))).all()
