"""Targets that cannot be learned or scored are named before anything is computed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gairbench.spec import Kind
from gairbench.targets import degenerate, present_classes, target_problem

NAMES = ("a", "b", "c")
CLASSES = np.array([0, 1, 2, -1], dtype=np.int64)
LABELS = np.array([[True, False, False], [False, True, True]])
PAIRS = np.array([[0.5, -1.0], [1.5, 7.0], [2.5, 7.0]])
MASKS = np.array([[[0, 1], [2, 255]]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("kind", "values", "names"),
    [
        (Kind.CLASSIFICATION, CLASSES, NAMES),
        (Kind.CLASSIFICATION, CLASSES[:0], NAMES),
        (Kind.ORDINAL, CLASSES, NAMES),
        (Kind.MULTILABEL, LABELS, NAMES),
        (Kind.REGRESSION, np.array([0.5, -1.0]), ()),
        (Kind.MULTI_REGRESSION, PAIRS, NAMES[:2]),
        (Kind.SEGMENTATION, MASKS, NAMES),
        (Kind.DENSE_REGRESSION, np.array([[[0.5, np.nan]]], dtype=np.float32), ()),
        (Kind.GEOLOCALIZATION, np.array([[180.0, -90.0]]), ()),
        (Kind.SEGMENTATION, np.where(MASKS == 255, -1, MASKS.astype(np.int64)), NAMES),
    ],
)
def test_sound_targets_fit(kind: Kind, values: Any, names: tuple[str, ...]) -> None:
    assert target_problem(kind, values, names) == ""


@pytest.mark.parametrize(
    ("kind", "values", "names", "problem"),
    [
        (Kind.CLASSIFICATION, np.array([1.0, 2.5]), NAMES, "is float64 of shape (2,) such as 1, wanted class numbers"),
        (Kind.CLASSIFICATION, CLASSES.astype(str), NAMES, "wanted class numbers: int64 (n,)"),
        (Kind.CLASSIFICATION, CLASSES, ("a", "b"), "holds classes -1 ... 2 of 2 names"),
        (Kind.CLASSIFICATION, CLASSES, (), "has no class names"),
        (Kind.CLASSIFICATION, CLASSES, ("a", "b", "a"), "has the class name 'a' twice"),
        (Kind.CLASSIFICATION, CLASSES.tolist(), NAMES, "is a list, not an array"),
        (Kind.ORDINAL, CLASSES, ("low", "high"), "holds classes -1 ... 2 of 2 names"),
        (Kind.ORDINAL, CLASSES, (), "has no class names"),
        (Kind.MULTILABEL, LABELS.astype(int), NAMES, "is int64, wanted bool"),
        (Kind.MULTILABEL, LABELS, ("a", "b"), "has shape (2, 3), wanted (2, 2)"),
        (Kind.REGRESSION, np.array([1, 2]), (), "is int64 of shape (2,), wanted float64 (n,)"),
        (Kind.REGRESSION, np.array([1.0, np.nan, np.inf]), (), "has values that are not finite (2; first: entry 1)"),
        (
            Kind.REGRESSION,
            np.array([1.0, -1e160]),
            (),
            "squared errors cannot be computed (1; first: entry 1, -1e+160)",
        ),
        (
            Kind.MULTI_REGRESSION,
            np.array([[1.0, 2e101], [1.0, 1.0]]),
            ("a", "b"),
            "has values of 'b' beyond 1e+100, whose",
        ),
        (Kind.REGRESSION, np.array([1.0]), NAMES, "has class names ('a', 'b', 'c')"),
        (Kind.REGRESSION, PAIRS, (), "wanted float64 (n,); several numbers a sample are of kind multi_regression"),
        (Kind.MULTI_REGRESSION, PAIRS, (), "has no measurement names"),
        (Kind.MULTI_REGRESSION, PAIRS, ("a", "a"), "has the measurement name 'a' twice"),
        (Kind.MULTI_REGRESSION, PAIRS, NAMES, "is float64 of shape (3, 2), wanted float64 (3, 3), a number for each"),
        (Kind.MULTI_REGRESSION, PAIRS.astype(np.float32), NAMES[:2], "is float32 of shape (3, 2), wanted float64"),
        (Kind.MULTI_REGRESSION, PAIRS[:, :1], NAMES[:1], "has one measurement a sample, 'a'; that is of kind regres"),
        (
            Kind.MULTI_REGRESSION,
            np.where(PAIRS == 1.5, np.nan, PAIRS),
            NAMES[:2],
            "has values of 'a' that are not finite (1; first: entry 1)",
        ),
        (Kind.DENSE_REGRESSION, np.array([[[np.inf]]]), (), "infinite (1 images; first: entry 0)"),
        (Kind.DENSE_REGRESSION, MASKS, (), "wanted float32 or float64 (n, height, width)"),
        (Kind.GEOLOCALIZATION, np.array([[10.0, 95.0]]), (), "first: longitude 10, latitude 95"),
        (Kind.GEOLOCALIZATION, np.array([10.0, 20.0]), (), "wanted places: float64 (n, 2), longitude first"),
        (Kind.GEOLOCALIZATION, np.array([[10.0, 20.0]]), NAMES, "and a geolocalization has none"),
        (Kind.SEGMENTATION, MASKS, ("a", "b"), "holds values [2] that are neither"),
        (Kind.SEGMENTATION, MASKS[0], NAMES, "wanted uint8 or int64 (n, height, width)"),
    ],
)
def test_what_does_not_fit_the_kind_is_named(kind: Kind, values: Any, names: tuple[str, ...], problem: str) -> None:
    assert problem in target_problem(kind, values, names)


@pytest.mark.parametrize(
    ("kind", "train", "names", "problem"),
    [
        (Kind.DENSE_REGRESSION, np.array([[[np.nan]]]), (), "no pixels of train have a value"),
        (Kind.DENSE_REGRESSION, np.array([[[2.0, np.nan]]]), (), "all pixels of train have the same value, 2"),
        (Kind.GEOLOCALIZATION, np.array([[1.0, 2.0], [1.0, 2.0]]), (), "all samples of train are at one place"),
        (Kind.CLASSIFICATION, np.array([1, 1, -1]), NAMES, "all samples of train are of one class, 'b'"),
        (Kind.CLASSIFICATION, np.array([-1, -1]), NAMES, "no sample of train has a label"),
        (Kind.ORDINAL, np.array([1, 1, -1]), NAMES, "all samples of train are of one class, 'b'"),
        (Kind.MULTI_REGRESSION, PAIRS[1:], NAMES[:2], "all samples of train have the same value, 7, of 'b'"),
        (Kind.MULTILABEL, LABELS[:, :1], ("flood",), "there is one label only, 'flood'"),
        (Kind.MULTILABEL, LABELS[[0, 0]], NAMES, "all samples of train have the same labels"),
        (Kind.REGRESSION, np.array([3.5, 3.5]), (), "all samples of train have the same value, 3.5"),
        (Kind.SEGMENTATION, np.where(MASKS < 255, 1, MASKS), NAMES, "all samples of train are of one class, 'b'"),
    ],
)
def test_targets_that_teach_nothing_are_named(kind: Kind, train: Any, names: tuple[str, ...], problem: str) -> None:
    what, hint = degenerate(kind, train, names)
    assert what == problem
    assert hint


def test_measurements_must_differ_in_test_too() -> None:
    varied, same = np.array([1.0, 2.0]), np.array([2.0, 2.0])
    assert degenerate(Kind.REGRESSION, varied, (), same)[0] == "all samples of test have the same value, 2"
    assert degenerate(Kind.REGRESSION, varied, (), varied) == ("", "")
    assert degenerate(Kind.CLASSIFICATION, CLASSES, NAMES) == ("", "")
    pairs = degenerate(Kind.MULTI_REGRESSION, PAIRS, NAMES[:2], PAIRS[1:])
    assert pairs == ("all samples of test have the same value, 7, of 'b'", "leave 'b' out, or use another split")
    assert degenerate(Kind.MULTI_REGRESSION, PAIRS, NAMES[:2], PAIRS) == ("", "")


def test_ordered_classes_must_differ_in_test_too_or_kappa_means_nothing() -> None:
    one = np.array([2, 2, -1])
    assert degenerate(Kind.ORDINAL, CLASSES, NAMES, one)[0] == "all samples of test are of one class, 'c'"
    assert degenerate(Kind.ORDINAL, CLASSES, NAMES, CLASSES) == ("", "")
    assert degenerate(Kind.CLASSIFICATION, CLASSES, NAMES, one) == ("", "")


def test_present_classes_leave_out_what_takes_no_part() -> None:
    assert present_classes(Kind.CLASSIFICATION, CLASSES) == [0, 1, 2]
    assert present_classes(Kind.ORDINAL, CLASSES) == [0, 1, 2]
    assert present_classes(Kind.SEGMENTATION, MASKS) == [0, 1, 2]
    assert present_classes(Kind.MULTILABEL, LABELS[:1]) == [0]
