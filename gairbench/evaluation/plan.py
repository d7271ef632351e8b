"""What a run will do, decided before torch is imported: which cells, what is cached, what is skipped and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from gairbench import results
from gairbench.backbone import BACKBONE_VERSION, TRAINED
from gairbench.composition import ComposedModel, ComposedPreset
from gairbench.digests import digest
from gairbench.errors import GairbenchError, InputMismatchError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import Cell, Embedding, EmbedJob, Plan, State, jobs_of
from gairbench.evaluation.coverage import JOINED
from gairbench.evaluation.embedding_keys import embeddings_of
from gairbench.evaluation.estimates import Estimates
from gairbench.evaluation.feeds import feeds_for, readouts_for
from gairbench.evaluation.findings import Findings, Trouble
from gairbench.evaluation.lookup_jobs import lookup_job
from gairbench.evaluation.open_data import OpenData
from gairbench.evaluation.prepared import Asked, Prepared, prepare
from gairbench.evaluation.staleness import reuse
from gairbench.evaluator import SelectionBy
from gairbench.intervals import INTERVALS_VERSION
from gairbench.kinds import HEADLINE
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Registry
from gairbench.readout import AskedReadout, Readout
from gairbench.selection import unknown
from gairbench.spec import EvaluatorSpec, Kind, MetricSpec, ModelSpec, Preset, TaskSpec
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS
from gairbench.weights.origin import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """What is to be evaluated, complete.

    Args:
        models: Models to evaluate.
        tasks: Tasks to evaluate them on.
        results: Folder of the records.
        cache: Folder of checkpoints and embeddings.
        preset: Preset for every model that has one of that name; ``None``: the models' defaults.
        checkpoints: Checkpoint files or folders by model name.
        data_root: Folder of datasets that are not embedded.
        device: As torch names it, or ``"auto"``.
        seeds: Seeds of untrained weights, pre-training, evaluators and drawn splits; everything is run once for each.
        limit: Use at most this many samples per split.
        labels: Parts of train's labels; everything is evaluated with each.
        splits: How samples are divided into train, val and test; everything is evaluated with each.
        readouts: Poolings and layers, or ``"each"``; everything is evaluated with each.
        selection: How evaluators choose hyper-parameters: ``"cv"`` or ``"val"``.
        covered_by: Models of existing embeddings: only samples that all of them have take part; none: all samples do.
        fresh: Reuse no checkpoint, embedding or record that was made before the run began.
        download: Published weights that are not here would be fetched, were the plan carried out.
        executor: Name of the executor.
        executor_options: Values of its options.
        command: The command line, for the records.
    """

    models: Sequence[ModelSpec]
    tasks: Sequence[TaskSpec]
    results: Path
    cache: Path
    preset: str | None = None
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    data_root: Path | None = None
    device: str = "auto"
    seeds: tuple[int, ...] = (0,)
    limit: int | None = None
    labels: tuple[LabelBudget, ...] = (LabelBudget(),)
    splits: tuple[SplitChoice, ...] = (SplitChoice(),)
    readouts: tuple[AskedReadout, ...] = (Readout(),)
    selection: SelectionBy = "cv"
    covered_by: tuple[ModelSpec, ...] = ()
    fresh: bool = False
    download: bool = False
    executor: str = "local"
    executor_options: Mapping[str, object] = field(default_factory=dict)
    command: str = ""


def make_plan(request: EvaluationRequest, registry: Registry, data: OpenData | None = None) -> Plan:
    """Decide what a run will do.

    Everything that needs no pixels is checked here: names, declarations, tables, targets.

    Args:
        request: What is asked for.
        registry: What is installed.
        data: Datasets that this process has open, to be used again by the jobs.

    Returns:
        The plan, cheap models first; data that are missing, inputs that do not fit, and evaluators and metrics that do
        not exist are reasons in its cells, not errors.

    Raises:
        CheckpointError: A checkpoint file does not exist, or is of another preset.
    """
    findings = Findings(
        registry,
        data or OpenData(request.data_root),
        cache=request.cache,
        data_root=request.data_root,
        limit=request.limit,
    )
    groups = [
        list(_model_cells(request, registry, findings, model, seed, coverage))
        for seed in request.seeds
        for coverage in [_coverage(request, registry, findings, seed)]
        for model in request.models
    ]
    estimates = Estimates.from_records(request.results)
    groups.sort(key=lambda cells: estimates.cost(jobs_of(_to_do(cells))))
    planned = tuple(cell for cells in groups for cell in cells)
    jobs = tuple(jobs_of(_to_do(planned)))
    return Plan(cells=planned, jobs=jobs, estimate=str(estimates.of(jobs)))


def _to_do(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.state == "todo" or cell.unsure]


_Coverage = Mapping[str, tuple[tuple[EmbedJob, ...], Trouble | None]]
"""By task, what models of existing embeddings look up to say which samples take part, or why they cannot."""


def _coverage(request: EvaluationRequest, registry: Registry, findings: Findings, seed: int) -> _Coverage:
    found: dict[str, tuple[tuple[EmbedJob, ...], Trouble | None]] = {}
    by = JOINED.join(model.name for model in request.covered_by)
    products = [prepare(model, _asked(request), registry, findings, seed) for model in request.covered_by]
    unusable = next((product for product in products if product.trouble is not None), None)
    for task in request.tasks if products else ():
        if unusable is not None and unusable.trouble is not None:
            state, reason = unusable.trouble
            found[task.name] = (), (state, f"no samples are covered by {by}: {unusable.model.name}: {reason}")
            continue
        try:
            jobs = [_lookup(request, registry, findings, product, task, seed) for product in products]
            found[task.name] = tuple(job for job in jobs if job is not None), None
        except InputMismatchError as error:
            found[task.name] = (), ("skipped", f"no samples are covered by {by}: {error}")
        # What a plugin declares may be wrong in any way; its fault is this task's, not the run's.
        except Exception as error:
            what = str(error) if isinstance(error, GairbenchError) else f"{type(error).__name__}: {error}"
            found[task.name] = (), ("failed", f"which samples are covered by {by} cannot be planned: {what}")
    return found


def _lookup(
    request: EvaluationRequest, registry: Registry, findings: Findings, product: Prepared, task: TaskSpec, seed: int
) -> EmbedJob | None:
    """Return what a model looks up of a task's samples; ``None`` where there are none."""
    headline = (task.evaluators or default_evaluators(registry, task.kind))[0]
    if wrong := _evaluator_problem(registry, task, headline):
        raise InputMismatchError(wrong, "")
    fingerprint = findings.fingerprint(task.dataset)
    if isinstance(fingerprint, tuple):
        return None
    return lookup_job(
        product,
        task,
        registry.evaluators[headline],
        fingerprint=fingerprint,
        dataset_code=findings.code(task.dataset),
        seed=seed,
        limit=request.limit,
        cache=None if request.fresh else EmbeddingCache(request.cache),
    )


