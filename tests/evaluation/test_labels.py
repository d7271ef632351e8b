"""Evaluating with parts of train's labels: what is learned from, scored, recorded, reused and skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generated import SHADES, TASKS, carry_out

from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Registry
from gairbench.results import Result, read_results
from gairbench.spec import Kind

ZONE, HEIGHT, PAIRS = (
    next(t for t in TASKS if t.kind is k) for k in (Kind.CLASSIFICATION, Kind.REGRESSION, Kind.RETRIEVAL)
)


@pytest.fixture
def request_(request_: EvaluationRequest) -> EvaluationRequest:
    return replace(request_, tasks=[ZONE, HEIGHT, PAIRS])


def run(request: EvaluationRequest, registry: Registry, *labels: str, **more: object) -> list[Result]:
    request = replace(request, labels=tuple(map(LabelBudget.of, labels)), **more)  # type: ignore[arg-type]
    return carry_out(request, registry)


def test_a_part_of_train_is_learned_from_and_all_of_test_is_scored(
    request_: EvaluationRequest, registry: Registry
) -> None:
    found = {(r.task, r.labels): r for r in run(request_, registry, "all", "50%", "2-shot") if r.headline}
    whole, half, shots = (found[ZONE.name, labels] for labels in ("all", "50%", "2-shot"))
    classes = int(shots.n["train"] / 2)
    assert classes > 1
    assert whole.n["train"] / 2 <= half.n["train"] <= whole.n["train"] / 2 + classes
    assert {(r.n["val"], r.n["test"]) for r in (whole, half, shots)} == {(whole.n["val"], whole.n["test"])}
    assert half.dropped["train"] == f"{whole.n['train'] - half.n['train']} samples outside 50% of the labels"
    assert found[HEIGHT.name, "50%"].n["train"] == -(-found[HEIGHT.name, "all"].n["train"] // 2)
    assert found[HEIGHT.name, "50%"].metrics != found[HEIGHT.name, "all"].metrics
    assert len({r.key for r in found.values() if r.key}) == sum(r.status == "ok" for r in found.values())


def test_parts_that_a_task_does_not_have_are_skipped_with_the_reason(
    request_: EvaluationRequest, registry: Registry
) -> None:
    found = {(r.task, r.labels): r for r in run(request_, registry, "50%", "2-shot") if r.headline}
    assert found[HEIGHT.name, "2-shot"].status == "skipped"
    assert "give a share, as 10%" in found[HEIGHT.name, "2-shot"].reason
    assert {found[PAIRS.name, labels].status for labels in ("50%", "2-shot")} == {"skipped"}
    assert "uses no labels, so --labels does not apply" in found[PAIRS.name, "50%"].reason


def test_parts_have_records_of_their_own_that_are_reused(request_: EvaluationRequest, registry: Registry) -> None:
    alone = {(r.task, r.probe): r.key for r in run(request_, registry, "all")}
    run(request_, registry, "50%", seeds=(0, 1))
    parts = run(request_, registry, "all", "50%")
    written = [r for r in read_results(request_.results) if r.status == "ok"]
    assert {(r.labels, r.seed) for r in written} == {("all", 0), ("50%", 0), ("50%", 1)}
    # A record of all labels is the one that runs without parts make.
    assert {(r.task, r.probe): r.key for r in parts if r.labels == "all"} == alone
    both = tuple(map(LabelBudget.of, ("all", "50%")))
    again = make_plan(replace(request_, labels=both), registry)
    assert {cell.state for cell in again.cells if cell.task is not PAIRS} == {"cached"}


def test_the_seed_draws(request_: EvaluationRequest, registry: Registry) -> None:
    first, other = (
        r.metrics
        for r in run(request_, registry, "20%", seeds=(0, 1), tasks=[HEIGHT], models=[replace(SHADES, seeded=False)])
        if r.headline
    )
    assert first["r2"].value != other["r2"].value


def test_times_of_evaluations_are_found_for_the_same_part(request_: EvaluationRequest, registry: Registry) -> None:
    run(request_, registry, "50%", tasks=[ZONE])
    again = replace(request_, tasks=[ZONE], labels=(LabelBudget.of("50%"),), seeds=(1,))
    plan = make_plan(again, registry)
    assert "by the times of earlier runs" in plan.estimate
    assert "no earlier run" not in plan.estimate
    assert "no earlier run" in make_plan(replace(again, labels=(LabelBudget.of("20%"),)), registry).estimate


def test_a_part_that_teaches_nothing_fails_and_says_so(request_: EvaluationRequest, registry: Registry) -> None:
    (failed, *_) = run(request_, registry, "0.1%", tasks=[HEIGHT])
    assert failed.status == "failed"
    assert "more than --labels 0.1%" in failed.reason
