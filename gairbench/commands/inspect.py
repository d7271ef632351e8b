"""What ``gairbench inspect`` does, apart from parsing its options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from annotated_types import Ge
from rich.console import Console

from gairbench.commands.data import get_datasets
from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.options import (
    check_checkpoint,
    check_device_name,
    check_writable,
    find_model,
    model_weights,
)
from gairbench.commands.output import holds_unicode, show
from gairbench.dataset_download import is_here
from gairbench.errors import CheckpointError, DataMissingError, UsageError
from gairbench.names import in_path
from gairbench.plugins import Registry
from gairbench.progress import Progress
from gairbench.readout import Readout
from gairbench.selection import select_tasks, unknown
from gairbench.spec import EvaluatorSpec, ModelSpec, Preset, TaskSpec
from gairbench.taskfiles.parsing import registry_with
from gairbench.weights.origin import Weights

if TYPE_CHECKING:
    import torch

    from gairbench.feeding import Feed
    from gairbench.inspection.model_report import LoadedFacts
    from gairbench.inspection.task_report import TaskReport
    from gairbench.weights.loading import LoadedModel


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectRequest:
    """What a user asks for: the options of ``gairbench inspect``.

    Args:
        model: The model.
        task: A task to feed it with; ``None``: generated inputs.
        task_file: YAML files that declare tasks.
        data_root: Folder of datasets that are not embedded.
        preset: Preset of the model; ``None``: its first.
        checkpoint: File or folder of its weights.
        seed: Seed of untrained weights.
        device: As torch names it, or ``"auto"``.
        download: Fetch weights and data that are not here.
        samples: So many samples of the task are looked at.
        out: Folder for pictures of the samples; ``None``: none are drawn.
        json: Print JSON.
    """

    model: str
    task: str | None = None
    task_file: tuple[Path, ...] = ()
    data_root: Path | None = None
    preset: str | None = None
    checkpoint: Path | None = None
    seed: Annotated[int, Ge(0)] = 0
    device: str = "auto"
    download: bool = False
    samples: Annotated[int, Ge(2)] = 32
    out: Path | None = None
    json: bool = False


@if_interrupted(lambda: "nothing was changed; run the same command again")
def inspect_command(request: InspectRequest) -> int:
    """Carry out ``gairbench inspect``.

    Returns:
        The exit status: 0 nothing is suspicious, 1 something is.

    Raises:
        UsageError: What is asked for does not exist or is not possible.
        CheckpointError: The weights are not here; what the model declares was printed.
        GairbenchError: The model or the data cannot be used.
    """
    registry = registry_with(request.task_file)
    spec = find_model(request.model, registry, request.preset)
    task = None if request.task is None else _task(request.task, registry)
    if request.out is not None:
        if task is None:
            raise UsageError("--out is for pictures of a task's samples", "add --task, or leave --out out")
        check_writable("out", request.out)
    check_checkpoint(request.checkpoint)
    check_device_name(request.device)
    try:
        preset, weights = _weights(request, spec, registry)
    except CheckpointError:
        # What a model takes and offers is known before its weights are here.
        if task is None and request.checkpoint is None:
            _show_declaration(request, spec, registry)
        raise
    if task is None:
        return _without_task(request, spec, preset, weights, registry)
    return _with_task(request, spec, preset, weights, task, _evaluator(task, registry))


def _weights(request: InspectRequest, spec: ModelSpec, registry: Registry) -> tuple[Preset, Weights]:
    return model_weights(
        spec,
        registry,
        preset=request.preset,
        checkpoint=request.checkpoint,
        seed=request.seed,
        download=request.download,
        untrained=True,
    )


def _show_declaration(request: InspectRequest, spec: ModelSpec, registry: Registry) -> None:
    from gairbench.inspection.declared import declaration_of
    from gairbench.inspection.text import declaration_text, plain_values

    declared = declaration_of(spec, spec.preset(request.preset), str(registry.model_origins[spec.name]))
    if request.json:
        _show_json(plain_values(declared))
    else:
        show(declaration_text(declared) + "\n")


def _without_task(
    request: InspectRequest, spec: ModelSpec, preset: Preset, weights: Weights, registry: Registry
) -> int:
    from gairbench.inspection.declared import declaration_of
    from gairbench.inspection.model_report import report_model
    from gairbench.inspection.text import declaration_text, model_text, plain_values, suspicions_text
    from gairbench.testing.offline import offline

    declared = declaration_of(spec, preset, str(registry.model_origins[spec.name]))
    with offline() as asked:
        loaded, facts = _loaded(request, spec, preset, weights)
        report = report_model(spec, loaded, facts, _device(request), _unasked(request, preset))
    suspicions = (*declared.suspicions, *report.suspicions, *_asked(asked))
    if request.json:
        _show_json(plain_values(declared) | plain_values(report) | {"suspicions": list(suspicions)})
    else:
        show("\n\n".join([declaration_text(declared), model_text(report), suspicions_text(suspicions)]))
    return 1 if suspicions else 0


def _unasked(request: InspectRequest, preset: Preset) -> str:
    """Return why known answers cannot be expected: they are those of the preset's weights, or of seed 0."""
    if request.checkpoint is not None:
        return "they are not those of another checkpoint"
    own = preset.weights is not None and preset.recipe is None
    return "" if own or request.seed == 0 else "they are those of --seed 0"


