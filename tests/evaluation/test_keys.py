"""Keys hold all that can change a number: without one of these, a run would serve the number of something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generated import SHADES, TASKS
from safetensors.torch import save

from gairbench.evaluation.cells import Cell, Embedding
from gairbench.evaluation.embedding_keys import embeddings_of
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Registry
from gairbench.split_choice import SplitChoice

Change = Callable[[EvaluationRequest, Registry], EvaluationRequest]


def _evaluator(request: EvaluationRequest, registry: Registry) -> EvaluationRequest:
    registry.evaluators["linear"] = replace(registry.evaluators["linear"], version=99)
    return request


def _metric(request: EvaluationRequest, registry: Registry) -> EvaluationRequest:
    registry.metrics["accuracy"] = replace(registry.metrics["accuracy"], version=99)
    return request


def _bounds(request: EvaluationRequest, registry: Registry) -> EvaluationRequest:
    registry.metrics["accuracy"] = replace(registry.metrics["accuracy"], least=-1.0)
    return request


def _task(request: EvaluationRequest, **changes: Any) -> EvaluationRequest:
    return replace(request, tasks=[replace(request.tasks[0], **changes)])


def headline(request: EvaluationRequest, registry: Registry) -> Cell:
    return next(cell for cell in make_plan(request, registry).cells if cell.record.headline)


CHANGES: dict[str, Change] = {
    "seed": lambda request, _: replace(request, seeds=(1,)),
    "labels": lambda request, _: replace(request, labels=[LabelBudget(percent=50)]),
    "limit": lambda request, _: replace(request, limit=20),
    "selection": lambda request, _: replace(request, selection="val"),
    "task version": lambda request, _: _task(request, version=2),
    "target": lambda request, _: _task(request, target="other"),
    "grouping": lambda request, _: _task(request, group="country"),
    "dataset version": lambda request, _: _task(request, dataset=replace(request.tasks[0].dataset, version=99)),
    "model version": lambda request, _: replace(request, models=[replace(SHADES, version="99")]),
    "evaluator version": _evaluator,
    "metric version": _metric,
    "bounds of a metric": _bounds,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_key_of_a_record_differs(change: Change, request_: EvaluationRequest, registry: Registry) -> None:
    before = headline(request_, registry).record.key
    assert headline(request_, registry).record.key == before
    assert headline(change(request_, registry), registry).record.key != before


def test_version_of_intervals_is_in_the_key(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = headline(request_, registry).record.key
    monkeypatch.setattr("gairbench.evaluation.plan.INTERVALS_VERSION", 99)
    assert headline(request_, registry).record.key != before


def test_what_a_policy_draws_is_in_the_key(request_: EvaluationRequest, registry: Registry) -> None:
    def key(draws: str) -> str:
        policy = replace(registry.split_policies["leave"], draws=draws)
        request = replace(request_, splits=(SplitChoice(policy, "country"),))
        return headline(request, registry).record.key

    assert key("groups") != key("")


def test_seed_is_in_the_key_where_the_weights_do_not_depend_on_it(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "shades.safetensors"
    file.write_bytes(save({"shade": torch.zeros(1)}))
    request = replace(request_, checkpoints={SHADES.name: file}, seeds=(0, 1))
    first, second = (cell for cell in make_plan(request, registry).cells if cell.record.headline)
    assert [e.key for e in first.embeddings] == [e.key for e in second.embeddings]
    assert first.record.key != second.record.key


def keyed(cell: Cell, **changes: Any) -> list[str]:
    given: dict[str, Any] = {
        "splits": ("train", "val", "test"),
        "fingerprint": "abc",
        "codes": ("of the model", "of the dataset"),
        "limit": None,
        "partial": False,
        "empty": False,
    }
    made: tuple[Embedding, ...] = embeddings_of(
        changes.pop("model", cell.model),
        changes.pop("preset", cell.preset),
        changes.pop("weights", cell.weights),
        changes.pop("dataset", cell.task.dataset),
        changes.pop("feeds", [embedding.feed for embedding in cell.embeddings[:1]]),
        **(given | changes),
    )
    return [embedding.key for embedding in made]


def test_key_of_an_embedding_differs_with_all_that_it_is_computed_from(
    request_: EvaluationRequest, registry: Registry
) -> None:
    cell = headline(request_, registry)
    other = headline(replace(request_, tasks=[task for task in TASKS if task.name == "world-mask"]), registry)
    dataset = cell.task.dataset
    train, val, test = keyed(cell)
    assert [train, val, test] == keyed(cell)
    keys = [
        train,
        val,
        test,
        *(
            keyed(cell, **change)[0]
            for change in (
                {"model": replace(cell.model, name="other")},
                {"model": replace(cell.model, version="99")},
                {"preset": replace(cell.preset, name="other")},
                {"weights": replace(cell.weights, identity="file:0")},
                {"dataset": replace(dataset, name="other")},
                {"dataset": replace(dataset, version=99)},
                {"feeds": [embedding.feed for embedding in other.embeddings[:1]]},
                {"fingerprint": "abd"},
                {"codes": ("changed", "of the dataset")},
                {"codes": ("of the model", "changed")},
                {"limit": 20},
                {"empty": True},
            )
        ),
    ]
    assert len(set(keys)) == len(keys)
