"""The built-in metrics agree with scikit-learn and torchmetrics."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torchmetrics.functional.classification import multiclass_calibration_error

from gairbench.evaluators import METRICS
from gairbench.metrics import load_metric

MEASURES = {spec.name: load_metric(spec) for spec in METRICS}
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 5, 400)
GUESSES = np.where(RNG.random(400) < 0.6, LABELS, RNG.integers(0, 5, 400))
TARGET = RNG.normal(50, 3, 400)
PREDICTION = TARGET + RNG.normal(1, 2, 400)
SEVERAL = np.stack([TARGET, 1e-3 * RNG.normal(size=400) + 7, 1e6 * RNG.random(400)], axis=1)
SEVERAL_GUESSES = SEVERAL + RNG.normal(size=(400, 3)) * (2, 1e-3, 1e5)
SKEWED = np.minimum(LABELS, 3)
TAGS = RNG.random((400, 3)) < 0.4
TAG_GUESSES = TAGS ^ (RNG.random((400, 3)) < 0.2)
LOGITS = RNG.normal(size=(400, 5)) + 1.5 * (LABELS[:, None] == np.arange(5))
PROBABILITIES = (np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)).astype(np.float32)
TAG_PROBABILITIES = np.clip(0.5 + 0.25 * (TAGS - 0.4) + RNG.normal(0, 0.2, TAGS.shape), 0.01, 0.99).astype(np.float32)
ROUNDED = TAG_PROBABILITIES.round(1)
BINARY = (LABELS > 2).astype(np.int64)
MANY, MANY_GUESSES = RNG.integers(0, 20, (2, 400)).astype(np.int8)
BINARY_PROBABILITIES = np.stack([1 - TAG_PROBABILITIES[:, 0], TAG_PROBABILITIES[:, 0]], axis=1)


@pytest.mark.parametrize(
    ("name", "target", "prediction", "expected"),
    [
        ("accuracy", LABELS, GUESSES, reference.accuracy_score(LABELS, GUESSES)),
        ("balanced_accuracy", LABELS, GUESSES, reference.balanced_accuracy_score(LABELS, GUESSES)),
        ("quadratic_kappa", LABELS, GUESSES, reference.cohen_kappa_score(LABELS, GUESSES, weights="quadratic")),
        ("quadratic_kappa", LABELS, SKEWED, reference.cohen_kappa_score(LABELS, SKEWED, weights="quadratic")),
        ("quadratic_kappa", LABELS.astype(np.int64), GUESSES.astype(np.uint8), reference.cohen_kappa_score(
            LABELS, GUESSES, weights="quadratic"
        )),
        # Of small integers, whose squares are too large for their type.
        ("quadratic_kappa", MANY, MANY_GUESSES, reference.cohen_kappa_score(MANY, MANY_GUESSES, weights="quadratic")),
        # Rank 2 keeps its place where nobody is of it.
        ("quadratic_kappa", LABELS[LABELS != 2], LABELS[LABELS != 2][::-1], reference.cohen_kappa_score(
            LABELS[LABELS != 2], LABELS[LABELS != 2][::-1], weights="quadratic", labels=range(5)
        )),
        ("rank_mae", LABELS, GUESSES, reference.mean_absolute_error(LABELS, GUESSES)),
        ("mean_r2", SEVERAL, SEVERAL_GUESSES, reference.r2_score(SEVERAL, SEVERAL_GUESSES)),
        ("mean_pearson_r", SEVERAL, SEVERAL_GUESSES, np.mean([
            np.corrcoef(y, p)[0, 1] for y, p in zip(SEVERAL.T, SEVERAL_GUESSES.T, strict=True)
        ])),
        ("macro_f1", LABELS, GUESSES, reference.f1_score(LABELS, GUESSES, average="macro")),
        ("miou", LABELS, GUESSES, reference.jaccard_score(LABELS, GUESSES, average="macro")),
        ("r2", TARGET, PREDICTION, reference.r2_score(TARGET, PREDICTION)),
        ("pearson_r", TARGET, PREDICTION, np.corrcoef(TARGET, PREDICTION)[0, 1]),
        ("rmse", TARGET, PREDICTION, reference.root_mean_squared_error(TARGET, PREDICTION)),
        ("mae", TARGET, PREDICTION, reference.mean_absolute_error(TARGET, PREDICTION)),
        ("micro_f1", TAGS, TAG_GUESSES, reference.f1_score(TAGS, TAG_GUESSES, average="micro")),
    ],
)  # fmt: skip
def test_metric_of_predictions_agrees_with_scikit_learn(
    name: str, target: np.ndarray, prediction: np.ndarray, expected: float
) -> None:
    assert MEASURES[name](target, prediction) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "target", "prediction", "expected"),
    [
        ("quadratic_kappa", LABELS, GUESSES, lambda t, p: reference.cohen_kappa_score(t, p, weights="quadratic")),
        ("mean_r2", SEVERAL, SEVERAL_GUESSES, reference.r2_score),
    ],
)
def test_the_rest_without_each_unit_agrees_with_scikit_learn(
    name: str, target: np.ndarray, prediction: np.ndarray, expected: Callable[[np.ndarray, np.ndarray], float]
) -> None:
    units = np.arange(len(target)) % 10
    found = MEASURES[name].without_each(target, prediction, units)
    rest = [units != unit for unit in range(10)]
    np.testing.assert_allclose(found, [expected(target[rows], prediction[rows]) for rows in rest], rtol=0, atol=1e-12)


def test_one_of_several_measurements_is_scored_as_it_is_alone() -> None:
    alone = [MEASURES["r2"](y, p) for y, p in zip(SEVERAL.T, SEVERAL_GUESSES.T, strict=True)]
    assert MEASURES["mean_r2"](SEVERAL, SEVERAL_GUESSES) == np.mean(alone)


def test_kappa_is_not_a_number_where_all_are_of_one_class_and_found_so() -> None:
    one = np.full(20, 3)
    assert np.isnan(MEASURES["quadratic_kappa"](one, one))
    assert MEASURES["quadratic_kappa"](one, np.arange(20) % 4) == 0


@pytest.mark.parametrize(
    ("name", "target", "scores", "expected"),
    [
        ("auc", LABELS, PROBABILITIES, reference.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr")),
        ("auc", LABELS, PROBABILITIES.round(1), np.mean([
            reference.roc_auc_score(c == LABELS, PROBABILITIES[:, c].round(1)) for c in range(5)
        ])),
        ("auc", BINARY, BINARY_PROBABILITIES, reference.roc_auc_score(BINARY, BINARY_PROBABILITIES[:, 1])),
        ("auc", TAGS, ROUNDED, reference.roc_auc_score(TAGS, ROUNDED)),
        ("map", TAGS, TAG_PROBABILITIES, reference.average_precision_score(TAGS, TAG_PROBABILITIES)),
        ("map", TAGS, ROUNDED, reference.average_precision_score(TAGS, ROUNDED)),
        ("nll", LABELS, PROBABILITIES, reference.log_loss(LABELS, PROBABILITIES)),
        ("nll", TAGS, TAG_PROBABILITIES, np.mean([
            reference.log_loss(y, p) for y, p in zip(TAGS.T, TAG_PROBABILITIES.T, strict=True)
        ])),
        ("brier", LABELS, PROBABILITIES, np.mean(np.sum((PROBABILITIES - np.eye(5)[LABELS]) ** 2, axis=1))),
        ("brier", TAGS, TAG_PROBABILITIES, np.mean([
            reference.brier_score_loss(y, p) for y, p in zip(TAGS.T, TAG_PROBABILITIES.T, strict=True)
        ])),
        ("ece", LABELS, PROBABILITIES, multiclass_calibration_error(
            torch.from_numpy(PROBABILITIES), torch.from_numpy(LABELS), num_classes=5, n_bins=15
        ).item()),
    ],
)  # fmt: skip
def test_metric_of_scores_agrees_with_scikit_learn_and_torchmetrics(
    name: str, target: np.ndarray, scores: np.ndarray, expected: float
) -> None:
    assert MEASURES[name](target, scores) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_top_k_accuracy_agrees_with_scikit_learn(k: int) -> None:
    labels = RNG.integers(0, 9, 300)
    scores = RNG.normal(size=(300, 9))
    assert MEASURES[f"top{k}_accuracy"](labels, scores) == pytest.approx(
        reference.top_k_accuracy_score(labels, scores, k=k)
    )


def test_reciprocal_ranks_of_classes_agree_with_scikit_learn() -> None:
    labels = RNG.integers(0, 9, 300)
    scores = RNG.normal(size=(300, 9))
    # Of one relevant label a sample both are the same.
    expected = reference.label_ranking_average_precision_score(np.eye(9)[labels], scores)
    assert MEASURES["class_mrr"](labels, scores) == pytest.approx(expected)


def peak(name: str, target: np.ndarray, given: np.ndarray) -> int:
    """Return the most bytes that a metric and its values without each of 200 units need, beside what they are given."""
    units = np.arange(len(target)) % 200
    tracemalloc.start()
    try:
        MEASURES[name](target, given)
        MEASURES[name].without_each(target, given, units)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "balanced_accuracy"])
def test_the_val_of_inaturalist_2018_needs_little_memory(name: str) -> None:
    samples, classes = 24_426, 8_142
    target, guess = RNG.integers(0, classes, samples), RNG.integers(0, classes, samples)
    assert peak(name, target, guess) < 250e6


@pytest.mark.parametrize(
    "name", ["top3_accuracy", "class_mrr", "nll", "brier", "ece", pytest.param("auc", marks=pytest.mark.slow)]
)
def test_metrics_of_scores_need_little_more_memory_than_the_scores_themselves(name: str) -> None:
    # Of ranked metrics 200 units of one class are in memory at once, and no order of all classes.
    samples, classes = (300, 2_000) if name == "auc" else (2_000, 1_000)
    target, scores = RNG.integers(0, classes, samples), RNG.random((samples, classes), dtype=np.float32)
    assert peak(name, target, scores) < (3 if name == "auc" else 1) * scores.nbytes


def test_equal_scores_are_right_as_often_as_by_chance() -> None:
    labels = np.arange(20)
    assert MEASURES["top5_accuracy"](labels, np.zeros((20, 20))) == pytest.approx(5 / 20)
    assert MEASURES["class_mrr"](labels, np.zeros((20, 20))) == pytest.approx(np.mean(1 / np.arange(1, 21)))


def test_classes_that_nobody_has_are_left_out_of_ranked_means() -> None:
    few = np.where(LABELS == 3, 2, LABELS)
    present = [0, 1, 2, 4]
    expected = np.mean([reference.roc_auc_score(few == c, PROBABILITIES[:, c]) for c in present])
    assert MEASURES["auc"](few, PROBABILITIES) == pytest.approx(expected)
    assert np.isnan(MEASURES["map"](np.zeros((5, 2), dtype=bool), np.ones((5, 2))))


def test_sure_and_wrong_is_bad_but_finite() -> None:
    value = MEASURES["nll"](np.array([0]), np.array([[0.0, 1.0]], dtype=np.float32))
    assert value == pytest.approx(-np.log(np.finfo(np.float32).eps))


def test_a_confidence_that_is_right_as_often_as_it_says_has_no_calibration_error() -> None:
    probabilities = np.tile([0.75, 0.25], (400, 1)).astype(np.float32)
    assert MEASURES["ece"](np.arange(400) % 4 // 3, probabilities) == pytest.approx(0, abs=1e-9)
    assert MEASURES["ece"](np.zeros(400, dtype=np.int64), probabilities) == pytest.approx(0.25)


def test_too_much_and_too_little_confidence_do_not_make_up_for_each_other() -> None:
    # Neighbouring bins: 0.9 is always right, 0.99 every second time.
    sure = np.where(np.arange(400) < 200, 0.9, 0.99)
    wrong = (np.arange(400) >= 200) & (np.arange(400) % 2 == 1)
    value = MEASURES["ece"](wrong.astype(np.int64), np.stack([sure, 1 - sure], axis=1))
    assert value == pytest.approx((0.1 + 0.49) / 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("recall@1", 0.25), ("recall@5", 0.75), ("recall@10", 0.75), ("mrr", 0.4375), ("median_rank", 3.5)],
)
def test_retrieval_metrics_follow_from_the_ranks(name: str, expected: float) -> None:
    ranks = np.array([1, 2, 5, 20])
    assert MEASURES[name](np.arange(4), ranks) == pytest.approx(expected, abs=1e-9)


def test_miou_pools_pixels_and_leaves_ignored_ones_out() -> None:
    target = np.array([[[0, 1], [1, 255]], [[1, 1], [0, 255]]])
    prediction = np.array([[[0, 1], [0, 1]], [[1, 0], [0, 0]]])
    valid = target != 255
    expected = reference.jaccard_score(target[valid], prediction[valid], average="macro")
    assert MEASURES["miou"](target, prediction) == pytest.approx(expected)


def test_constant_target_has_no_r2() -> None:
    assert np.isnan(MEASURES["r2"](np.ones(10), np.arange(10.0)))
