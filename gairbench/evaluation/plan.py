"""What a run will do, decided before torch is imported: which cells, what is cached, what is skipped and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gairbench import results
from gairbench.conversion import CONVERSION_VERSION
from gairbench.digests import digest
from gairbench.embedding import EMBEDDING_VERSION
from gairbench.errors import GairbenchError, InputMismatchError, UsageError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import Cell, Embedding, Plan, PretrainingData, State, jobs_of
from gairbench.evaluation.estimates import Estimates
from gairbench.evaluation.open_data import OpenData
from gairbench.evaluation.records import recorded
from gairbench.evaluation.samples import select
from gairbench.evaluators import PROBES, Probe, probes_for
from gairbench.feeding import Feed, plan_feed
from gairbench.kinds import DENSE
from gairbench.plugins import BUILTIN, Registry
from gairbench.representation import Form
from gairbench.selection import unknown
from gairbench.spec import DatasetSpec, Kind, Modality, ModelSpec, Preset, TaskSpec
from gairbench.weights.loading import choose_preset
from gairbench.weights.origin import Weights, find_weights, pretrained_weights

_Trouble = tuple[State, str]
"""``skipped`` or ``failed``, and why."""


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
        seeds: Seeds of untrained weights, pre-training, probes and bootstrap; everything is run once for each.
        limit: Use at most this many samples per split.
        fresh: Reuse no checkpoint, embedding or record that was made before the run began.
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
    fresh: bool = False
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
        The plan, cheap models first; data that are missing or inputs that do not fit are reasons in its cells, not
        errors.

    Raises:
        UsageError: A task names an unknown probe, or a model's pre-training dataset is not installed.
        CheckpointError: A checkpoint file does not exist, or is of another preset.
    """
    looked = _Looked(request, registry, data or OpenData(request.data_root))
    groups = [
        list(_model_cells(request, registry, looked, model, seed)) for seed in request.seeds for model in request.models
    ]
    estimates = Estimates.from_records(request.results)
    groups.sort(key=lambda cells: estimates.cost(jobs_of(_to_do(cells))))
    planned = tuple(cell for cells in groups for cell in cells)
    jobs = tuple(jobs_of(_to_do(planned)))
    return Plan(cells=planned, jobs=jobs, estimate=str(estimates.of(jobs)))


def _to_do(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.state == "todo"]


def _model_cells(
    request: EvaluationRequest, registry: Registry, looked: _Looked, model: ModelSpec, seed: int
) -> Iterator[Cell]:
    weights, corpus, trouble = _weights(request, registry, looked, model, seed)
    preset = choose_preset(model, request.preset, weights.path if weights.foreign else None)
    for task in sorted(request.tasks, key=lambda t: t.dataset.name):
        for number, probe in enumerate(_probes(task)):
            cell = Cell(
                model=model,
                preset=preset,
                weights=weights,
                corpus=corpus,
                task=task,
                probe=probe,
                state="todo",
                record=_blank(request, registry, model, preset, weights, task, probe, seed, headline=number == 0),
                distributions=(
                    registry.model_origins[model.name].distribution,
                    registry.task_origins[task.name].distribution,
                ),
            )
            yield _planned(request, looked, cell, trouble)


def _probes(task: TaskSpec) -> list[Probe]:
    names = task.probes or probes_for(task.kind)
    for name in names:
        if name not in PROBES:
            raise unknown(f"probe (of task {task.name})", name, PROBES)
    return [PROBES[name] for name in names]


