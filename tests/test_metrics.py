"""Metrics agree with scikit-learn, and their intervals with a plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

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