def _model_cells(
    request: EvaluationRequest,
    registry: Registry,
    findings: Findings,
    model: ModelSpec,
    seed: int,
    coverage: _Coverage,
) -> Iterator[Cell]:
    prepared = prepare(model, _asked(request), registry, findings, seed)
    model, preset, weights = prepared.model, prepared.preset, prepared.weights
    cells = []
    for task in sorted(request.tasks, key=lambda t: t.dataset.name):
        metrics, problem = _metrics(registry, task)
        names = (model.evaluator,) if model.evaluator else task.evaluators or default_evaluators(registry, task.kind)
        evaluated = [
            (number, name, *found)
            for number, name in enumerate(names)
            for found in _readouts(request, preset, model, task, registry.evaluators.get(name))
        ]
        lookups, not_covered = coverage.get(task.name, ((), None))
        for split, labels, (number, name, readout, unread) in product(request.splits, request.labels, evaluated):
            evaluator = registry.evaluators.get(name)
            # What is trained on the task does not compete with frozen models.
            headline = number == 0 and not model.evaluator
            blank = _blank(request, registry, model, preset, weights, task, name, seed, headline=headline)
            cell = Cell(
                model=model,
                preset=preset,
                weights=weights,
                trainings=prepared.trainings,
                task=task,
                evaluator=evaluator,
                metrics=metrics,
                labels=labels,
                split=split,
                readout=readout,
                state="todo",
                record=replace(blank, labels=str(labels), readout=str(readout), **_split_fields(registry, split)),
                distributions=_distributions(registry, prepared, task, evaluator, metrics, split),
                code=prepared.code,
                third_party=prepared.third_party,
                coverage=lookups,
            )
            if model.evaluator and evaluator is not None and task.kind not in evaluator.kinds:
                unserved = f"{model.name} is trained on each task by {name!r}, which does not serve {task.kind}"
                cells.append(_stopped(cell, "skipped", unserved))
                continue
            if wrong := problem or _evaluator_problem(registry, task, name) or unread:
                cells.append(_stopped(cell, "failed", wrong))
                continue
            try:
                planned = _planned(request, findings, cell, prepared.trouble or not_covered)
                uncovered = findings.coverage_problem(planned) if planned.state == "todo" else None
                cells.append(_stopped(planned, *uncovered) if uncovered else planned)
            # What a plugin declares may be wrong in any way; its fault is this cell's, not the run's.
            except Exception as error:
                cells.append(_stopped(cell, "failed", _unplannable(model, task, error)))
    if not request.fresh:
        cells = reuse(cells, weights.content, request.results, EmbeddingCache(request.cache))
    for cell in cells:
        unusable = findings.target_problem(cell) if cell.state == "todo" else None
        yield _stopped(cell, *unusable) if unusable else cell