def _with_task(
    request: InspectRequest,
    spec: ModelSpec,
    preset: Preset,
    weights: Weights,
    task: TaskSpec,
    evaluator: EvaluatorSpec,
) -> int:
    from gairbench.evaluation.feeds import feeds_for
    from gairbench.inspection.text import plain_values, suspicions_text, task_text
    from gairbench.testing.offline import offline

    feeds = feeds_for(spec, preset, task, evaluator, Readout())
    _require_data(request, task)
    with offline() as asked:
        loaded, facts = _loaded(request, spec, preset, weights)
        report, pictures = _fed(request, spec, loaded, task, evaluator, feeds)
    suspicions = (*report.suspicions, *_asked(asked))
    if request.json:
        head = {"model": spec.name, "preset": preset.name, "loaded": plain_values(facts)}
        _show_json(head | plain_values(report) | {"pictures": pictures, "suspicions": list(suspicions)})
    else:
        text = task_text(spec.name, preset.name, facts, report, pictures, unicode=holds_unicode())
        show(f"{text}\n\n{suspicions_text(suspicions)}")
    return 1 if suspicions else 0


def _fed(
    request: InspectRequest,
    spec: ModelSpec,
    loaded: LoadedModel,
    task: TaskSpec,
    evaluator: EvaluatorSpec,
    feeds: Sequence[Feed],
) -> tuple[TaskReport, dict[str, str]]:
    from gairbench.evaluation.open_data import OpenData
    from gairbench.inspection.pictures import draw_contact_sheet
    from gairbench.inspection.task_report import TaskReport, inspected_split, report_input, samples_to_inspect
    from gairbench.weights.loading import model_name

    samples, ids = samples_to_inspect(OpenData(request.data_root), task.dataset, request.samples)
    inputs, pictures = [], {}
    for entry, feed in zip(task.inputs, feeds, strict=True):
        report, batch = report_input(entry, feed, samples, ids, task, loaded, _device(request), model_name(spec))
        inputs.append(report)
        if request.out is None:
            continue
        for name, converter in feed.images.items():
            path = request.out / f"{in_path(spec.name)}-{task.name}-{name}.png"
            if draw_contact_sheet(path, converter, samples, batch.images[name]):
                pictures[f"{entry}: {name}"] = str(path)
    found = TaskReport(
        task=task.name,
        dataset=task.dataset.name,
        evaluator=evaluator.name,
        split=inspected_split(task.dataset),
        samples=len(samples),
        inputs=tuple(inputs),
    )
    return found, pictures


def _loaded(
    request: InspectRequest, spec: ModelSpec, preset: Preset, weights: Weights
) -> tuple[LoadedModel, LoadedFacts]:
    from gairbench.inspection.calls import in_one_line
    from gairbench.inspection.model_report import loaded_facts
    from gairbench.weights.loading import load_model

    device = _device(request)
    with in_one_line(f"model {spec.name!r} cannot be loaded"):
        loaded = load_model(spec, weights, preset=preset, seed=request.seed, device=device)
    return loaded, loaded_facts(loaded, weights, device, given=request.checkpoint is not None)


def _device(request: InspectRequest) -> torch.device:
    from gairbench.environment import choose_device

    return choose_device(request.device)


def _asked(hosts: list[str]) -> list[str]:
    if not hosts:
        return []
    return [f"the network was asked for, which was refused: {', '.join(dict.fromkeys(hosts))}"]


def _task(name: str, registry: Registry) -> TaskSpec:
    found = select_tasks([name], registry.tasks)
    if len(found) > 1:
        raise UsageError(f"--task {name} names several tasks", f"name one, as {found[0].name}")
    return found[0]


def _evaluator(task: TaskSpec, registry: Registry) -> EvaluatorSpec:
    """Return the evaluator that the leaderboard ranks the task by."""
    from gairbench.evaluation.plan import default_evaluators

    name = (task.evaluators or default_evaluators(registry, task.kind))[0]
    if name not in registry.evaluators:
        raise unknown("evaluator", name, registry.evaluators, of=f"of task {task.name!r}")
    return registry.evaluators[name]


def _require_data(request: InspectRequest, task: TaskSpec) -> None:
    """Fetch data that are not here, with consent; otherwise say how to get them."""
    dataset = task.dataset
    if is_here(dataset, request.data_root):
        return
    if request.data_root is None:
        raise UsageError(f"dataset {dataset.name!r} needs files in folder {dataset.folder!r}", "give --data-root")
    if dataset.download is None or not request.download:
        how = f"gairbench data get {dataset.name} --data-root {request.data_root}" if dataset.download else ""
        raise DataMissingError(
            f"dataset {dataset.name!r} is not at {request.data_root / dataset.folder}", how or "correct --data-root"
        )
    get_datasets([dataset], request.data_root, Progress(Console(stderr=True)))


def _show_json(found: Any) -> None:
    show(json.dumps(found, indent=1, ensure_ascii=not holds_unicode()))