class _Looked:
    """What the plan has found in the data: each dataset is opened once, and each target read once."""

    def __init__(self, request: EvaluationRequest, registry: Registry, data: OpenData) -> None:
        self.data = data
        self._request = request
        self._registry = registry
        self._fingerprints: dict[str, str | _Trouble] = {}
        self._targets: dict[str, str] = {}

    def fingerprint(self, spec: DatasetSpec) -> str | _Trouble:
        """Return the fingerprint, or why there is none."""
        if spec.name not in self._fingerprints:
            self._fingerprints[spec.name] = self._open(spec)
        return self._fingerprints[spec.name]

    def _open(self, spec: DatasetSpec) -> str | _Trouble:
        root = self._request.data_root
        if spec.folder and root is None:
            return "skipped", f"dataset {spec.name!r} needs files in folder {spec.folder!r}; give --data-root"
        try:
            if spec.folder and root is not None and not (root / spec.folder).is_dir():
                return "skipped", f"dataset {spec.name!r} is not at {root / spec.folder}; correct --data-root"
            return self.data.fingerprint(spec)
        except GairbenchError as error:
            return "failed", str(error)
        # A dataset may be a third party's code; its fault is this dataset's, not the run's.
        except Exception as error:
            return "failed", f"dataset {spec.name!r}: {type(error).__name__}: {error}"

    def target_problem(self, task: TaskSpec, fingerprint: str) -> str:
        """Return why a task cannot be learned or scored; empty where it can, or where only pixels can show it."""
        if task.name not in self._targets:
            self._targets[task.name] = self._read_targets(task, fingerprint)
        return self._targets[task.name]

    def _read_targets(self, task: TaskSpec, fingerprint: str) -> str:
        if task.kind in DENSE or task.kind is Kind.RETRIEVAL:
            return ""
        dataset, limit = task.dataset, self._request.limit
        # The suite has read what is embedded in this version, all samples of it; reading them again takes seconds.
        if self._registry.task_origins[task.name].plugin in BUILTIN and not dataset.folder and limit is None:
            return ""
        try:
            splits = {name: self.data.split(dataset, fingerprint, name) for name in ("train", "val", "test")}
            select(task, self.data.source(dataset, fingerprint), splits, limit)
        except GairbenchError as error:
            return str(error)
        except Exception as error:
            return f"dataset {dataset.name!r}: {type(error).__name__}: {error}"
        return ""


def _weights(
    request: EvaluationRequest, registry: Registry, looked: _Looked, model: ModelSpec, seed: int
) -> tuple[Weights, PretrainingData | None, _Trouble | None]:
    """Return where a model's weights come from, what it is trained on, and why it cannot be had."""
    weights = find_weights(model, request.checkpoints.get(model.name), seed=seed)
    if weights.missing:
        return weights, None, ("skipped", f"its weights are not here; {weights.missing}")
    recipe = model.pretraining
    if not weights.to_train or recipe is None:
        return replace(weights, path=weights.path and weights.path.absolute()), None, None
    if recipe.dataset not in registry.datasets:
        raise UsageError(f"{model.name} is pre-trained on dataset {recipe.dataset!r}, which no plugin provides", "")
    corpus = registry.datasets[recipe.dataset]
    fingerprint = looked.fingerprint(corpus)
    if isinstance(fingerprint, tuple):
        state, reason = fingerprint
        return weights, None, (state, f"pre-training: {reason}")
    weights = pretrained_weights(
        model,
        model.preset(request.preset),
        corpus,
        fingerprint,
        seed=seed,
        limit=request.limit,
        cache=request.cache.absolute(),
        fresh=request.fresh,
    )
    return weights, PretrainingData(dataset=corpus, fingerprint=fingerprint), None


