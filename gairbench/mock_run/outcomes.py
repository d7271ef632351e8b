"""Carry the generated tasks out in a temporary folder, and say what passed."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import gairbench
from gairbench.errors import UsageError
from gairbench.evaluation.cells import Cell
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.mock_run.generated_tasks import generated_tasks
from gairbench.plugins import Origin, Registry
from gairbench.progress import Progress
from gairbench.readout import asked_readout
from gairbench.spec import Kind, ModelSpec, Preset

Outcome = Literal["pass", "fail", "skipped"]

ONE_OF_EACH = frozenset({Kind.REGRESSION, Kind.DENSE_REGRESSION})
"""Kinds of which other poolings and layers than the model's own are learned: one of vectors, one of token grids."""

SEPARATOR = ", "
"""Between the representations of several inputs."""

_OUTCOMES: dict[str, Outcome] = {"ok": "pass", "failed": "fail", "skipped": "skipped"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MockCell:
    """What came of one representation, kind of task and evaluator.

    Args:
        representation: What the evaluator was fed; of several inputs, one after the other.
        kind: The kind of task.
        evaluator: The evaluator's name.
        task: The generated task's name.
        outcome: ``"pass"``, ``"fail"`` or ``"skipped"``.
        reason: Why it failed or was skipped; empty if it passed.
    """

    representation: str
    kind: str
    evaluator: str
    task: str
    outcome: Outcome
    reason: str


def mock_outcomes(
    spec: ModelSpec,
    preset: Preset,
    registry: Registry,
    progress: Progress,
    *,
    checkpoint: Path | None,
    seed: int,
    device: str,
) -> list[MockCell]:
    """Evaluate a model on generated tasks in folders that are removed afterwards: no record and no embedding is kept.

    Args:
        spec: The model.
        preset: Its preset. One that gairbench trains is evaluated untrained.
        registry: What is installed; it gets the tasks.
        progress: Where to show it.
        checkpoint: File or folder of weights, if one is given.
        seed: Of untrained weights and evaluators.
        device: As torch names it, or ``"auto"``.

    Returns:
        What came of each cell.

    Raises:
        UsageError: The model looks up what exists already, so that nothing generated can be asked of it.
        GairbenchError: The run itself cannot be carried out.
    """
    # No recipe is run: a model that gairbench trains is what its factory makes of no checkpoint.
    alone = replace(preset, weights=None) if preset.recipe is not None else preset
    # Nor is an architecture trained: what is shown is that its code computes what it offers.
    model = replace(spec, presets=(alone,), evaluator="")
    tasks = generated_tasks(model, alone)
    if not tasks:
        raise UsageError(
            f"model {spec.name!r} has embeddings of existing samples, and generated ones are not among them",
            f"gairbench inspect {spec.name} --task TASK shows what it has of a task",
        )
    registry.models[spec.name] = model
    registry.add(Origin("mock-run", "gairbench", gairbench.__version__), tasks=tasks)
    with tempfile.TemporaryDirectory(prefix="gairbench-mock-") as folder:
        request = EvaluationRequest(
            models=[model],
            tasks=tasks,
            results=Path(folder) / "results",
            cache=Path(folder) / "cache",
            checkpoints={} if checkpoint is None else {spec.name: checkpoint},
            device=device,
            seeds=(seed,),
        )
        found = _carried_out(request, registry, progress)
        # A vector of another pooling or layer is learned from as any other: one kind shows that it can be had.
        others = [task for task in tasks if task.kind in ONE_OF_EACH and len(task.inputs) == 1 and not task.localized]
        again = replace(request, tasks=others, readouts=(asked_readout("each"),))
        found += [cell for cell in _carried_out(again, registry, progress) if cell not in found]
    return [*found, *_unused(alone, found)]


def _carried_out(request: EvaluationRequest, registry: Registry, progress: Progress) -> list[MockCell]:
    plan = make_plan(request, registry)
    records = run_plan(plan, request, registry, progress).records
    return [
        MockCell(
            representation=_representation(cell),
            kind=str(cell.task.kind),
            evaluator=record.probe,
            task=cell.task.name,
            outcome=_OUTCOMES[record.status],
            reason=record.reason,
        )
        for cell, record in zip(plan.cells, records, strict=True)
    ]


def _unused(preset: Preset, found: list[MockCell]) -> list[MockCell]:
    """Return what the preset offers and no evaluator asked for, as grids of several layers."""
    used = {name for cell in found for name in cell.representation.split(SEPARATOR)}
    return [
        MockCell(
            representation=str(offer),
            kind="",
            evaluator="",
            task="",
            outcome="skipped",
            reason="no installed evaluator asks for it; gairbench inspect computes it",
        )
        for offer in preset.offered()
        if str(offer) not in used
    ]


def _representation(cell: Cell) -> str:
    """Return what a cell's evaluator is fed; of one that was never planned so far, its inputs and the readout."""
    fed = dict.fromkeys(str(one.feed.representation) for one in cell.embeddings)
    readout = "" if cell.readout.default else f" ({cell.readout})"
    return SEPARATOR.join(fed) or f"{SEPARATOR.join(cell.task.inputs)}{readout}"
