"""What ``gairbench run`` does, apart from parsing its options."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge
from rich.console import Console
from tabulate import tabulate

from gairbench.commands.data import get_datasets
from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.leaderboard import DEFAULT_RESULTS, write_page
from gairbench.commands.options import check_device_name, check_writable
from gairbench.commands.outcomes import RunResults
from gairbench.commands.output import show
from gairbench.composition import ComposedModel, encoders_of
from gairbench.dataset_download import is_here, way_to_get
from gairbench.errors import CheckpointError, UsageError
from gairbench.evaluator import SelectionBy
from gairbench.file_models import as_reference
from gairbench.label_budget import LabelBudget
from gairbench.memo import default_cache
from gairbench.model_names import known_model, known_models
from gairbench.plugins import Registry
from gairbench.pretraining.teachers import chosen_teachers, fetch_teachers
from gairbench.progress import Progress
from gairbench.readout import Readout, asked_readout
from gairbench.requests import WHOLE, Named, Pairs
from gairbench.selection import meant_by_category, select_models, select_tasks, unknown
from gairbench.spec import ModelSpec, TaskSpec
from gairbench.split_choice import SplitChoice
from gairbench.taskfiles.parsing import registry_with
from gairbench.teacher import TeacherChoice
from gairbench.weights.sources import fetch_missing

if TYPE_CHECKING:
    from gairbench.evaluation.cells import Cell, Plan
    from gairbench.evaluation.open_data import OpenData
    from gairbench.evaluation.plan import EvaluationRequest


LOCAL = Named("local")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a user asks for: the options of ``gairbench run`` and the keys of a run config.

    Args:
        model: Names of models, or ``all``.
        task: Names, globs, families or categories of tasks, or ``all``; ``None``: all, or those of the task files.
        task_file: YAML files that declare tasks.
        preset: Preset for every model that has one of that name; ``None``: the models' defaults.
        checkpoint: Checkpoint files or folders by model name, any that ``model`` takes; of teachers too.
        data_root: Folder of datasets that are not embedded.
        results: Folder of the records.
        device: As torch names it, or ``"auto"``.
        seed: Seeds of untrained weights, pre-training, probes and drawn splits; everything is run once for each.
        limit: Use at most this many samples per split.
        labels: Parts of train's labels to learn from, ``"all"``, ``"10%"`` or ``"5-shot"``; all is run with each.
        split: How samples are divided, ``"published"``, ``"random"``, ``"blocks:5"``, ...; all is run with each.
        readout: Poolings and layers, as ``"default"``, ``"mean"``, ``"cls@5"`` or ``"@11"``, or ``"each"`` for all
            that a model offers; all is run with each.
        selection: How evaluators choose hyper-parameters: ``"cv"``, by cross-validation over groups where there are
            groups, or ``"val"``, on val alone.
        covered_by: Names of models of existing embeddings: all is run on the samples that all of them have.
        fresh: Reuse no checkpoint, embedding or record of an earlier run.
        download: Fetch published weights that are not here.
        executor: Name of the executor, and its keys.
        command: The command line, for the records.
    """

    model: tuple[str, ...] = ("gair",)
    task: tuple[str, ...] | None = None
    task_file: tuple[Path, ...] = ()
    preset: str | None = None
    checkpoint: Annotated[Mapping[str, Path], Pairs("MODEL=PATH", "gair=model.safetensors")] = field(
        default_factory=dict
    )
    data_root: Path | None = None
    results: Path = DEFAULT_RESULTS
    device: str = "auto"
    seed: tuple[Annotated[int, Ge(0)], ...] = (0,)
    limit: Annotated[int | None, Ge(1)] = None
    labels: tuple[str, ...] = ("all",)
    split: tuple[Annotated[str, WHOLE], ...] = ("published",)
    readout: tuple[str, ...] = ("default",)
    selection: SelectionBy = "cv"
    covered_by: tuple[str, ...] = ()
    fresh: bool = False
    download: bool = False
    executor: Named = LOCAL
    command: str = ""


