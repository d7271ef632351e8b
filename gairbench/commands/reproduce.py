"""What ``gairbench reproduce`` does, apart from parsing its options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console

from gairbench.commands.config import load_config
from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.output import show
from gairbench.commands.run import RunRequest, plan_run
from gairbench.composition import ComposedModel, compose_preset, encoders_of
from gairbench.errors import CheckpointError, DataError, GairbenchError, UsageError
from gairbench.memo import default_cache
from gairbench.model_names import known_models
from gairbench.plugins import Registry
from gairbench.progress import Progress
from gairbench.reproduction.agreement import Agreement, NumberPair, compare_records, superseded
from gairbench.reproduction.recorded_command import RecordedCommand, names_code, no_code, read_command
from gairbench.reproduction.scratch_cache import scratch_cache
from gairbench.requests import Pairs, make_request
from gairbench.results import Result, read_result
from gairbench.spec import ModelSpec
from gairbench.taskfiles.parsing import registry_with

if TYPE_CHECKING:
    from gairbench.evaluation.cells import Cell


SHOWN = 10
"""Numbers that differ and are shown, beside every metric's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceRequest:
    """What a user asks for: the options of ``gairbench reproduce``.

    Args:
        record: The record's file.
        model: The model as ``gairbench run`` takes it, where its name in the record is not enough: a class in a file,
            a table of embeddings.
        task_file: YAML files that declare tasks; none: those of the record's command.
        checkpoint: Checkpoint files or folders by model name; none: those of the record's command.
        covered_by: Models of existing embeddings, where their names in the record are not enough.
        data_root: Folder of datasets that are not embedded; ``None``: that of the record's command.
        device: As torch names it; ``None``: of the record's kind where there is one, else ``"auto"``.
        retrain: Repeat the trainings that gairbench does itself.
        download: Fetch published weights and data that are not here.
    """

    record: Path
    model: str | None = None
    task_file: tuple[Path, ...] = ()
    checkpoint: Annotated[Mapping[str, Path], Pairs("MODEL=PATH", "gair=model.safetensors")] = field(
        default_factory=dict
    )
    covered_by: tuple[str, ...] = ()
    data_root: Path | None = None
    device: str | None = None
    retrain: bool = False
    download: bool = False


@if_interrupted(lambda: "nothing is kept; run the same command again")
def reproduce_command(request: ReproduceRequest) -> int:
    """Carry out ``gairbench reproduce``.

    Returns:
        The exit status: 0 if the record agrees with what is computed now, 1 otherwise.

    Raises:
        GairbenchError: The cell cannot be computed again.
    """
    found = reproduce_record(request, Progress(Console(stderr=True)))
    show(agreement_text(found))
    return 0 if found.agrees else 1


def reproduce_record(
    request: ReproduceRequest,
    progress: Progress,
    registry_for: Callable[[Sequence[Path]], Registry] = registry_with,
) -> Agreement:
    """Compute the cell of a record again, into a folder that is removed, and compare.

    Embeddings are computed anew; a training of ours is repeated where the request says so. Nothing that the record
    names is run: models and tasks are found among what is installed, and a Python file must be named by the user.

    Args:
        request: What is asked for.
        progress: Where to show it.
        registry_for: Returns what is installed, with what task files declare.

    Raises:
        UsageError: The record has no number, or the user must say where something is.
        CheckpointError: The weights are not here.
        DataError: The cell cannot be computed here; the reason says why.
        StorageError: The record cannot be read, or nothing can be written.
    """
    record = read_result(request.record)
    if record.status != "ok":
        raise UsageError(f"{request.record} is of a cell that was {record.status}: {record.reason}", "name another")
    asked = _with_config(read_command(record.command))
    task_files = request.task_file or asked.task_files
    for path in task_files:
        if not path.is_file():
            whose = "" if request.task_file else " of the record's command"
            raise UsageError(f"task file {path}{whose} is not here", "name it with --task-file")
    registry = registry_for(task_files)
    if record.task not in registry.tasks:
        raise UsageError(
            f"no task {record.task!r}, which came from {record.task_origin}",
            "install the plugin, or name the task file with --task-file",
        )
    wanted = _run_request(record, request, asked, registry)
    for one in superseded(record, registry):
        progress.say(f"the record is superseded: {one}")

    from gairbench.environment import threads_for

    threads = _threads(record)
    computing: AbstractContextManager[None] = threads_for(threads) if threads is not None else nullcontext()
    with scratch_cache(default_cache(), trained=not request.retrain) as scratch, computing:
        now, repeated = _computed(replace(wanted, results=scratch / "results"), record, registry, progress, scratch)
    return compare_records(record, now, repeated)


