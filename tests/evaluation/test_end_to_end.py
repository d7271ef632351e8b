"""Models that are trained on each task: what runs in place of the task's evaluators, and what never runs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from generated import TASKS, World, carry_out
from torch import Tensor, nn
from trainables import Blind, Toning, model

from gairbench import ModelContext, ModelSpec, TaskSpec
from gairbench.backbone import TRAINED
from gairbench.data import ArraySplit
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluators import end_to_end
from gairbench.plugins import Origin, Registry
from gairbench.results import Result
from gairbench.selection import select_models

ZONE, TAGS, HEIGHT, MASK, RETRIEVAL, FUSED = TASKS


class Counted(Toning):
    """Says which samples it has encoded, and whether it was trained then."""

    encoded: list[tuple[int, bool]] = []  # noqa: RUF012  (a log)

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Return small images of one tone or another."""
        Counted.encoded.append((len(images), self.training))
        return super().encode_rs_tokens(images)


class Columns(nn.Module):
    """A pointwise layer on small images."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(context.seed)
        self.weight = nn.Parameter(torch.randn(8, 3, 1, 1, generator=generator))
        self.bias = nn.Parameter(torch.zeros(8))

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the mean."""
        return self.encode_rs_tokens(images).mean((2, 3))

    encode_sv = encode_rs

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Return a token a pixel."""
        return nn.functional.relu(nn.functional.conv2d(images / 60 - 2, self.weight, self.bias))


class Noted(World):
    """Says of its samples what was done when they were read."""

    def split(self, name: str) -> ArraySplit:
        """Return a split that says how often it was read."""
        split = super().split(name)
        read: list[int] = []
        get = split.__getitem__

        class Reads(ArraySplit):
            def __getitem__(self, index: int) -> dict[str, Any]:
                read.append(index)
                return get(index)

            def note(self) -> str:
                return "missing pixels were filled" if read else ""

        split.__class__ = Reads
        return split


class Shuffled(World):
    """Targets in another order than the samples."""

    def split(self, name: str) -> ArraySplit:
        """Return a split whose targets say nothing."""
        split = super().split(name)
        order = np.random.default_rng(1).permutation(len(split))
        targets = {target: split.target(target)[order] for target in ("zone", "height", "mask", "tags")}
        columns = {key: np.stack([split[i][key].numpy() for i in range(len(split))]) for key in split[0]}
        return ArraySplit(list(split.ids), columns, targets)


def supervised(name: str, factory: object) -> ModelSpec:
    return replace(model(name, factory), evaluator="end_to_end")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e-2,))
    monkeypatch.setattr(end_to_end, "EPOCHS", 20)
    monkeypatch.setattr(end_to_end, "STEPS", 60)


@pytest.fixture
def request_(request_: EvaluationRequest) -> EvaluationRequest:
    return replace(request_, models=[supervised("columns", Columns)])


def run(request: EvaluationRequest, registry: Registry, *tasks: TaskSpec) -> list[Result]:
    request = replace(request, tasks=tasks or request.tasks)
    for spec in request.models:
        if spec.name not in registry.models:
            registry.add(Origin("theirs", "their-dist", "1.0"), models=[spec])
    for task in request.tasks:
        registry.tasks[task.name] = task
        registry.dataset_origins[task.dataset.name] = Origin("theirs", "their-dist", "1.0")
        registry.task_origins[task.name] = Origin("theirs", "their-dist", "1.0")
    return carry_out(request, registry)


def over(task: TaskSpec, factory: object) -> TaskSpec:
    return replace(task, dataset=replace(task.dataset, name=f"world-{factory.__name__.lower()}", factory=factory))  # type: ignore[attr-defined, arg-type]


def test_its_evaluator_runs_alone_and_is_no_headline(request_: EvaluationRequest, registry: Registry) -> None:
    records = run(request_, registry, ZONE, MASK)
    assert [(r.probe, r.status, r.headline, r.caveats) for r in records] == [
        ("end_to_end", "ok", False, (TRAINED,))
    ] * 2, [r.reason for r in records]
    for record in records:
        params = record.probe_params
        assert params["val_loss"] == pytest.approx(min(params["val_curve"]), abs=1e-6)
        assert params["val_curve"][params["best_epoch"] - 1] == min(params["val_curve"])
        assert len(params["val_curve"]) == params["epochs"] == 20
        assert params["parameters"] == 32
        assert record.embedding_dim is None
        assert record.environment["finetuning torch"]
        assert record.n == {"train": 90, "val": 30, "test": 40}


def test_it_computes_nothing_before_it_is_trained(request_: EvaluationRequest, registry: Registry) -> None:
    Counted.encoded.clear()
    request = replace(request_, models=[supervised("counted", Counted)])
    (record,) = run(request, registry, MASK)
    assert record.status == "ok", record.reason
    # The check that gradients reach it, and the width of its grid.
    assert Counted.encoded[:2] == [(2, False), (1, False)]
    assert all(training for _, training in Counted.encoded[2:5])
    cache = EmbeddingCache(request.cache)
    (cell,) = make_plan(replace(request, tasks=[MASK]), registry).cells
    stored = {embedding.split: cache.load(embedding.key) for embedding in cell.embeddings}
    assert {split: found[0].shape for split, found in stored.items() if found} == {
        "train": (90, 0),
        "val": (30, 0),
        "test": (40, 0),
    }


def test_features_of_the_same_model_are_not_taken_for_its_own(request_: EvaluationRequest, registry: Registry) -> None:
    frozen = replace(request_.models[0], evaluator="")
    both = replace(MASK, evaluators=("linear_segmentation", "end_to_end"))
    records = {r.probe: r for r in run(replace(request_, models=[frozen]), registry, both)}
    assert {r.status for r in records.values()} == {"ok"}, [r.reason for r in records.values()]
    assert records["linear_segmentation"].embedding_dim == 8
    assert records["end_to_end"].embedding_dim is None
    assert records["end_to_end"].used == records["linear_segmentation"].used


def test_a_second_run_reuses_the_record(request_: EvaluationRequest, registry: Registry) -> None:
    first = run(request_, registry, ZONE)
    (cell,) = make_plan(replace(request_, tasks=[ZONE]), registry).cells
    assert cell.state == "cached"
    assert run(request_, registry, ZONE) == first


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (RETRIEVAL, "columns is trained on each task by 'end_to_end', which does not serve retrieval"),
        (replace(TAGS, inputs=("location",)), "columns has no location encoder"),
    ],
)
def test_what_it_cannot_do_is_a_visible_skip_of_the_plan(
    task: TaskSpec, reason: str, request_: EvaluationRequest, registry: Registry
) -> None:
    (spec,) = request_.models
    preset = replace(spec.presets[0], inputs=spec.presets[0].inputs[:2])
    (record,) = run(replace(request_, models=[replace(spec, presets=(preset,))]), registry, task)
    assert (record.status, record.reason) == ("skipped", reason)


def test_an_evaluator_that_does_not_exist_fails_its_cells(request_: EvaluationRequest, registry: Registry) -> None:
    spec = replace(request_.models[0], evaluator="by-hand")
    (record,) = run(replace(request_, models=[spec]), registry, ZONE)
    assert record.status == "failed"
    assert record.reason.startswith("no evaluator 'by-hand'")


def test_all_models_are_those_that_need_no_training_on_the_task() -> None:
    frozen, trained = model("frozen", Blind), supervised("trained", Columns)
    known = {spec.name: spec for spec in (frozen, trained)}
    assert select_models(["all"], known) == [frozen]
    assert select_models(["all", "trained"], known) == [frozen, trained]


def test_what_was_done_to_the_samples_when_they_were_read_is_noted(
    request_: EvaluationRequest, registry: Registry
) -> None:
    (record,) = run(request_, registry, over(ZONE, Noted))
    assert record.status == "ok", record.reason
    assert record.notes == dict.fromkeys(("train", "val", "test"), "missing pixels were filled")


def test_every_seed_has_weights_and_numbers_of_its_own(request_: EvaluationRequest, registry: Registry) -> None:
    records = run(replace(request_, seeds=(0, 1)), registry, MASK)
    assert [r.seed for r in records] == [0, 1]
    assert len({r.weights for r in records}) == 2
    assert records[0].probe_params["val_curve"] != records[1].probe_params["val_curve"]


def test_it_learns_what_is_there_and_nothing_of_targets_in_another_order(
    request_: EvaluationRequest, registry: Registry
) -> None:
    zone, mask = run(request_, registry, ZONE, MASK)
    assert zone.metrics["accuracy"].value > 0.9
    assert mask.metrics["miou"].value > 0.95
    zone, mask = run(request_, registry, over(ZONE, Shuffled), over(MASK, Shuffled))
    assert zone.metrics["accuracy"].value < 0.75
    # Half of the pixels are of the other class, wherever they are.
    assert mask.metrics["miou"].value < 0.6