def run_command(request: RunRequest, *, dry_run: bool) -> int:
    """Carry out ``gairbench run``.

    Args:
        request: What is asked for.
        dry_run: Print the plan and stop.

    Returns:
        The exit status: 0 if at least one cell succeeded and all others were skipped for a stated reason, 1 otherwise.

    Raises:
        GairbenchError: Nothing can be run as asked.
    """
    registry = registry_with(request.task_file)
    if dry_run:
        with _uncollected():
            plan = plan_run(request, registry, Progress(Console(stderr=True)))[0]
        show(_describe(plan))
        return 0 if any(cell.state in {"cached", "todo"} for cell in plan.cells) else 1
    # The leaderboard is what standard output is for; progress goes beside it.
    progress = Progress(Console(stderr=True))
    results = evaluate(request, registry, progress)
    show(results.leaderboard())
    progress.say(results.summary())
    return 0 if results.ok else 1


def evaluate(request: RunRequest, registry: Registry, progress: Progress) -> RunResults:
    """Pre-train what needs it, evaluate every model-task pair, and write records and leaderboard.

    Args:
        request: What is asked for.
        registry: What is installed, task files included.
        progress: Where to show it.

    Returns:
        The records.

    Raises:
        GairbenchError: Nothing can be run as asked.
    """
    with if_interrupted(partial(_what_is_safe, request)):
        check_writable("results", request.results)
        plan, wanted, data = plan_run(request, registry, progress, download=request.download)
        if stale := sum(cell.stale is not None for cell in plan.cells):
            progress.say(f"{stale} records of earlier runs are of other weights than their models have now")
        if todo := sum(cell.state == "todo" for cell in plan.cells):
            progress.say(f"{todo} of {len(plan.cells)} cells to compute; {plan.estimate}")

        from gairbench.evaluation.runner import run_plan

        outcomes = run_plan(plan, wanted, registry, progress, data)
        write_page(request.results, request.results)
        return RunResults(tuple(outcomes.records), request.results, len(outcomes.reused))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Do not look for garbage: a plan is made of what stays, and a dry run ends with it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _what_is_safe(request: RunRequest) -> str:
    again = ", without --fresh," if request.fresh else ""
    return f"finished cells, embeddings and checkpoints are kept; run the same command again{again} to continue"


def plan_run(
    request: RunRequest, registry: Registry, progress: Progress, *, cache: Path | None = None, download: bool = False
) -> tuple[Plan, EvaluationRequest, OpenData]:
    """Return what will be done, what it was planned from, and the data that were opened for it.

    Args:
        request: What is asked for.
        registry: What is installed, task files included.
        progress: Where to show downloads.
        cache: Folder of checkpoints and embeddings; ``None``: the usual.
        download: Fetch published weights and data that are not here.

    Raises:
        GairbenchError: Nothing can be run as asked.
    """
    models, tasks = _selected(request, registry)
    request = replace(request, checkpoint=_checkpoints(request, registry, models))
    if download:
        for spec in encoders_of(models):
            fetch_missing(spec, request.preset, request.checkpoint.get(spec.name), default_cache())
        fetch_teachers(_teachers(request, models), registry, request.checkpoint, default_cache())
        _fetch_datasets(request, registry, models, tasks, progress)
    tasks, absent = _here(request, tasks)
    for dataset, count in Counter(task.dataset for task in absent).items():
        how = way_to_get(dataset, request.data_root) or f"put them into {dataset.folder} below --data-root"
        progress.say(f"left out, its files are not here: {dataset.name} ({count} task{'s' * (count != 1)}); {how}")

    from gairbench.evaluation.open_data import OpenData
    from gairbench.evaluation.plan import make_plan

    wanted = replace(_evaluation(request, registry, models, tasks), cache=cache or default_cache())
    data = OpenData(request.data_root)
    return make_plan(wanted, registry, data), wanted, data


def _here(request: RunRequest, tasks: Sequence[TaskSpec]) -> tuple[Sequence[TaskSpec], Sequence[TaskSpec]]:
    """Return the tasks to plan, and those that only ``all`` or a category means and whose files are not here.

    What is asked for by its name, by its family or with a task file is planned, and skipped with the reason.
    """
    if request.task is None and request.task_file:
        return tasks, ()
    named = [value for value in request.task or () if not any(meant_by_category(value, task) for task in tasks)]
    kept = {task.name for task in select_tasks(named, {task.name: task for task in tasks})} if named else set()
    absent = {t.name: t for t in tasks if t.name not in kept and not is_here(t.dataset, request.data_root)}
    # Where nothing is here, the reasons are all there is to show.
    if len(absent) == len(tasks):
        return tasks, ()
    return [task for task in tasks if task.name not in absent], list(absent.values())


