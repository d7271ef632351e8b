"""Plugins that misbehave harm their own cells only, and are named: a good model's cells are as if it ran alone."""

from __future__ import annotations

import io
import os
import random
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import watched
from generated import DATASET, SHADES, TASKS, Shades, World
from rich.console import Console
from torch import Tensor
from watched import EXITS, TERMINATED_ONCE

from gairbench import DataContext, ModelContext, ModelSpec, Pretraining, TaskSpec
from gairbench.errors import PluginWarning
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.plugins import Origin, Registry
from gairbench.progress import Progress
from gairbench.readout import asked_readout
from gairbench.results import Result
from gairbench.spec import resolve

TESTS = Path(__file__).parents[1]
ZONE, MASK = TASKS[0], TASKS[3]
VARYING = {"created", "seconds", "environment"}

# Reported once in a process; the tests below look at records, and tests/test_isolation.py at warnings.
pytestmark = pytest.mark.filterwarnings("ignore::gairbench.errors.PluginWarning")


class Drawn(Shades):
    """A model whose weights and embeddings come from every global generator, in the default dtype."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        drawn = torch.randn(8, 6) + float(np.random.normal()) + random.random()  # noqa: NPY002
        self.weight = torch.nn.Parameter(drawn)

    def encode_rs(self, images: Tensor) -> Tensor:
        return super().encode_rs(images) + torch.rand(1) / 10


GOOD = replace(SHADES, name="good", factory=Drawn)


def run(folder: Path, registry: Registry, models: list[ModelSpec], tasks: list[TaskSpec], **more: Any) -> list[Result]:
    found = replace(registry, models=dict(registry.models), model_origins=dict(registry.model_origins))
    found.tasks, found.task_origins = dict(registry.tasks), dict(registry.task_origins)
    origin = Origin("theirs", "their-dist", "1.0")
    found.models |= {model.name: model for model in models}
    found.model_origins |= {model.name: origin for model in models}
    found.tasks |= {task.name: task for task in tasks}
    new = {task.dataset.name: task.dataset for task in tasks if task.dataset.name not in registry.datasets}
    found.datasets = registry.datasets | new
    found.dataset_origins = registry.dataset_origins | dict.fromkeys(new, origin)
    found.task_origins |= {task.name: origin for task in tasks if task.name not in found.task_origins}
    request = EvaluationRequest(
        models=models, tasks=tasks, results=folder / "results", cache=folder / "cache", device="cpu", **more
    )
    plan = make_plan(request, found)
    return run_plan(plan, request, found, Progress(Console(file=io.StringIO()))).records


def content(records: list[Result], folder: Path, name: str) -> dict[tuple[str, str], Any]:
    """Return what is in the records of a model or task and in the files of its predictions."""
    chosen = [record for record in records if name in {record.model, record.task}]
    assert chosen
    return {
        (record.task, record.probe): (
            {field: getattr(record, field) for field in Result.__dataclass_fields__ if field not in VARYING},
            (record.path(folder / "results").parent / record.predictions).read_bytes(),
        )
        for record in chosen
    }


class Custom(BaseException):
    pass


# What the hooks would refuse: a checkpoint's preset, or a spec whose objects compute, comes past them.
UNREADABLE = replace(SHADES, name="bad", presets=(replace(SHADES.presets[0], offers="rs_tokens"),))  # type: ignore[arg-type]
UNFEEDABLE = replace(SHADES, name="bad", presets=(replace(SHADES.presets[0], needs="gsd"),))  # type: ignore[arg-type]


@pytest.mark.parametrize("asked", ["default", "each"])
@pytest.mark.parametrize("bad", [UNREADABLE, UNFEEDABLE], ids=["offers", "needs"])
def test_a_declaration_that_cannot_be_planned_fails_its_own_cells(
    bad: ModelSpec, asked: str, tmp_path: Path, registry: Registry
) -> None:
    readouts = (asked_readout(asked),)
    records = run(tmp_path, registry, [GOOD, bad], [ZONE, MASK], readouts=readouts)
    found = {(record.model, record.task): record for record in records}
    assert {found["good", task.name].status for task in (ZONE, MASK)} == {"ok"}
    for task in (ZONE, MASK):
        record = found["bad", task.name]
        assert record.status == "failed"
        start = f"what model 'bad', dataset 'world' and task {task.name!r} declare cannot be planned: "
        assert re.fullmatch(re.escape(start) + r"(AttributeError|TypeError): .*", record.reason)


def in_factory(act: Callable[[], Any]) -> type[Shades]:
    class Acts(Shades):
        def __init__(self, context: ModelContext) -> None:
            super().__init__(context)
            act()

    return Acts


def in_encoder(act: Callable[[], Any]) -> type[Shades]:
    class Acts(Shades):
        def encode_rs(self, images: Tensor) -> Tensor:
            act()
            return super().encode_rs(images)

        def encode_rs_tokens(self, images: Tensor) -> Tensor:
            act()
            return super().encode_rs_tokens(images)

    return Acts


def fail() -> None:
    raise RuntimeError("boom")


def cancel() -> None:
    raise Custom("enough")


def draw() -> None:
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)  # noqa: NPY002


CHANGES: dict[str, tuple[Callable[[], Any], str]] = {
    "dtype": (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype"),
    "threads": (lambda: torch.set_num_threads(torch.get_num_threads() + 1), "torch's number of threads"),
    "grad": (lambda: torch.set_grad_enabled(False), "torch's grad mode"),
    "errors": (lambda: np.seterr(all="raise"), "numpy's handling"),
    "warnings": (lambda: warnings.simplefilter("error"), "warnings into errors"),
    "folder": (lambda: os.chdir("/"), "the working folder"),
    "random": (draw, ""),
    "output": (lambda: print("noise"), ""),
}
ENDS: dict[str, tuple[Callable[[], Any], str]] = {
    "exit": (lambda: sys.exit(3), "called sys.exit(3)"),
    "success": (lambda: sys.exit(0), "called sys.exit(0)"),
    "raise": (fail, "RuntimeError: boom"),
    "cancel": (cancel, "raised Custom: enough"),
}


@pytest.mark.parametrize("where", [in_factory, in_encoder])
@pytest.mark.parametrize("what", CHANGES)
def test_a_model_that_changes_the_process_changes_no_other_models_numbers(
    what: str, where: Callable[[Callable[[], Any]], type[Shades]], registry: Registry, tmp_path: Path
) -> None:
    act, said = CHANGES[what]
    if (what, where) == ("grad", in_encoder):
        pytest.skip("encoders run in inference mode, where gradients are off")
    bad = replace(SHADES, name="bad", factory=where(act))
    alone = run(tmp_path / "alone", registry, [GOOD], [ZONE, MASK])
    beside = run(tmp_path / "beside", registry, [bad, GOOD], [ZONE, MASK])
    assert [record.model for record in beside] == ["bad"] * 3 + ["good"] * 3, "the bad one runs first"
    assert content(alone, tmp_path / "alone", "good") == content(beside, tmp_path / "beside", "good")
    assert {record.status for record in beside} == {"ok"}
    notes = [record.notes.get("process", "") for record in beside if record.model == "bad"]
    assert all(said in note and ("model 'bad' (" in note) == bool(said) for note in notes), notes
    assert all(not record.notes for record in beside if record.model == "good")


@pytest.mark.parametrize("where", [in_factory, in_encoder])
@pytest.mark.parametrize("what", ENDS)
def test_a_model_that_ends_the_process_fails_its_own_cells_by_name(
    what: str, where: Callable[[Callable[[], Any]], type[Shades]], registry: Registry, tmp_path: Path
) -> None:
    act, said = ENDS[what]
    bad = replace(SHADES, name="bad", factory=where(act))
    alone = run(tmp_path / "alone", registry, [GOOD], [ZONE])
    beside = run(tmp_path / "beside", registry, [bad, GOOD], [ZONE])
    assert content(alone, tmp_path / "alone", "good") == content(beside, tmp_path / "beside", "good")
    failed = [record for record in beside if record.model == "bad"]
    assert {record.status for record in failed} == {"failed"}
    assert all(said in record.reason and "model 'bad'" in record.reason for record in failed)
    assert all(record.model_origin == "theirs (their-dist 1.0)" for record in failed)


def test_a_recipe_that_ends_the_process_fails_its_model_by_name(registry: Registry, tmp_path: Path) -> None:
    recipe = Pretraining(recipe=lambda context: sys.exit(3), version=1, dataset="world-pretrain")
    bad = replace(SHADES, name="bad", presets=(replace(SHADES.presets[0], weights=recipe),))
    records = run(tmp_path, registry, [bad, GOOD], [ZONE])
    assert {(r.model, r.status) for r in records} == {("bad", "failed"), ("good", "ok")}
    assert all("model 'bad'" in r.reason and "sys.exit(3)" in r.reason for r in records if r.model == "bad")


def test_a_model_whose_checkpoint_cannot_be_read_or_whose_corpus_is_not_installed_fails_alone(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "weights").write_text("x")
    unread = replace(SHADES, name="unread", read_checkpoint=lambda path: fail())
    recipe = Pretraining(recipe=fail, version=1, dataset="nowhere")
    homeless = replace(SHADES, name="homeless", presets=(replace(SHADES.presets[0], weights=recipe),))
    checkpoints = {"unread": tmp_path / "weights"}
    records = run(tmp_path, registry, [unread, homeless, GOOD], [ZONE], checkpoints=checkpoints)
    reasons = {record.model: record.reason for record in records}
    assert reasons["good"] == ""
    assert "model 'unread' cannot read its checkpoint: RuntimeError: boom" in reasons["unread"]
    assert "pre-trained on dataset 'nowhere', which no plugin provides" in reasons["homeless"]


# Datasets.


class Reads:
    """A split that acts when a sample is read."""

    def __init__(self, split: Any, act: Callable[[], Any]) -> None:
        self.split, self.act, self.ids = split, act, split.ids
        self.target = split.target

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Any:
        self.act()
        return self.split[index]


def dataset(where: str, act: Callable[[], Any]) -> type[World]:
    class Acts(World):
        def __init__(self, context: DataContext) -> None:
            super().__init__(context)
            if where == "factory":
                act()

        def fingerprint(self) -> str:
            if where == "fingerprint":
                act()
            return "acts"

        def classes(self, target: str) -> tuple[str, ...]:
            if where == "classes":
                act()
            return super().classes(target)

        def split(self, name: str) -> Any:
            if where == "split":
                act()
            split = super().split(name)
            return Reads(split, act) if where == "sample" else split

    return Acts


@pytest.mark.parametrize("where", ["factory", "fingerprint", "classes", "split", "sample"])
@pytest.mark.parametrize("what", ENDS)
def test_a_dataset_that_ends_the_process_fails_its_own_cells_by_name(
    what: str, where: str, registry: Registry, tmp_path: Path
) -> None:
    act, said = ENDS[what]
    bad = replace(ZONE, name="bad", dataset=replace(DATASET, name="bad-data", factory=dataset(where, act)))
    alone = run(tmp_path / "alone", registry, [GOOD], [ZONE])
    beside = run(tmp_path / "beside", registry, [GOOD], [bad, ZONE])
    assert content(alone, tmp_path / "alone", ZONE.name) == content(beside, tmp_path / "beside", ZONE.name)
    failed = [record for record in beside if record.task == "bad"]
    assert {record.status for record in failed} == {"failed"}
    assert all(said in record.reason and "dataset 'bad-data'" in record.reason for record in failed), failed[0].reason


@pytest.mark.parametrize("where", ["factory", "classes", "split", "sample"])
@pytest.mark.parametrize("what", ["dtype", "threads", "errors", "folder", "random"])
def test_a_dataset_that_changes_the_process_changes_no_others_numbers(
    what: str, where: str, registry: Registry, tmp_path: Path
) -> None:
    act, said = CHANGES[what]
    if where == "sample" and what in {"threads", "errors"}:
        pytest.skip("samples are read in threads, which have their own")
    bad = replace(ZONE, name="bad", dataset=replace(DATASET, name="bad-data", factory=dataset(where, act)))
    alone = run(tmp_path / "alone", registry, [GOOD], [ZONE])
    beside = run(tmp_path / "beside", registry, [GOOD], [bad, ZONE])
    assert content(alone, tmp_path / "alone", ZONE.name) == content(beside, tmp_path / "beside", ZONE.name)
    notes = [record.notes.get("process", "") for record in beside if record.task == "bad" and record.status == "ok"]
    assert all(said in note and ("dataset 'bad-data'" in note) == bool(said) for note in notes), notes


# Evaluators.


def test_an_evaluator_that_misbehaves_fails_or_marks_its_own_cells(registry: Registry, tmp_path: Path) -> None:
    alone = run(tmp_path / "alone", registry, [GOOD], [ZONE])
    spec = registry.evaluators["linear"]
    linear = resolve(spec.factory)

    def changes(data: Any) -> Any:
        torch.set_default_dtype(torch.float64)
        return linear(data)

    registry.evaluators["linear"] = replace(spec, factory=changes)
    marked = {r.probe: r for r in run(tmp_path / "changes", registry, [GOOD], [ZONE])}
    assert "evaluator 'linear' (" in marked["linear"].notes["process"]
    assert marked["knn"].notes == {}
    assert marked["knn"].metrics == next(r for r in alone if r.probe == "knn").metrics

    registry.evaluators["linear"] = replace(spec, factory=lambda data: sys.exit(3))
    failed = {r.probe: r for r in run(tmp_path / "exits", registry, [GOOD], [ZONE])}
    assert failed["knn"].status == "ok"
    assert "evaluator 'linear' (" in failed["linear"].reason
    assert "called sys.exit(3)" in failed["linear"].reason


# Workers.


def test_in_workers_an_exit_fails_its_cells_and_a_signal_costs_a_retry(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(watched.FOLDER, str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path]))
    options = {"workers": 2}
    models = [EXITS, TERMINATED_ONCE]
    records = run(tmp_path, registry, models, [ZONE], executor="local", executor_options=options)
    found = {record.model: record for record in records if record.probe == "linear"}
    assert found["exits"].status == "failed"
    assert "model 'exits' (watched:Exits) called sys.exit(3)" in found["exits"].reason
    assert found["terminated-once"].status == "ok", found["terminated-once"].reason


def test_a_warning_names_who_changed_the_process(registry: Registry, tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        bad = replace(SHADES, name="warned", factory=in_factory(lambda: torch.set_default_dtype(torch.float64)))
        run(tmp_path, registry, [bad], [ZONE])
    said = [str(one.message) for one in caught if one.category is PluginWarning]
    assert len(said) == 1
    assert said[0].startswith("model 'warned' (")