def _computed(
    wanted: RunRequest, record: Result, registry: Registry, progress: Progress, cache: Path
) -> tuple[Result, tuple[str, ...]]:
    """Return the cell's record as it is computed now, and what was computed for it."""
    from gairbench.evaluation.cells import Plan, jobs_of
    from gairbench.evaluation.runner import run_plan

    plan, request, data = plan_run(wanted, registry, progress, cache=cache, download=wanted.download)
    cells = [cell for cell in plan.cells if cell.record.probe == record.probe]
    if not cells:
        names = ", ".join(dict.fromkeys(cell.record.probe for cell in plan.cells))
        raise DataError(f"{record.task} is not evaluated with {record.probe!r} now", f"its evaluators are {names}")
    (cell,) = cells
    if cell.state in {"skipped", "failed"}:
        raise DataError(f"{cell.id} cannot be computed: {cell.reason}", "")
    _check_trained(cell, record, cache)
    alone = Plan(cells=(cell,), jobs=tuple(jobs_of([cell])), estimate="")
    (now,) = run_plan(alone, request, registry, progress, data).records
    if now.status != "ok":
        raise DataError(f"{cell.id} cannot be computed: {now.reason}", "")
    trained = [f"the training of {job.model.name}" for job in alone.pretrainings()]
    return now, (*trained, "the embeddings", "the evaluation")


def _check_trained(cell: Cell, record: Result, cache: Path) -> None:
    """Refuse to train without being asked to: it takes long, and a user may have the checkpoint elsewhere."""
    # A cache that shares the user's checkpoints is one that nothing is to be trained in.
    for training in cell.trainings:
        if not training.weights.ready and (cache / "checkpoints").is_symlink():
            seconds = record.seconds.get("pretrain")
            took = f", which took {seconds:.0f} s" if seconds else ""
            raise CheckpointError(
                f"the checkpoint of {training.model.name} that {record.checkpoint} names is not in the cache",
                f"--retrain repeats the training{took}",
            )


def _with_config(asked: RecordedCommand) -> RecordedCommand:
    """Add what the run config of a record's command names, where it is here; options win, as in ``gairbench run``."""
    if asked.config is None or not asked.config.is_file():
        return asked
    config = load_config(RunRequest, asked.config)
    return replace(
        asked,
        models=asked.models or no_code(list(config.get("model", ()))),
        task_files=asked.task_files or config.get("task_file", ()),
        data_root=asked.data_root or config.get("data_root"),
        checkpoints=asked.checkpoints or config.get("checkpoint", {}),
        covered_by=asked.covered_by or no_code(list(config.get("covered_by", ()))),
    )


def _run_request(record: Result, request: ReproduceRequest, asked: RecordedCommand, registry: Registry) -> RunRequest:
    """Return what ``gairbench run`` would be asked for: the settings of the record, and where things are."""
    from gairbench.evaluation.coverage import JOINED

    model = _model(record.model, request.model, asked.models, registry)
    covered = tuple(filter(None, record.covered_by.split(JOINED)))
    lookups = request.covered_by or tuple(_model(name, None, asked.covered_by, registry) for name in covered)
    parts = {spec.name for spec in encoders_of([registry.models[model]])}
    checkpoints = request.checkpoint or {name: path for name, path in asked.checkpoints.items() if name in parts}
    if record.checkpoint.startswith("file:") and not record.published_weights and not checkpoints:
        raise UsageError(
            f"it was computed with the checkpoint {record.checkpoint}", f"name the file with --checkpoint {model}=PATH"
        )
    for name, path in checkpoints.items():
        if not path.exists():
            raise CheckpointError(f"no checkpoint {path} of {name}", f"name it with --checkpoint {name}=PATH")
    # A record and a run call one setting alike.
    own = {"model", "preset", "task", "checkpoint", "device", "covered_by", "command"}
    recorded = {one.name for one in fields(Result)} - own
    given = {
        one.name: _setting(getattr(record, one.name), several=isinstance(one.default, tuple))
        for one in fields(RunRequest)
        if one.name in recorded
    }
    given |= {
        "model": [model],
        "preset": _preset(record, registry.models[model]),
        "task": [record.task],
        "checkpoint": checkpoints,
        "covered_by": list(lookups),
        "data_root": request.data_root or asked.data_root,
        "device": request.device or _device(record),
        "download": request.download,
    }
    return make_request(RunRequest, given, command=record.command)


