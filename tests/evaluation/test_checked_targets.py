"""What a plan has found out about targets is known to the next plan, and to no plan of other data."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import numpy as np
import pytest
from generated import SHADES, TASKS, World

from gairbench.data import ArraySplit
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.plugins import Origin, Registry, register


@pytest.fixture
def registry() -> Registry:
    registry = Registry()
    register(registry, generated.Plugin(), Origin("generated", "generated-dist", "1.0"))
    return registry


@pytest.fixture
def request_(tmp_path: Path) -> EvaluationRequest:
    zone = [task for task in TASKS if task.name == "world-zone"]
    return EvaluationRequest(models=[SHADES], tasks=zone, results=tmp_path / "results", cache=tmp_path / "cache")


def opened(request: EvaluationRequest, registry: Registry) -> int:
    before = World.opened
    assert {cell.state for cell in make_plan(request, registry).cells} == {"todo"}
    return World.opened - before


def test_the_second_plan_reads_no_targets(request_: EvaluationRequest, registry: Registry) -> None:
    assert opened(request_, registry) == 3
    assert opened(request_, registry) == 0


def test_fresh_reads_them_again(request_: EvaluationRequest, registry: Registry) -> None:
    assert opened(request_, registry) == 3
    assert opened(replace(request_, fresh=True), registry) == 3


def test_other_samples_or_another_target_are_read(request_: EvaluationRequest, registry: Registry) -> None:
    opened(request_, registry)
    assert opened(replace(request_, limit=20), registry) == 3
    others = [task for task in TASKS if task.name == "world-tags"]
    assert opened(replace(request_, tasks=others), registry) == 3
    newer = [replace(task, version=task.version + 1) for task in request_.tasks]
    assert opened(replace(request_, tasks=newer), registry) == 3


def test_changed_data_are_read(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(request_, registry)
    monkeypatch.setattr(World, "fingerprint", lambda self: "generated-2")
    assert opened(request_, registry) == 3


def test_a_problem_is_found_each_time(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def split(self: Any, name: str) -> ArraySplit:
        return ArraySplit([f"{name}-{i}" for i in range(5)], {}, {"zone": np.zeros(5, dtype=np.int64)})

    monkeypatch.setattr(World, "split", split)
    for _ in range(2):
        cells = make_plan(request_, registry).cells
        assert {cell.state for cell in cells} == {"failed"}
        assert "of one class" in cells[0].record.reason


def test_a_cache_that_cannot_be_written_is_a_warning(
    request_: EvaluationRequest, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    request_.cache.write_text("a file, not a folder")
    with caplog.at_level(logging.WARNING, "gairbench"):
        assert opened(request_, registry) == 3
    assert "the next plan reads the targets of world-zone again" in caplog.text
