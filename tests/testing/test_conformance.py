"""Everything registered passes the conformance suite, which checks each thing once."""

from __future__ import annotations

import subprocess
import sys
import unittest
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from points import DATASET, TASK, checks

from gairbench.errors import UsageError
from gairbench.plugins import load_registry
from gairbench.spec import ModelSpec, Preset
from gairbench.testing import (
    dataset_checks,
    evaluator_checks,
    metric_checks,
    model_checks,
    model_declaration_checks,
    parametrize_with_dataset_checks,
    parametrize_with_evaluator_checks,
    parametrize_with_metric_checks,
    parametrize_with_model_checks,
    parametrize_with_split_policy_checks,
    parametrize_with_task_checks,
    split_policy_checks,
    task_checks,
)
from gairbench_models.torchgeo_models.table import ENTRIES

REGISTRY = load_registry(strict=True)
TASK_DATA = {task.dataset.name for task in REGISTRY.tasks.values()}

BASE = "ViT-B takes minutes and 2 GiB on two cores; the same code is checked at the smaller sizes"

GEOFM = "its size is checked by pytest -m slow, and four blocks of it in tests/models/torchgeo_models"

TOO_LARGE = {
    f"{model.name}-base": BASE for model in REGISTRY.models.values() for p in model.presets if p.name == "base"
}
TOO_LARGE |= {
    f"{name}-small": "its size is checked as gair-small and its variant as tiny"
    for name in REGISTRY.models
    if name.startswith("gair[")
}
TOO_LARGE |= {
    f"{name}-small": "the same code is checked as tiny"
    for name in ("random", "mocov3", "mae", "satclip-style", "geoclip-style")
}
TOO_LARGE |= {
    f"timm:tf_efficientnet_lite{size}-default": "the same code as lite0; its embeddings are compared with the reference"
    for size in (1, 2)
}
TOO_LARGE |= {f"{name}-{size.name}": GEOFM for name, entry in ENTRIES.items() for size in entry.sizes}


pytestmark = pytest.mark.usefixtures("one_thread", "little_work")


@parametrize_with_model_checks(REGISTRY.models.values(), skip=TOO_LARGE)
def test_registered_model(check: Callable[[], None]) -> None:
    check()


@parametrize_with_task_checks(REGISTRY.tasks.values())
def test_registered_task(check: Callable[[], None]) -> None:
    check()


@parametrize_with_dataset_checks([spec for spec in REGISTRY.datasets.values() if spec.name not in TASK_DATA])
def test_registered_dataset_without_tasks(check: Callable[[], None]) -> None:
    check()


@parametrize_with_evaluator_checks(REGISTRY.evaluators.values())
def test_registered_evaluator(check: Callable[[], None]) -> None:
    check()


@parametrize_with_metric_checks(REGISTRY.metrics.values())
def test_registered_metric(check: Callable[[], None]) -> None:
    check()


@parametrize_with_split_policy_checks(REGISTRY.split_policies.values())
def test_registered_split_policy(check: Callable[[], None]) -> None:
    check()


def test_everything_registered_describes_itself() -> None:
    specs = [
        *REGISTRY.models.values(),
        *REGISTRY.datasets.values(),
        *REGISTRY.tasks.values(),
        *REGISTRY.evaluators.values(),
        *REGISTRY.metrics.values(),
        *REGISTRY.split_policies.values(),
    ]
    assert [spec.name for spec in specs if not spec.description or "\n" in spec.description] == []


def test_a_kind_of_an_evaluator_or_metric_can_be_left_out() -> None:
    marks = [
        parametrize_with_evaluator_checks(REGISTRY.evaluators.values(), skip={"linear-multilabel": "slow"}),
        parametrize_with_metric_checks(REGISTRY.metrics.values(), skip={"auc-multilabel": "slow"}),
    ]
    skipped = [case.id for mark in marks for case in mark.mark.args[1] if case.marks]
    assert "check_output_can_be_scored[linear-multilabel]" in skipped
    assert "check_value_is_one_number[auc-multilabel]" in skipped
    assert all("multilabel" in name for name in skipped)


def test_ids_name_check_and_subject() -> None:
    model = ModelSpec(name="good", version="1", factory="nowhere:load", presets=(Preset(name="default", inputs=()),))
    mark = parametrize_with_model_checks([model], skip={"good-default": "too large"}).mark
    cases = {case.id: case for case in mark.args[1]}
    assert "check_name_is_a_slug[good]" in cases
    assert not cases["check_name_is_a_slug[good]"].marks
    skipped = cases["check_embeddings_are_finite[good-default]"]
    assert skipped.marks[0].kwargs == {"reason": "too large"}


def test_a_single_check_is_skipped_with_its_reason() -> None:
    model = ModelSpec(name="good", version="1", factory="nowhere:load", presets=(Preset(name="default", inputs=()),))
    one = "check_embeddings_are_finite[good-default]"
    cases = {case.id: case for case in parametrize_with_model_checks([model], skip={one: "at the poles"}).mark.args[1]}
    assert [name for name, case in cases.items() if case.marks] == [one]
    assert cases[one].marks[0].kwargs == {"reason": "at the poles"}
    one = "check_places_are_plausible[dataset:points]"
    cases = {case.id: case for case in parametrize_with_task_checks([TASK], skip={one: "a lake"}).mark.args[1]}
    assert [name for name, case in cases.items() if case.marks] == [one]


def test_a_skip_of_what_is_not_checked_is_a_mistake() -> None:
    with pytest.raises(UsageError, match=r"no check or subject to skip 'check_bands.*'; did you mean check_bands_are"):
        parametrize_with_task_checks([TASK], skip={"check_bands_are_not_constants[dataset:points]": "typo"})


def test_a_task_and_its_dataset_may_share_a_name() -> None:
    ids = [case.id for case in parametrize_with_task_checks([replace(TASK, name="points")]).mark.args[1]]
    assert len(set(ids)) == len(ids)


def test_a_shared_dataset_is_checked_once() -> None:
    ids = [case.id for case in parametrize_with_task_checks([TASK, replace(TASK, name="other")]).mark.args[1]]
    assert ids.count("check_fingerprint_is_stable[dataset:points]") == 1


def test_data_that_are_not_here_skip_and_say_so(tmp_path: Path) -> None:
    spec = replace(DATASET, folder="missing")
    for root in (None, tmp_path):
        with pytest.raises(unittest.SkipTest, match="points is not below"):
            dataset_checks.check_splits_are_not_empty(spec, root)


def test_the_suite_needs_no_pytest_until_it_is_used() -> None:
    code = "import sys, gairbench.testing; print([m for m in ('pytest', 'torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# A model that does everything right, and what each check is there to catch.


def test_every_check_is_shown_to_catch_something() -> None:
    tests = [path for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__)]
    source = "".join(path.read_text(encoding="utf-8") for path in tests)
    # The specs are frozen dataclasses: unhashable or unpicklable ones cannot be made by replacing a field.
    exempt = {"check_spec_is_a_value"}
    modules = (
        model_declaration_checks,
        model_checks,
        dataset_checks,
        task_checks,
        evaluator_checks,
        metric_checks,
        split_policy_checks,
    )
    names = {name for module in modules for name in checks(module)}
    names |= {check.__name__ for check in dataset_checks.IN_ANOTHER_PROCESS}
    assert {name for name in names - exempt if f'"{name}"' not in source and f"{name}(" not in source} == set()