def _planned(request: EvaluationRequest, looked: _Looked, cell: Cell, trouble: _Trouble | None) -> Cell:
    """Return a cell with its state, its key and what it needs."""

    def stopped(state: State, reason: str) -> Cell:
        return replace(cell, state=state, record=replace(cell.record, reason=reason, status=_STATUS[state]))

    task = cell.task
    fingerprint = looked.fingerprint(task.dataset)
    if isinstance(fingerprint, tuple):
        return stopped(*fingerprint)
    cell = replace(cell, record=replace(cell.record, dataset_fingerprint=fingerprint))
    try:
        feeds = _feeds(cell.model, cell.preset, task, cell.probe)
    except InputMismatchError as error:
        return stopped("skipped", str(error))
    if trouble is not None:
        return stopped(*trouble)
    wanted_splits = ("test",) if task.kind is Kind.RETRIEVAL else ("train", "val", "test")
    for split in wanted_splits:
        if split not in task.dataset.splits:
            return stopped("failed", f"dataset {task.dataset.name!r} declares no split {split!r}")
    embeddings = tuple(_embedding(request, cell, split, feed) for split in wanted_splits for feed in feeds)
    key = digest(
        schema=results.SCHEMA,
        embeddings=[embedding.key for embedding in embeddings],
        task=[task.name, task.version, task.target, task.kind],
        metrics=[task.metric, *task.extra_metrics],
        probe=[cell.probe.name, cell.probe.version],
        seed=cell.record.seed,
    )
    caveats = dict.fromkeys(filter(None, (feed.gsd_problem() for feed in feeds)))
    cell = replace(cell, record=replace(cell.record, key=key, caveats=tuple(caveats)), embeddings=embeddings)
    if not request.fresh and recorded(cell.record, request.results) is not None:
        return replace(cell, state="cached")
    if problem := looked.target_problem(task, fingerprint):
        return stopped("failed", problem)
    return cell


_STATUS: Mapping[State, results.Status] = {"skipped": "skipped", "failed": "failed"}


def _embedding(request: EvaluationRequest, cell: Cell, split: str, feed: Feed) -> Embedding:
    dataset = cell.task.dataset
    key = digest(
        model=[cell.model.name, cell.model.version, cell.preset.name],
        weights=cell.weights.identity,
        feed=feed,
        dataset=[dataset.name, dataset.version, cell.fingerprint, split],
        limit=request.limit,
        versions=[CONVERSION_VERSION, EMBEDDING_VERSION],
    )
    cached = not request.fresh and EmbeddingCache(request.cache).has(key)
    return Embedding(feed=feed, split=split, key=key, cached=cached)


def _feeds(model: ModelSpec, preset: Preset, task: TaskSpec, probe: Probe) -> list[Feed]:
    """Return what the probe needs of the model: a vector for each input, or a token grid for a dense probe.

    Raises:
        InputMismatchError: The model does not offer it, or the dataset cannot serve it.
    """
    if task.kind is Kind.RETRIEVAL:
        asked = {i.modality for entry in task.inputs for i in task.dataset.inputs_of(entry)}
        if not asked <= model.aligned:
            pair = " and ".join(task.inputs)
            raise InputMismatchError(f"{model.name} does not align {pair} in one space", "")
        return [_at_point(model, preset, task, entry, projected=True) for entry in task.inputs]
    if probe.dense:
        return [plan_feed(model.name, preset, task.dataset, entry, form="tokens") for entry in task.inputs]
    feeds = [_at_point(model, preset, task, entry) for entry in task.inputs]
    if task.kind is Kind.GEOLOCALIZATION and any(feed.given & {"lonlat", "bbox"} for feed in feeds):
        raise InputMismatchError(f"{model.name} is given the sample's place, which the task asks for", "")
    return feeds


def _at_point(model: ModelSpec, preset: Preset, task: TaskSpec, entry: str, *, projected: bool = False) -> Feed:
    """Return the feed of a lookup at the sample's point where that is wanted and offered, else of the whole input."""
    overhead = any(i.modality is Modality.RS for i in task.dataset.inputs_of(entry))
    offers = any(offer.form == "query" for offer in preset.offered())
    form: Form = "query" if task.localized and overhead and offers else "pooled"
    return plan_feed(model.name, preset, task.dataset, entry, form=form, projected=projected)


def _blank(
    request: EvaluationRequest,
    registry: Registry,
    model: ModelSpec,
    preset: Preset,
    weights: Weights,
    task: TaskSpec,
    probe: Probe,
    seed: int,
    *,
    headline: bool,
) -> results.Result:
    """Return the record of a cell with all that is known before its data are looked at."""
    return results.Result(
        status="failed",
        model=model.name,
        model_version=model.version,
        model_origin=str(registry.model_origins[model.name]),
        preset=preset.name,
        checkpoint=weights.identity,
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
        probe=probe.name,
        probe_version=probe.version,
        headline=headline,
        metric=task.metric,
        seed=seed,
        limit=request.limit,
        command=request.command,
    )