def _asked(request: EvaluationRequest) -> Asked:
    return Asked(
        preset=request.preset,
        checkpoints=request.checkpoints,
        limit=request.limit,
        cache=request.cache,
        fresh=request.fresh,
        download=request.download,
    )


def _readouts(
    request: EvaluationRequest, preset: Preset, model: ModelSpec, task: TaskSpec, evaluator: EvaluatorSpec | None
) -> list[tuple[Readout, str]]:
    """Return how a model is read out for a task, or its own readout with why that cannot be found out."""
    try:
        return [(readout, "") for readout in readouts_for(request.readouts, preset, task, evaluator)]
    except Exception as error:
        return [(Readout(), _unplannable(model, task, error))]


def _unplannable(model: ModelSpec, task: TaskSpec, error: Exception) -> str:
    if isinstance(error, GairbenchError):
        return str(error)
    what = f"what model {model.name!r}, dataset {task.dataset.name!r} and task {task.name!r} declare cannot be planned"
    return f"{what}: {type(error).__name__}: {error}"


def default_evaluators(registry: Registry, kind: Kind) -> tuple[str, ...]:
    """Return the names of the evaluators that a kind of task is run with where it names none, headline first."""
    names = [name for name, spec in registry.evaluators.items() if kind in spec.default]
    return tuple(sorted(names, key=lambda name: (name != HEADLINE[kind], name)))


def _metrics(registry: Registry, task: TaskSpec) -> tuple[tuple[MetricSpec, ...], str]:
    """Return a task's metrics, headline first, or why it cannot be scored."""
    names = dict.fromkeys((task.metric, *task.extra_metrics))
    for name in names:
        if name not in registry.metrics:
            return (), str(unknown("metric", name, registry.metrics))
        if task.kind not in (kinds := registry.metrics[name].kinds):
            return (), f"metric {name!r} does not score {task.kind}; it is for {', '.join(sorted(kinds))}"
    return tuple(registry.metrics[name] for name in names), ""


def _evaluator_problem(registry: Registry, task: TaskSpec, name: str) -> str:
    """Return why a task cannot be evaluated with what it names; empty if it can."""
    if name not in registry.evaluators:
        return str(unknown("evaluator", name, registry.evaluators))
    if task.kind not in (kinds := registry.evaluators[name].kinds):
        return f"evaluator {name!r} does not serve {task.kind}; it is for {', '.join(sorted(kinds))}"
    if task.kind is Kind.RETRIEVAL and registry.evaluators[name].trains:
        return f"evaluator {name!r} trains the model, and {task.kind} has nothing to train it on"
    return ""


def _distributions(
    registry: Registry,
    prepared: Prepared,
    task: TaskSpec,
    evaluator: EvaluatorSpec | None,
    metrics: Sequence[MetricSpec],
    split: SplitChoice,
) -> tuple[str, ...]:
    origins = [registry.task_origins[task.name]]
    origins += [registry.evaluator_origins[evaluator.name]] if evaluator else []
    origins += [registry.metric_origins[metric.name] for metric in metrics]
    origins += [] if split.published else [registry.split_policy_origins[split.policy.name]]
    return tuple(dict.fromkeys([*prepared.distributions, *(origin.distribution for origin in origins)]))


def _split_fields(registry: Registry, split: SplitChoice) -> dict[str, Any]:
    """Return what a record says about how the samples were divided."""
    if split.published:
        return {}
    origin = registry.split_policy_origins[split.policy.name]
    return {"split": str(split), "split_version": split.policy.version, "split_origin": str(origin)}


def _stopped(cell: Cell, state: State, reason: str) -> Cell:
    """Return a cell that does not run, with the reason."""
    return replace(cell, state=state, record=replace(cell.record, reason=reason, status=_STATUS[state]))