def _fetch_datasets(
    request: RunRequest,
    registry: Registry,
    models: Sequence[ModelSpec],
    tasks: Sequence[TaskSpec],
    progress: Progress,
) -> None:
    """Fetch the data of tasks and recipes that are not here and can be had."""
    trained = [model for model in encoders_of(models) if model.name not in request.checkpoint]
    recipes = [model.preset(request.preset).recipe for model in trained]
    corpora = [
        registry.datasets[recipe.dataset] for recipe in recipes if recipe and recipe.dataset in registry.datasets
    ]
    wanted = dict.fromkeys([*(task.dataset for task in tasks), *corpora])
    missing = [spec for spec in wanted if spec.download is not None and not is_here(spec, request.data_root)]
    if missing and request.data_root is None:
        raise UsageError(f"no folder to put dataset {missing[0].name!r} into", "give --data-root")
    if request.data_root is not None:
        get_datasets(missing, request.data_root, progress)


def _teachers(request: RunRequest, models: Sequence[ModelSpec]) -> list[TeacherChoice]:
    """Return the teachers of the models that are to be trained."""
    trained = [model for model in encoders_of(models) if model.name not in request.checkpoint]
    return [choice for model in trained for choice in chosen_teachers(model, model.preset(request.preset), {})]


def _selected(request: RunRequest, registry: Registry) -> tuple[Sequence[ModelSpec], Sequence[TaskSpec]]:
    """Return the models and tasks; every name and path is checked, before anything heavy is imported."""
    tasks = registry.tasks
    if request.task is None and request.task_file:
        tasks = {name: task for name, task in tasks.items() if registry.task_origins[name].plugin == "task-file"}
    models = select_models(known_models(request.model, registry), registry.models)
    chosen = select_tasks(request.task or ["all"], tasks)
    if request.preset is not None:
        presets = {preset.name for model in models for preset in model.presets}
        if request.preset not in presets:
            raise unknown("preset", request.preset, presets)
    check_device_name(request.device)
    for part in request.labels:
        LabelBudget.of(part)
    for text in request.split:
        SplitChoice.of(text, registry.split_policies)
    for text in request.readout:
        asked_readout(text)

    from gairbench.evaluation.executors.opening import check_executor

    check_executor(registry, request.executor.name, request.executor.keys)
    return models, chosen


def _checkpoints(request: RunRequest, registry: Registry, models: Sequence[ModelSpec]) -> dict[str, Path]:
    """Return the checkpoints by the models' own names; they may be given by any name that ``--model`` takes."""
    found: dict[str, Path] = {}
    names = {model.name: None for model in encoders_of(models)}
    if request.checkpoint.keys() - names.keys():
        names |= {known_model(choice.model, registry): None for choice in _teachers(request, models)}
    for given, path in request.checkpoint.items():
        name = given if as_reference(given) is None else known_model(given, registry)
        if name not in names:
            raise UsageError(
                f"--checkpoint names {given!r}, which is not run",
                f"the models are {', '.join(names)}",
            )
        if name in found:
            raise UsageError(f"--checkpoint names {name!r} twice, as {given!r} too", "leave one out")
        if not path.exists():
            raise CheckpointError(f"no checkpoint {path}", f"correct the path of --checkpoint {given}=PATH")
        found[name] = path
    return found


