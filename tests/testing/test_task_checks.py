"""The checks of tasks catch what they are there to catch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from points import DATASET, TASK, TASKS, Points, checks, failures

from gairbench import (
    DataContext,
    Kind,
    LocationInput,
    Modality,
    TaskSpec,
)
from gairbench.testing import (
    dataset_checks,
    task_checks,
)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_good_task_and_its_dataset_pass(task: TaskSpec) -> None:
    cases = [(c.__name__, partial(c, task)) for c in task_checks.DECLARATION]
    cases += [(c.__name__, partial(c, task, None)) for c in task_checks.BEHAVIOUR]
    cases += [(c.__name__, partial(c, task.dataset)) for c in dataset_checks.DECLARATION]
    cases += [(c.__name__, partial(c, task.dataset, None)) for c in dataset_checks.BEHAVIOUR]
    assert failures(cases) == {}


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "points zone"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        ({"dataset": replace(DATASET, licence="")}, "check_licence_and_citation_are_stated", "no licence"),
        ({"family": ""}, "check_family_is_stated", "no family"),
        ({"inputs": ()}, "check_inputs_are_delivered", "no inputs"),
        ({"target": ""}, "check_inputs_are_delivered", "no target"),
        (
            {"dataset": replace(DATASET, delivers=(LocationInput(),))},
            "check_inputs_are_delivered",
            "dataset points delivers no rs",
        ),
        ({"kind": Kind.RETRIEVAL}, "check_inputs_are_delivered", "needs \\(query, gallery\\)"),
        (
            {"kind": Kind.RETRIEVAL, "inputs": (Modality.RS, Modality.SV)},
            "check_inputs_are_delivered",
            "retrieval has no target",
        ),
        ({"kind": Kind.SEGMENTATION, "inputs": (Modality.SV,)}, "check_inputs_are_delivered", "overhead images"),
        ({"kind": Kind.DENSE_REGRESSION, "inputs": (Modality.SV,)}, "check_inputs_are_delivered", "overhead images"),
        (
            {"kind": Kind.GEOLOCALIZATION, "target": "place", "inputs": (Modality.RS, Modality.LOCATION)},
            "check_inputs_are_delivered",
            "the place is an input",
        ),
        ({"dataset": replace(DATASET, splits=("train", "test"))}, "check_splits_are_declared", "no split val"),
        ({"metric": "acuracy"}, "check_metrics_score_the_kind", "no metric 'acuracy'; did you mean accuracy"),
        ({"metric": "r2"}, "check_metrics_score_the_kind", "metric r2 does not score classification"),
        ({"evaluators": ("linaer",)}, "check_evaluators_serve_the_kind", "no evaluator 'linaer'; did you mean linear"),
        ({"evaluators": ("ridge",)}, "check_evaluators_serve_the_kind", "ridge does not serve classification"),
        ({"inputs": (Modality.SV,)}, "check_rendered_inputs_make_it_synthetic", "sv is rendered"),
        ({"sweep": ("shift (m)", 1.0)}, "check_only_diagnostics_are_swept", "is not diagnostic"),
        ({"sweep": (" ", 1.0), "diagnostic": True}, "check_only_diagnostics_are_swept", "has no name"),
        ({"sweep": ("shift (m)", float("nan")), "diagnostic": True}, "check_only_diagnostics_are_swept", "is nan"),
    ],
)
def test_a_wrong_task_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(task_checks)[check](replace(TASK, **changes))


class UnnamedClass(Points):
    def classes(self, target: str) -> tuple[str, ...]:
        return ("a", "b")


class NaNTarget(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        targets["height"][0] = np.nan
        return inputs, targets


class NewClassInTest(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        if name == "train":
            targets["zone"][targets["zone"] == 2] = 1
        return inputs, targets


class Float32Classes(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"zone": targets["zone"].astype(np.float32)}


class SmallMasks(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"mask": targets["mask"][:, :4]}


class ConstantTarget(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"zone": targets["zone"] * 0, "height": targets["height"] * 0}


class OneGradeInTest(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"zone": targets["zone"] * (name != "test")}


class ConstantColumn(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"pair": targets["pair"] * (1, 0)}


class ThreeNames(Points):
    def classes(self, target: str) -> tuple[str, ...]:
        return ("up", "down", "aside")


class OneLabel(Points):
    def classes(self, target: str) -> tuple[str, ...]:
        return ("a",)

    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"tags": targets["tags"][:, :1]}


class RepeatedImages(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        inputs["image"][:] = inputs["image"][:1]
        return inputs, targets


class DrawnTargets(Points):
    """Every instance draws its own split of the classes, and names them in another order."""

    instances = 0

    def __init__(self, context: DataContext) -> None:
        super().__init__(context)
        DrawnTargets.instances += 1
        self.number = DrawnTargets.instances

    def classes(self, target: str) -> tuple[str, ...]:
        names = super().classes(target)
        return names[::-1] if self.number % 2 else names

    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"zone": (targets["zone"] + self.number) % 3}


class ShortTargets(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)
        split._targets["zone"] = split._targets["zone"][:-1]
        return split


@pytest.mark.parametrize(
    ("data", "task", "check", "why"),
    [
        (UnnamedClass, "zone", "check_targets_are_aligned_and_typed", r"classes 0 \.\.\. 2 of 2 names"),
        (UnnamedClass, "tags", "check_targets_are_aligned_and_typed", r"shape \(30, 3\), wanted \(30, 2\)"),
        (UnnamedClass, "mask", "check_targets_are_aligned_and_typed", r"values \[2\] that are neither classes nor"),
        (NaNTarget, "height", "check_targets_are_aligned_and_typed", "not finite"),
        (Float32Classes, "zone", "check_targets_are_aligned_and_typed", "wanted class numbers: int64"),
        (SmallMasks, "mask", "check_targets_are_aligned_and_typed", r"masks \(4, 8\) for images \(8, 8\)"),
        (ShortTargets, "zone", "check_targets_are_aligned_and_typed", "29 values for 30 samples"),
        (
            NewClassInTest,
            "zone",
            "check_test_holds_no_class_that_train_lacks",
            "class 'c' is in split 'val' but not in",
        ),
        (DrawnTargets, "zone", "check_targets_stay_the_same", "classes of target 'zone' differently; target 'zone' of"),
        (ConstantTarget, "zone", "check_targets_can_be_learned", "all samples of train are of one class, 'a'"),
        (OneGradeInTest, "grade", "check_targets_can_be_learned", "all samples of test are of one class, 'a'"),
        (NewClassInTest, "grade", "check_test_holds_no_class_that_train_lacks", "class 'c' is in split 'val' but not"),
        (ConstantColumn, "pair", "check_targets_can_be_learned", "train have the same value, 0, of 'down'; leave"),
        (ThreeNames, "pair", "check_targets_are_aligned_and_typed", r"shape \(30, 2\), wanted float64 \(30, 3\)"),
        (OneLabel, "tags", "check_targets_can_be_learned", "there is one label only, 'a'"),
        (ConstantTarget, "height", "check_metrics_prefer_the_truth", "r2 of target 'height' is nan for a perfect"),
        (RepeatedImages, "pairs", "check_retrieval_pairs_are_distinct", "14 of 15 samples repeat another's rs"),
    ],
)
def test_a_wrong_target_is_caught(data: type, task: str, check: str, why: str) -> None:
    good = next(t for t in TASKS if t.name == f"points-{task}")
    with pytest.raises(AssertionError, match=why):
        checks(task_checks)[check](replace(good, dataset=replace(DATASET, factory=data)), None)
