"""What a run will do, decided before torch is imported: which cells, what is cached, what is skipped and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gairbench import results
from gairbench.conversion import CONVERSION_VERSION, Converter, make_converter
from gairbench.data import DataSource
from gairbench.digests import digest
from gairbench.embedding import EMBEDDING_VERSION
from gairbench.errors import CheckpointError, GairbenchError, InputMismatchError, StorageError, UsageError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluators import PROBES, Probe, probes_for
from gairbench.plugins import Registry
from gairbench.selection import unknown
from gairbench.spec import (
    VIEW_MODALITY,
    DataContext,
    DatasetSpec,
    Input,
    Kind,
    LocationInput,
    Modality,
    ModelSpec,
    Preset,
    TaskSpec,
    View,
    resolve,
)
from gairbench.weights.loading import choose_preset
from gairbench.weights.origin import Weights, find_weights, pretrained_weights

BASE_VIEW = {Modality.RS: View.RS, Modality.SV: View.SV, Modality.LOCATION: View.LOCATION}
ALIGNED_VIEW = {Modality.RS: View.RS_QUERY, Modality.SV: View.SV_PROJECTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a user asks for, complete.

    Args:
        models: Models to evaluate.
        tasks: Tasks to evaluate them on.
        results: Folder of the records.
        cache: Folder of checkpoints and embeddings.
        preset: Preset for every model that has one of that name; ``None``: the models' defaults.
        checkpoints: Checkpoint files or folders by model name.
        data_root: Folder of datasets that are not embedded.
        device: As torch names it, or ``"auto"``.
        seed: Seed of untrained weights, pre-training, probes and bootstrap.
        limit: Use at most this many samples per split.
        fresh: Reuse no checkpoint, embedding or record of an earlier run.
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
    seed: int = 0
    limit: int | None = None
    fresh: bool = False
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """One view of one split by one model.

    Args:
        view: The method to call.
        split: Name of the split.
        key: Everything that can change its values.
        converters: The sealed conversions, by modality.
        cached: It is on disk.
    """

    view: View
    split: str
    key: str
    converters: Mapping[Modality, Converter]
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model on one task with one probe.

    Args:
        model: The model.
        preset: Its preset.
        weights: Where its weights come from.
        task: The task.
        probe: The probe.
        headline: The leaderboard ranks by this probe.
        state: ``cached``: a record with the same key exists; ``todo``; ``skipped`` or ``failed``, with the reason.
        reason: Why it cannot run.
        fingerprint: Hash of the task's data; empty where they cannot be read.
        key: Everything that can change its value.
        embeddings: What the probe is fed.
    """

    model: ModelSpec
    preset: Preset
    weights: Weights
    task: TaskSpec
    probe: Probe
    headline: bool
    state: Literal["cached", "todo", "skipped", "failed"]
    reason: str = ""
    fingerprint: str = ""
    key: str = ""
    embeddings: tuple[Embedding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cells of a run, grouped by model and dataset, and the data they read.

    Args:
        cells: In the order they will run.
        sources: Data by dataset name, for those that could be opened.
    """

    cells: Sequence[Cell]
    sources: Mapping[str, DataSource]

    def pretrainings(self) -> list[Cell]:
        """Return one cell for every model that must be pre-trained first."""
        needy = {c.weights.identity: c for c in reversed(self.cells) if c.state == "todo" and needs_model(c)}
        return [c for c in reversed(needy.values()) if not c.weights.ready]


def needs_model(cell: Cell) -> bool:
    """Whether a cell's model must be loaded because an embedding is not on disk."""
    return any(not embedding.cached for embedding in cell.embeddings)


def make_plan(request: RunRequest, registry: Registry) -> Plan:
    """Decide what a run will do.

    Args:
        request: What is asked for.
        registry: What is installed.

    Returns:
        The plan; data that are missing or inputs that do not fit are reasons in its cells, not errors.

    Raises:
        UsageError: The preset or a checkpoint's model is not among the models asked for.
        CheckpointError: A checkpoint file does not exist.
    """
    _check_names(request)
    data = _Data(request, registry)
    cells = [
        _plan_cell(request, data, model, preset, weights, task, probe, number == 0)
        for model in request.models
        for weights in [_weights(request, data, model)]
        for preset in [choose_preset(model, request.preset, weights.path if weights.foreign else None)]
        for task in sorted(request.tasks, key=lambda t: t.dataset.name)
        for number, probe in enumerate(_probes(task))
    ]
    if not request.fresh:
        cells = [
            replace(c, state="cached") if c.state == "todo" and _recorded(c, request, registry) else c for c in cells
        ]
    return Plan(cells=cells, sources=data.sources)


def _check_names(request: RunRequest) -> None:
    if request.preset is not None:
        presets = {preset.name for model in request.models for preset in model.presets}
        if request.preset not in presets:
            raise unknown("preset", request.preset, presets)
    for name, path in request.checkpoints.items():
        if name not in {model.name for model in request.models}:
            raise UsageError(f"--checkpoint names {name!r}, which is not run", "add it to --model or correct the name")
        if not path.exists():
            raise CheckpointError(f"no checkpoint {path}", f"correct the path of --checkpoint {name}=PATH")


def _probes(task: TaskSpec) -> list[Probe]:
    names = task.probes or probes_for(task.kind)
    for name in names:
        if name not in PROBES:
            raise unknown(f"probe (of task {task.name})", name, PROBES)
    return [PROBES[name] for name in names]


class _Data:
    """Open each dataset once and remember what went wrong with it."""

    def __init__(self, request: RunRequest, registry: Registry) -> None:
        self.root = request.data_root
        self.specs = registry.datasets
        self.sources: dict[str, DataSource] = {}
        self._fingerprints: dict[str, str | tuple[Literal["skipped", "failed"], str]] = {}

    def fingerprint(self, spec: DatasetSpec) -> str | tuple[Literal["skipped", "failed"], str]:
        """Return the fingerprint, or why there is none."""
        if spec.name not in self._fingerprints:
            self._fingerprints[spec.name] = self._open(spec)
        return self._fingerprints[spec.name]

    def _open(self, spec: DatasetSpec) -> str | tuple[Literal["skipped", "failed"], str]:
        if spec.folder and self.root is None:
            return "skipped", f"dataset {spec.name!r} needs files in folder {spec.folder!r}; give --data-root"
        if spec.folder and self.root is not None and not (self.root / spec.folder).is_dir():
            return "skipped", f"dataset {spec.name!r} is not at {self.root / spec.folder}; correct --data-root"
        try:
            source: DataSource = resolve(spec.factory)(DataContext(root=self.root))
            self.sources[spec.name] = source
            return source.fingerprint()
        except GairbenchError as error:
            return "failed", str(error)
        # A dataset may be a stranger's code; its fault is this dataset's, not the run's.
        except Exception as error:
            return "failed", f"dataset {spec.name!r}: {type(error).__name__}: {error}"


def _weights(request: RunRequest, data: _Data, model: ModelSpec) -> Weights:
    weights = find_weights(model, request.checkpoints.get(model.name), seed=request.seed)
    recipe = model.pretraining
    if not weights.to_train or recipe is None:
        return weights
    if recipe.dataset not in data.specs:
        raise UsageError(f"{model.name} is pre-trained on dataset {recipe.dataset!r}, which no plugin provides", "")
    corpus = data.specs[recipe.dataset]
    return pretrained_weights(
        model,
        model.preset(request.preset),
        corpus,
        str(data.fingerprint(corpus)),
        seed=request.seed,
        limit=request.limit,
        cache=request.cache,
        fresh=request.fresh,
    )


def _plan_cell(
    request: RunRequest,
    data: _Data,
    model: ModelSpec,
    preset: Preset,
    weights: Weights,
    task: TaskSpec,
    probe: Probe,
    headline: bool,
) -> Cell:
    def cell(state: Literal["cached", "todo", "skipped", "failed"], **more: str | tuple[Embedding, ...]) -> Cell:
        return Cell(
            model=model,
            preset=preset,
            weights=weights,
            task=task,
            probe=probe,
            headline=headline,
            state=state,
            **more,  # type: ignore[arg-type]
        )

    fingerprint = data.fingerprint(task.dataset)
    if isinstance(fingerprint, tuple):
        return cell(fingerprint[0], reason=fingerprint[1])
    try:
        views = _views(model, preset, task, probe)
        conversions = {view: _converters(view, preset, task.dataset) for view in views}
    except InputMismatchError as error:
        return cell("skipped", reason=str(error), fingerprint=fingerprint)
    if weights.missing:
        return cell("skipped", reason=f"its weights are not here; {weights.missing}", fingerprint=fingerprint)
    cache = EmbeddingCache(request.cache)
    embeddings = []
    for split in ["test"] if task.kind is Kind.RETRIEVAL else ["train", "val", "test"]:
        if split not in task.dataset.splits:
            reason = f"dataset {task.dataset.name!r} declares no split {split!r}"
            return cell("failed", reason=reason, fingerprint=fingerprint)
        for view in views:
            key = digest(
                model=[model.name, model.version, preset.name],
                weights=weights.identity,
                view=view,
                converters=[[str(modality), c] for modality, c in sorted(conversions[view].items())],
                dataset=[task.dataset.name, task.dataset.version, fingerprint, split],
                limit=request.limit,
                versions=[CONVERSION_VERSION, EMBEDDING_VERSION],
            )
            embeddings.append(
                Embedding(
                    view=view,
                    split=split,
                    key=key,
                    converters=conversions[view],
                    cached=key in cache and not request.fresh,
                )
            )
    key = digest(
        schema=results.SCHEMA,
        embeddings=[embedding.key for embedding in embeddings],
        task=[task.name, task.version, task.target, task.kind],
        metrics=[task.metric, *task.extra_metrics],
        probe=[probe.name, probe.version],
        seed=request.seed,
    )
    return cell("todo", fingerprint=fingerprint, key=key, embeddings=tuple(embeddings))


def _views(model: ModelSpec, preset: Preset, task: TaskSpec, probe: Probe) -> list[View]:
    """Return the views that the probe is fed: one per input, or the token grid for a dense probe.

    Raises:
        InputMismatchError: The model has no such view.
    """
    taken = {wanted.modality for wanted in preset.inputs}
    for modality in task.inputs:
        if modality not in taken:
            raise InputMismatchError(f"{model.name} has no {modality} encoder", "")
    if task.kind is Kind.RETRIEVAL:
        if not set(task.inputs) <= model.aligned:
            pair = " and ".join(task.inputs)
            raise InputMismatchError(f"{model.name} does not align {pair} in one space", "")
        located = Modality.LOCATION in task.dataset.modalities
        views = []
        for modality in task.inputs:
            view = ALIGNED_VIEW.get(modality, BASE_VIEW[modality])
            usable = view in model.views and (located or view is not View.RS_QUERY)
            views.append(view if usable else BASE_VIEW[modality])
        return views
    if probe.dense:
        if View.RS_TOKENS not in model.views:
            raise InputMismatchError(f"{model.name} has no token grid", "")
        return [View.RS_TOKENS]
    if task.localized and View.RS_QUERY in model.views:
        return [View.RS_QUERY if modality is Modality.RS else BASE_VIEW[modality] for modality in task.inputs]
    return [BASE_VIEW[modality] for modality in task.inputs]


def _converters(view: View, preset: Preset, dataset: DatasetSpec) -> dict[Modality, Converter]:
    delivered: dict[Modality, Input] = {i.modality: i for i in dataset.delivers}
    wanted: dict[Modality, Input] = {i.modality: i for i in preset.inputs}
    modality = VIEW_MODALITY[view]
    if modality not in delivered:
        raise InputMismatchError(f"dataset {dataset.name!r} delivers no {modality} input", "")
    converters = {modality: make_converter(delivered[modality], wanted[modality])}
    if view is View.RS_QUERY:
        # A query is always longitude first, whatever order the model's location encoder takes.
        converters[Modality.LOCATION] = make_converter(delivered[Modality.LOCATION], LocationInput())
    return converters


def blank_result(cell: Cell, request: RunRequest, registry: Registry) -> results.Result:
    """Return the record of a cell with all that is known before it runs."""
    task, model = cell.task, cell.model
    return results.Result(
        status="skipped" if cell.state == "skipped" else "failed",
        reason=cell.reason,
        key=cell.key,
        model=model.name,
        model_version=model.version,
        model_origin=str(registry.model_origins[model.name]),
        preset=cell.preset.name,
        checkpoint=cell.weights.identity,
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
        dataset_fingerprint=cell.fingerprint,
        probe=cell.probe.name,
        probe_version=cell.probe.version,
        headline=cell.headline,
        metric=task.metric,
        seed=request.seed,
        limit=request.limit,
        command=request.command,
    )


def _recorded(cell: Cell, request: RunRequest, registry: Registry) -> bool:
    """Whether a finished record of the same key exists, with its predictions."""
    path = blank_result(cell, request, registry).path(request.results)
    if not path.is_file():
        return False
    try:
        record = results.read_result(path)
    except StorageError:
        # A broken record is no record: the cell runs again and writes a whole one.
        return False
    return record.status == "ok" and record.key == cell.key and (path.parent / record.predictions).is_file()