def _evaluation(
    request: RunRequest, registry: Registry, models: Sequence[ModelSpec], tasks: Sequence[TaskSpec]
) -> EvaluationRequest:
    """Return what is planned: specs for names."""
    from gairbench.evaluation.plan import EvaluationRequest

    return EvaluationRequest(
        models=models,
        tasks=tasks,
        results=request.results,
        cache=default_cache(),
        preset=request.preset,
        checkpoints=request.checkpoint,
        data_root=request.data_root,
        device=request.device,
        seeds=tuple(dict.fromkeys(request.seed)),
        limit=request.limit,
        labels=tuple(dict.fromkeys(map(LabelBudget.of, request.labels))),
        splits=tuple(dict.fromkeys(SplitChoice.of(text, registry.split_policies) for text in request.split)),
        readouts=tuple(dict.fromkeys(map(asked_readout, request.readout))),
        selection=request.selection,
        covered_by=_lookups(request.covered_by, registry),
        fresh=request.fresh,
        download=request.download,
        executor=request.executor.name,
        executor_options=request.executor.keys,
        command=request.command,
    )


def _lookups(names: Sequence[str], registry: Registry) -> tuple[ModelSpec, ...]:
    """Return models of existing embeddings by any name that ``--model`` takes."""
    if not names:
        return ()
    models = select_models(known_models(names, registry), registry.models)
    for model in models:
        if isinstance(model, ComposedModel):
            raise UsageError(f"--covered-by names {model.name!r}, a composition", "name the part that looks samples up")
        if not any(map(model.preset(None).looks_up, model.preset(None).offered())):
            raise UsageError(
                f"--covered-by names {model.name!r}, which computes an embedding of every sample",
                "name a model of existing embeddings, as table:PATH or raster:PATH",
            )
    return tuple(models)


def _describe(plan: Plan) -> str:
    """Return the whole plan as text."""
    seeds = {cell.record.seed for cell in plan.cells}
    lines = [
        f"pretrain {job.model.name} ({job.preset.name}) on {job.corpus.dataset.name}" + _seed(job.seed, seeds)
        for job in plan.pretrainings()
    ]
    lines += [
        f"load {job.model.name} ({job.preset.name}), whose weights are not declared, to see that they are its records'"
        for job in plan.identifications()
    ]
    embeddings: dict[str, str] = {}
    for cell in plan.cells:
        if cell.state == "todo":
            for e in (one for one in cell.embeddings if not one.empty):
                state = "cached" if e.cached else "todo"
                what = f"embed {cell.model.name} {e.feed.representation} on {cell.task.dataset.name}/{e.split}"
                embeddings[e.key] = what + _seed(cell.record.seed, seeds) + f": {state}"
            for job in cell.coverage:
                for e in job.embeddings:
                    what = f"look up {job.model.name} {e.feed.representation} on {job.dataset.name}/{e.split}"
                    embeddings.setdefault(e.key, f"{what}: {'cached' if e.cached else 'todo'}")
    lines += embeddings.values()
    rows = [
        [
            c.model.name,
            c.preset.name + _seed(c.record.seed, seeds),
            c.task.name,
            c.record.probe + _part(c.labels) + _division(c.split) + _readout(c.readout) + _covered(c),
            c.state,
        ]
        for c in plan.cells
    ]
    for row, cell in zip(rows, plan.cells, strict=True):
        row[-1] += f": {cell.reason}" if cell.reason else ""
    lines.append("")
    lines.append(tabulate(rows, headers=["model", "preset", "task", "probe", "state"], tablefmt="simple"))
    counts = Counter(cell.state for cell in plan.cells)
    lines.append("\n" + ", ".join(f"{counts[state]} {state}" for state in ("todo", "cached", "skipped", "failed")))
    if any(cell.state == "todo" for cell in plan.cells):
        lines.append(plan.estimate)
    return "\n".join(lines)


def _seed(seed: int, seeds: Set[int]) -> str:
    """Name the seed where there are several."""
    return f" seed {seed}" if len(seeds) > 1 else ""


def _division(split: SplitChoice) -> str:
    """Name the split policy where the splits are not the published ones."""
    return "" if split.published else f" {split}"


def _part(labels: LabelBudget) -> str:
    """Name the part of the labels where it is not all of them."""
    return "" if labels.whole else f" {labels}"


def _covered(cell: Cell) -> str:
    """Name the models that say which samples take part, where not all do."""
    return f" covered by {cell.record.covered_by}" if cell.record.covered_by else ""


def _readout(readout: Readout) -> str:
    """Name pooling and layers where they are not the model's own."""
    return "" if readout.default else f" {readout}"