def _setting(value: object, *, several: bool) -> object:
    """Return a record's value of a setting; where a run takes several, a text as a list, not to be split at commas."""
    return [value] if several and isinstance(value, str) else value


def _model(name: str, given: str | None, asked: Iterable[str], registry: Registry) -> str:
    """Return a model's name, which is registered then, whether by itself or as the user or the command calls it."""
    if given is not None:
        known = known_models([given], registry)
        if known != [name]:
            raise UsageError(f"--model {given} is {', '.join(known)}, and the record is of {name}", "name its model")
        return name
    if name in registry.models:
        return name
    if names_code(name):
        # Whoever made the record would choose what runs here.
        raise UsageError(f"the record names model {name!r}, a Python file that runs when it is loaded", _CONFIRM)
    kind = name.partition(":")[0]
    candidates = [name, *(one for one in asked if one.startswith((f"{kind}:", "compose(")))]
    for one in candidates:
        try:
            if known_models([one], registry) == [name]:
                return name
        except GairbenchError:
            continue
    raise UsageError(
        f"no model {name!r} is installed, and the record's command does not lead to one", "name it with --model"
    )


_CONFIRM = "name it with --model if you trust it"


def _preset(record: Result, model: ModelSpec) -> str | None:
    """Return the preset to ask for; ``None``: the model's own, or that of the checkpoint."""
    if not isinstance(model, ComposedModel):
        return record.preset if record.preset in {one.name for one in model.presets} else None
    # A composition's is named after those of its parts.
    for name in dict.fromkeys(one.name for part in model.parts for one in part.model.presets):
        if compose_preset(model.parts, [part.model.preset(name) for part in model.parts]).name == record.preset:
            return name
    return None


def _device(record: Result) -> str:
    """Return a device of the record's kind if there is one here, as nothing else can be equal to the last bit."""
    import torch

    kind = record.device.partition(" ")[0]
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return kind if here.get(kind, False) else "auto"


def _threads(record: Result) -> int | None:
    """Return the record's number of threads where this machine has so many cores; ``None``: as many as usual."""
    text = record.environment.get("threads", "")
    if not text.isdecimal() or not 0 < int(text) <= (os.cpu_count() or 1):
        return None
    return int(text)


def agreement_text(found: Agreement) -> str:
    """Return what a comparison shows, as text: the verdict last.

    Args:
        found: The comparison.
    """
    then = found.then
    lines = [f"{then.model} ({then.variant}) on {then.task} by {then.probe}, of {then.created or 'no date'}"]
    lines.append(f"computed again: {', '.join(found.repeated)}")
    for title, differences in (
        ("not the same cell", found.cell),
        ("other weights", found.weights),
        ("another environment", found.environment),
    ):
        lines += [f"{title}: {one}" for one in differences]
    wrong = [pair for pair in found.numbers if not pair.agrees]
    shown = [pair for pair in found.numbers if " " not in pair.name or pair in wrong[:SHOWN]]
    width = max((len(pair.name) for pair in shown), default=0)
    lines += [f"{pair.name:<{width}}  {_numbers(pair)}" for pair in shown]
    if found.agrees:
        exact = all(pair.then == pair.now for pair in found.numbers)
        lines.append("it agrees" + (": every number is the same to the last bit" if exact else f", {_within(found)}"))
    elif found.cell:
        lines.append("it does not agree: it is not of the same versions, data and samples")
    else:
        lines.append(f"it does not agree: {len(wrong)} of {len(found.numbers)} numbers differ by more than is allowed")
    return "\n".join(lines)


def _within(found: Agreement) -> str:
    return f"each of {len(found.numbers)} numbers within what is allowed in another environment"


def _numbers(pair: NumberPair) -> str:
    sign = "agrees" if pair.agrees else "DIFFERS"
    allowed = "nothing" if pair.exact else f"{pair.allowed:.2g}"
    off = abs(pair.then - pair.now)
    return f"{pair.then:.9g}, now {pair.now:.9g}: off by {off:.2g}, allowed {allowed}: {sign}"
