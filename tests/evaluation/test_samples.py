"""Targets that cannot be learned or scored are refused in one line, before any pixel is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from generated import DATASET, TASKS

from gairbench.data import ArraySplit
from gairbench.errors import DataError
from gairbench.evaluation.samples import select
from gairbench.spec import Kind, TaskSpec

ZONE, TAGS, HEIGHT = TASKS[:3]
GRADE, PAIR = replace(ZONE, kind=Kind.ORDINAL), replace(ZONE, kind=Kind.MULTI_REGRESSION)


class Source:
    def __init__(self, classes: tuple[str, ...]) -> None:
        self.names = classes

    def classes(self, target: str) -> tuple[str, ...]:
        return self.names


def chosen(
    task: TaskSpec, targets: dict[str, Any], classes: tuple[str, ...], limit: int | None = None, policy: str = ""
) -> Any:
    splits = {
        name: ArraySplit([f"{name}-{i}" for i in range(len(values))], {}, {task.target: np.asarray(values)})
        for name, values in targets.items()
    }
    return select(task, Source(classes), splits, limit, policy=policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("task", "train", "test", "classes", "message"),
    [
        (ZONE, [1, 1, 1], [1, 1], ("a", "b"), "all samples of train are of one class, 'b'"),
        (ZONE, [0, 1, 1], [0, 2], ("a", "b"), "classes 0 ... 2 of 2 names"),
        (ZONE, [0.5, 1.5], [0.5, 1.5], ("a", "b"), "float64 of shape .* such as 0.5, wanted class numbers"),
        (ZONE, ["a", "b"], ["a", "b"], ("a", "b"), "is not a number"),
        (ZONE, [-1, -1], [0, 1], ("a", "b"), "of the 2 samples in split 'train' of task 'world-zone' has a label; ch"),
        (GRADE, [2, 2], [2, 2], ("a", "b", "c"), "all samples of train are of one class, 'c'"),
        (GRADE, [1, 2], [2, 2], ("a", "b", "c"), "all samples of test are of one class, 'c'"),
        (GRADE, [0, 1], [0, 2], ("a", "b", "c"), "class 'c' is in split 'test' .* but not in train"),
        (GRADE, [0.5, 1.5], [0.5, 1.5], ("a", "b"), "float64 of shape .* such as 0.5, wanted class numbers"),
        (PAIR, [[1.0, 2.0], [1.0, 3.0]], [[1.0, 2.0], [2.0, 3.0]], ("u", "d"), "train have the same value, 1, of 'u'"),
        (PAIR, [[1.0, 2.0], [2.0, 3.0]], [[1.0, 3.0], [2.0, 3.0]], ("u", "d"), "test have the same value, 3, of 'd'"),
        (PAIR, [[1.0, np.nan], [2.0, 3.0]], [[1.0, 3.0]], ("u", "d"), "sample 'train-0' in split 'train' is not a num"),
        (PAIR, [[1.0, 2.0], [2.0, 3.0]], [[1.0, 3.0]], ("u",), "has one measurement a sample, 'u'"),
        (PAIR, [[1.0, 2.0], [2.0, 3.0]], [[1.0, 3.0]], (), "has no measurement names"),
        (HEIGHT, [[1.0, 2.0], [2.0, 3.0]], [[1.0, 3.0]], (), "several numbers a sample are of kind multi_regression"),
        (TAGS, [[True], [False]], [[True], [False]], ("n",), "there is one label only, 'n'"),
        (TAGS, [[True, False]] * 3, [[True, False]], ("n", "e"), "all samples of train have the same labels"),
        (HEIGHT, [2.0, 2.0], [2.0, 3.0], (), "all samples of train have the same value, 2"),
        (HEIGHT, [2.0, 3.0], [2.0, 2.0], (), "all samples of test have the same value, 2"),
        (HEIGHT, [2.0, np.nan], [2.0, 3.0], (), "sample 'train-1' in split 'train' is not a number"),
        (HEIGHT, ["2", "x"], ["2", "3"], (), "is not a number"),
    ],
)
def test_a_degenerate_target_is_one_line(
    task: TaskSpec, train: Any, test: Any, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        chosen(task, {"train": train, "val": train, "test": test}, classes)


def test_a_limit_that_leaves_one_class_says_so() -> None:
    zones = [0] * 50 + [1]
    with pytest.raises(DataError, match="of one class, 'a'; raise --limit 3"):
        chosen(ZONE, {"train": zones, "val": zones, "test": zones}, ("a", "b"), limit=3)


@pytest.mark.parametrize(
    ("limit", "policy", "message"),
    [
        (3, "", "none of the 3 samples in split 'val' of task 'world-zone' has a label; raise --limit 3, or check how"),
        (
            None,
            "leave:country",
            "none of the 4 samples in split 'val' of leave:country for task 'world-zone' has a label; choose another"
            " split, or another --seed",
        ),
        (
            3,
            "leave:country",
            "none of the 3 samples in split 'val' of leave:country for task 'world-zone' has a label; raise --limit 3,"
            " or choose another split, or another --seed",
        ),
    ],
)
def test_a_split_without_labels_says_what_made_it(limit: int | None, policy: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        chosen(ZONE, {"train": [0, 1, 1, 0], "val": [-1] * 4, "test": [0, 1]}, ("a", "b"), limit, policy)


def test_a_split_without_samples_is_not_said_to_lack_labels() -> None:
    with pytest.raises(DataError, match="split 'val' of task 'world-zone' is empty; check how the dataset is split"):
        chosen(ZONE, {"train": [0, 1], "val": np.zeros(0, dtype=int), "test": [0, 1]}, ("a", "b"), 3)


def test_sound_targets_are_selected() -> None:
    masks = replace(ZONE, kind=Kind.SEGMENTATION, dataset=DATASET)
    layers = np.array([[[0, 255]], [[1, 0]]], dtype=np.uint8)
    assert len(chosen(masks, {"train": layers, "val": layers, "test": layers}, ("a", "b"))["train"].rows) == 2
    found = chosen(ZONE, {"train": [0, 1, -1], "val": [0], "test": [1, 1]}, ("a", "b"))
    assert found["train"].dropped == "1 samples without this label"
    assert found["test"].target.tolist() == [1, 1]
    grades = chosen(GRADE, {"train": [0, 2, -1], "val": [0], "test": [0, 2, -1]}, ("a", "b", "c"))
    assert grades["test"].target.tolist() == [0, 2]
    assert grades["test"].dropped == "1 samples without this label"
    pairs = [[1.0, 5.0], [2.0, 7.0]]
    assert chosen(PAIR, {"train": pairs, "val": pairs, "test": pairs}, ("u", "d"))["test"].target.tolist() == pairs