def _planned(request: EvaluationRequest, findings: Findings, cell: Cell, trouble: Trouble | None) -> Cell:
    """Return a cell with its key and what it needs, or why it does not run."""
    task, evaluator = cell.task, cell.evaluator
    assert evaluator is not None  # noqa: S101  (a cell without one has failed)
    if evaluator.places and task.kind in {Kind.RETRIEVAL, Kind.GEOLOCALIZATION}:
        answered = f"evaluator {evaluator.name!r} is given the samples' places, by which {task.kind} would be answered"
        return _stopped(cell, "skipped", answered)
    fingerprint = findings.fingerprint(task.dataset)
    if isinstance(fingerprint, tuple):
        return _stopped(cell, *fingerprint)
    cell = replace(cell, record=replace(cell.record, dataset_fingerprint=fingerprint))
    try:
        feeds = feeds_for(cell.model, cell.preset, task, evaluator, cell.readout)
    except InputMismatchError as error:
        return _stopped(cell, "skipped", str(error))
    if trouble is not None:
        return _stopped(cell, *trouble)
    if problem := cell.labels.problem(task.kind) or cell.split.problem(task.kind):
        return _stopped(cell, "skipped", problem)
    wanted_splits = ("test",) if task.kind is Kind.RETRIEVAL else SPLITS
    for split in wanted_splits:
        if split not in task.dataset.splits:
            return _stopped(cell, "failed", f"dataset {task.dataset.name!r} declares no split {split!r}")
    try:
        embeddings = embeddings_of(
            cell.model,
            cell.preset,
            cell.weights,
            task.dataset,
            feeds,
            splits=wanted_splits,
            fingerprint=fingerprint,
            codes=(cell.code, findings.code(task.dataset)),
            limit=request.limit,
            partial=bool(cell.coverage),
            empty=evaluator.needs == "architecture",
        )
        key = _key(findings, cell, evaluator, embeddings)
    except OSError as error:
        return _stopped(cell, "failed", f"the code of a plugin cannot be read: {error}")
    caveats = dict.fromkeys(filter(None, (feed.gsd_problem() for feed in feeds)))
    caveats |= {TRAINED: None} if cell.trains_model else {}
    return replace(cell, record=replace(cell.record, key=key, caveats=tuple(caveats)), embeddings=embeddings)


def _key(findings: Findings, cell: Cell, evaluator: EvaluatorSpec, embeddings: Sequence[Embedding]) -> str:
    """Return the key of a cell's record; code stands in it where it counts, so that our own keys stay as they are."""
    task = cell.task
    return digest(
        schema=results.SCHEMA,
        embeddings=[embedding.key for embedding in embeddings],
        task=[task.name, task.version, task.target, task.kind, task.group or task.dataset.group],
        intervals=INTERVALS_VERSION,
        metrics=[
            [metric.name, metric.version, metric.higher_is_better, metric.least, metric.most, findings.code(metric)]
            for metric in cell.metrics
        ],
        evaluator=[evaluator.name, evaluator.version, *filter(None, [findings.code(evaluator)])],
        seed=cell.record.seed,
        selection=cell.record.selection,
        # Keys of records that were made before there were parts of the labels stay what they are.
        **({} if cell.labels.whole else {"labels": cell.record.labels}),
        **({} if cell.split.published else {"split": _split_key(findings, cell.split)}),
        **({"coverage": [[e.key for e in job.embeddings] for job in cell.coverage]} if cell.coverage else {}),
        **({"backbone": BACKBONE_VERSION} if cell.trains_model else {}),
    )


def _split_key(findings: Findings, split: SplitChoice) -> list[object]:
    policy = split.policy
    return [policy.name, policy.version, split.parameter, policy.draws, *filter(None, [findings.code(policy)])]


_STATUS: Mapping[State, results.Status] = {"skipped": "skipped", "failed": "failed"}


def _blank(
    request: EvaluationRequest,
    registry: Registry,
    model: ModelSpec,
    preset: Preset,
    weights: Weights,
    task: TaskSpec,
    evaluator: str,
    seed: int,
    *,
    headline: bool,
) -> results.Result:
    """Return the record of a cell with all that is known before its data are looked at."""
    spec = registry.evaluators.get(evaluator)
    return results.Result(
        status="failed",
        model=model.name,
        model_version=model.version,
        model_origin=str(registry.model_origins[model.name]),
        preset=preset.name,
        checkpoint=weights.content or weights.identity,
        published_weights=weights.published,
        parts=_parts(registry, model, preset),
        task=task.name,
        task_version=task.version,
        task_origin=str(registry.task_origins[task.name]),
        category=str(task.category),
        family=task.family,
        kind=str(task.kind),
        synthetic=task.synthetic,
        diagnostic=task.diagnostic,
        dataset=task.dataset.name,
        dataset_version=task.dataset.version,
        probe=evaluator,
        probe_version=0 if spec is None else spec.version,
        probe_origin="" if spec is None else str(registry.evaluator_origins[evaluator]),
        headline=headline,
        metric=task.metric,
        seed=seed,
        limit=request.limit,
        selection=request.selection,
        covered_by=JOINED.join(model.name for model in request.covered_by),
        command=request.command,
    )


def _parts(registry: Registry, model: ModelSpec, preset: Preset) -> dict[str, dict[str, str]]:
    """Return what a composition consists of, by modality, as far as it is known before its parts are trained."""
    if not isinstance(model, ComposedModel) or not isinstance(preset, ComposedPreset):
        return {}
    return {
        str(modality): {
            "model": part.model.name,
            "version": part.model.version,
            "origin": str(registry.model_origins[part.model.name]),
            "preset": own.name,
        }
        for part, own in zip(model.parts, preset.parts, strict=True)
        for modality in part.modalities
    }
