"""Metrics agree with scikit-learn, and their intervals with a plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from gairbench.kinds import BETTER_WHEN_LOWER
from gairbench.metrics import METRICS

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, 400)
GUESSES = np.where(RNG.random(400) < 0.6, LABELS, RNG.integers(0, 5, 400))
TARGET = RNG.normal(50, 3, 400)
PREDICTION = TARGET + RNG.normal(1, 2, 400)
TAGS = RNG.random((400, 3)) < 0.4
TAG_GUESSES = TAGS ^ (RNG.random((400, 3)) < 0.2)


@pytest.mark.parametrize(
    ("name", "target", "prediction", "expected"),
    [
        ("accuracy", LABELS, GUESSES, reference.accuracy_score(LABELS, GUESSES)),
        ("macro_f1", LABELS, GUESSES, reference.f1_score(LABELS, GUESSES, average="macro")),
        ("miou", LABELS, GUESSES, reference.jaccard_score(LABELS, GUESSES, average="macro")),
        ("r2", TARGET, PREDICTION, reference.r2_score(TARGET, PREDICTION)),
        ("pearson_r", TARGET, PREDICTION, np.corrcoef(TARGET, PREDICTION)[0, 1]),
        ("micro_f1", TAGS, TAG_GUESSES, reference.f1_score(TAGS, TAG_GUESSES, average="micro")),
    ],
)
def test_metric_agrees_with_scikit_learn(
    name: str, target: np.ndarray, prediction: np.ndarray, expected: float
) -> None:
    assert METRICS[name](target, prediction) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "expected"), [("recall@1", 0.25), ("recall@5", 0.75), ("recall@10", 0.75), ("mrr", 0.4375)]
)
def test_retrieval_metrics_follow_from_the_ranks(name: str, expected: float) -> None:
    ranks = np.array([1, 2, 5, 20])
    assert METRICS[name](np.arange(4), ranks) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "r2", "pearson_r"])
def test_interval_is_that_of_a_plain_bootstrap(name: str) -> None:
    target, prediction = (LABELS, GUESSES) if name in {"accuracy", "macro_f1"} else (TARGET, PREDICTION)
    rng = np.random.default_rng(1)
    values = []
    for _ in range(1000):
        rows = rng.integers(len(target), size=len(target))
        values.append(METRICS[name](target[rows], prediction[rows]))
    plain = np.quantile(values, [0.025, 0.975])
    # Two bootstraps of 1,000 resamples differ by a few hundredths of the interval's width.
    assert METRICS[name].interval(target, prediction, 0) == pytest.approx(plain, abs=0.15 * (plain[1] - plain[0]))


def test_interval_depends_on_the_seed_only() -> None:
    first, second, other = (METRICS["r2"].interval(TARGET, PREDICTION, seed) for seed in (3, 3, 4))
    assert first == second
    assert first != other


def test_miou_pools_pixels_and_leaves_ignored_ones_out() -> None:
    target = np.array([[[0, 1], [1, 255]], [[1, 1], [0, 255]]])
    prediction = np.array([[[0, 1], [0, 1]], [[1, 0], [0, 0]]])
    valid = target != 255
    expected = reference.jaccard_score(target[valid], prediction[valid], average="macro")
    assert METRICS["miou"](target, prediction) == pytest.approx(expected)


def test_constant_target_has_no_r2() -> None:
    assert np.isnan(METRICS["r2"](np.ones(10), np.arange(10.0)))


def test_kilometres_agree_with_scikit_learn_and_errors_at_the_antimeridian_are_small() -> None:
    rng = np.random.default_rng(1)
    here, there = (np.stack([rng.uniform(-180, 180, 99), rng.uniform(-90, 90, 99)], axis=1) for _ in range(2))
    swapped = [np.radians(points[:, ::-1]) for points in (here, there)]
    expected = np.diag(reference.pairwise.haversine_distances(*swapped)) * 6371.0088
    assert METRICS["median_km"](here, there) == pytest.approx(np.median(expected))
    assert METRICS["within_2500_km"](here, there) == pytest.approx(np.mean(expected <= 2500))
    west, east = np.array([[-179.999, 0.0]]), np.array([[179.999, 0.0]])
    assert METRICS["within_1_km"](west, east) == 1


def test_the_interval_of_a_median_is_the_bootstrap_s() -> None:
    rng = np.random.default_rng(2)
    places = np.stack([rng.uniform(-10, 10, 60), rng.uniform(-10, 10, 60)], axis=1)
    metric = METRICS["median_km"]
    low, high = metric.interval(places, places[::-1], seed=0)
    assert low < metric(places, places[::-1]) < high
    resampled = metric.resampled(places, places[::-1], seed=0)
    draws = np.random.default_rng(0)
    rows = draws.integers(60, size=60)
    assert resampled[0] == pytest.approx(metric(places[rows], places[::-1][rows]))


def test_pixels_without_a_value_take_no_part() -> None:
    rng = np.random.default_rng(3)
    target = rng.normal(100, 2, (9, 5, 4))
    prediction = target + rng.normal(0, 1, target.shape)
    target[0], target[3, 2] = np.nan, np.nan
    known = np.isfinite(target)
    assert METRICS["pixel_r2"](target, prediction) == pytest.approx(
        reference.r2_score(target[known], prediction[known])
    )
    rmse = reference.root_mean_squared_error(target[known], prediction[known])
    assert METRICS["pixel_rmse"](target, prediction) == pytest.approx(rmse)
    assert np.isfinite(METRICS["pixel_r2"].interval(target, prediction, seed=0)).all()


def test_errors_are_those_that_are_better_when_lower() -> None:
    assert {name for name, metric in METRICS.items() if not metric.higher_is_better} == BETTER_WHEN_LOWER
