"""What a run will do, decided before torch is imported: which cells, what is cached, what is skipped and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from gairbench import results
from gairbench.backbone import BACKBONE_VERSION
from gairbench.conversion import CONVERSION_VERSION
from gairbench.dataset_download import is_here, terms_of
from gairbench.digests import digest
from gairbench.embedding import EMBEDDING_VERSION
from gairbench.errors import DataMissingError, GairbenchError, InputMismatchError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import Cell, Embedding, Plan, PretrainingData, State, jobs_of
from gairbench.evaluation.estimates import Estimates
from gairbench.evaluation.open_data import OpenData, dataset_name
from gairbench.evaluation.samples import select
from gairbench.evaluation.staleness import reuse
from gairbench.feeding import Feed, plan_feed
from gairbench.isolation import Isolated
from gairbench.kinds import DENSE, HEADLINE
from gairbench.label_budget import LabelBudget
from gairbench.plugin_code import code_digest, is_third_party
from gairbench.plugins import BUILTIN, Origin, Registry
from gairbench.representation import Form
from gairbench.selection import unknown
from gairbench.spec import DatasetSpec, EvaluatorSpec, Kind, MetricSpec, Modality, ModelSpec, Preset, TaskSpec
from gairbench.weights.loading import choose_preset
from gairbench.weights.origin import Weights, find_weights, model_code, pretrained_weights

_Trouble = tuple[State, str]
"""``skipped`` or ``failed``, and why."""

TRAINED = "the model was trained on the task, not frozen"
"""Why a number of an evaluator that trains the model does not stand beside those of frozen ones unmarked."""


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
        seeds: Seeds of untrained weights, pre-training, evaluators and bootstrap; everything is run once for each.
        limit: Use at most this many samples per split.
        labels: Parts of train's labels; everything is evaluated with each.
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
    labels: tuple[LabelBudget, ...] = (LabelBudget(),)
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
        The plan, cheap models first; data that are missing, inputs that do not fit, and evaluators and metrics that do
        not exist are reasons in its cells, not errors.

    Raises:
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
    return [cell for cell in cells if cell.state == "todo" or cell.unsure]


def _model_cells(
    request: EvaluationRequest, registry: Registry, looked: _Looked, model: ModelSpec, seed: int
) -> Iterator[Cell]:
    trouble: _Trouble | None = None
    given = request.checkpoints.get(model.name)
    try:
        preset = choose_preset(model, request.preset, given)
    except GairbenchError:
        raise
    # A model may be a third party's code; its fault is this model's, not the run's.
    except Exception as error:
        preset = model.preset(request.preset)
        trouble = ("failed", f"model {model.name!r} cannot read its checkpoint: {type(error).__name__}: {error}")
    weights, code, corpus, problem_of_weights = _weights(request, registry, looked, model, preset, seed)
    trouble = trouble or problem_of_weights
    cells = []
    for task in sorted(request.tasks, key=lambda t: t.dataset.name):
        metrics, problem = _metrics(registry, task)
        names = task.evaluators or default_evaluators(registry, task.kind)
        for labels, (number, name) in product(request.labels, enumerate(names)):
            evaluator = registry.evaluators.get(name)
            blank = _blank(request, registry, model, preset, weights, task, name, seed, headline=number == 0)
            cell = Cell(
                model=model,
                preset=preset,
                weights=weights,
                corpus=corpus,
                task=task,
                evaluator=evaluator,
                metrics=metrics,
                labels=labels,
                state="todo",
                record=replace(blank, labels=str(labels)),
                distributions=_distributions(registry, model, task, evaluator, metrics),
                code=code,
                third_party=is_third_party(model.factory),
            )
            misnamed = problem or _evaluator_problem(registry, task, name)
            cells.append(_stopped(cell, "failed", misnamed) if misnamed else _planned(request, looked, cell, trouble))
    if not request.fresh:
        cells = reuse(cells, weights.content, request.results, EmbeddingCache(request.cache))
    for cell in cells:
        problem = looked.target_problem(cell.task, cell.fingerprint) if cell.state == "todo" else ""
        yield _stopped(cell, "failed", problem) if problem else cell


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
    if task.kind is Kind.RETRIEVAL and registry.evaluators[name].needs == "backbone":
        return f"evaluator {name!r} trains the model, and {task.kind} has nothing to train it on"
    return ""


def _distributions(
    registry: Registry, model: ModelSpec, task: TaskSpec, evaluator: EvaluatorSpec | None, metrics: Sequence[MetricSpec]
) -> tuple[str, ...]:
    origins = [registry.model_origins[model.name], registry.task_origins[task.name]]
    origins += [registry.evaluator_origins[evaluator.name]] if evaluator else []
    origins += [registry.metric_origins[metric.name] for metric in metrics]
    return tuple(dict.fromkeys(origin.distribution for origin in origins))


class _Looked:
    """What the plan has found in the data: each dataset is opened once, and each target read once."""

    def __init__(self, request: EvaluationRequest, registry: Registry, data: OpenData) -> None:
        self.data = data
        self._request = request
        self._registry = registry
        self._fingerprints: dict[str, str | _Trouble] = {}
        self._targets: dict[str, str] = {}
        self._codes: dict[tuple[type, str], str] = {}
        self._origins: Mapping[type, Mapping[str, Origin]] = {
            DatasetSpec: registry.dataset_origins,
            EvaluatorSpec: registry.evaluator_origins,
            MetricSpec: registry.metric_origins,
        }

    def code(self, spec: DatasetSpec | EvaluatorSpec | MetricSpec) -> str:
        """Return a digest of the code of a dataset, an evaluator or a metric; empty for our own.

        Raises:
            OSError: A file of it cannot be read.
        """
        which = type(spec), spec.name
        if which not in self._codes:
            distribution = self._origins[type(spec)][spec.name].distribution
            self._codes[which] = code_digest(spec.factory, distribution, self._request.cache.absolute())
        return self._codes[which]

    def fingerprint(self, spec: DatasetSpec) -> str | _Trouble:
        """Return the fingerprint, or why there is none."""
        if spec.name not in self._fingerprints:
            self._fingerprints[spec.name] = self._open(spec)
        return self._fingerprints[spec.name]

    def _open(self, spec: DatasetSpec) -> str | _Trouble:
        root = self._request.data_root
        get = f", or get it ({terms_of(spec)}): gairbench data get {spec.name} --data-root " if spec.download else ""
        if spec.folder and root is None:
            get = get and f"{get}FOLDER"
            return "skipped", f"dataset {spec.name!r} needs files in folder {spec.folder!r}; give --data-root{get}"
        try:
            if root is not None and not is_here(spec, root):
                how = f"correct --data-root{get}{root}" if get else _how_to_get(spec, root)
                return "skipped", f"dataset {spec.name!r} is not at {root / spec.folder}; {how}"
            return self.data.fingerprint(spec)
        except DataMissingError as error:
            return "skipped", str(error)
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
            source = self.data.source(dataset, fingerprint)
            with Isolated(dataset_name(dataset)):
                select(task, source, splits, limit)
        except GairbenchError as error:
            return str(error)
        except Exception as error:
            return f"dataset {dataset.name!r}: {type(error).__name__}: {error}"
        return ""


def _how_to_get(spec: DatasetSpec, root: Path) -> str:
    """Return what to do about a missing folder; a factory may know, by its optional method ``how_to_get(folder)``."""
    ask = None if isinstance(spec.factory, str) else getattr(spec.factory, "how_to_get", None)
    return f"correct --data-root, or get it: {ask(root / spec.folder)}" if ask else "correct --data-root"


def _weights(
    request: EvaluationRequest, registry: Registry, looked: _Looked, model: ModelSpec, preset: Preset, seed: int
) -> tuple[Weights, str, PretrainingData | None, _Trouble | None]:
    """Return where a model's weights come from, its code, what it is trained on, and why it cannot be had."""
    given = request.checkpoints.get(model.name)
    distribution, cache = registry.model_origins[model.name].distribution, request.cache.absolute()
    code = ""
    try:
        code = model_code(model, preset, distribution, cache)
        weights = find_weights(model, preset, given, seed=seed, code=code, cache=cache)
    except GairbenchError as error:
        if given is not None:
            raise
        return _NO_WEIGHTS, code, None, ("failed", str(error))
    # A model may be a third party's code; its fault is this model's, not the run's.
    except Exception as error:
        return _NO_WEIGHTS, code, None, ("failed", f"model {model.name!r}: {type(error).__name__}: {error}")
    if weights.missing:
        return weights, code, None, ("skipped", f"its weights are not here; {weights.missing}")
    recipe = preset.recipe
    if not weights.to_train or recipe is None:
        return replace(weights, path=weights.path and weights.path.absolute()), code, None, None
    if recipe.dataset not in registry.datasets:
        return (
            weights,
            code,
            None,
            ("failed", f"it is pre-trained on dataset {recipe.dataset!r}, which no plugin provides"),
        )
    corpus = registry.datasets[recipe.dataset]
    fingerprint = looked.fingerprint(corpus)
    if isinstance(fingerprint, tuple):
        state, reason = fingerprint
        return weights, code, None, (state, f"pre-training: {reason}")
    weights = pretrained_weights(
        model,
        preset,
        corpus,
        fingerprint,
        distributions=(distribution, registry.dataset_origins[corpus.name].distribution),
        seed=seed,
        limit=request.limit,
        cache=cache,
        fresh=request.fresh,
    )
    return weights, code, PretrainingData(dataset=corpus, fingerprint=fingerprint), None


_NO_WEIGHTS = Weights(identity="missing:", path=None, ready=False)


def _stopped(cell: Cell, state: State, reason: str) -> Cell:
    """Return a cell that does not run, with the reason."""
    return replace(cell, state=state, record=replace(cell.record, reason=reason, status=_STATUS[state]))


def _planned(request: EvaluationRequest, looked: _Looked, cell: Cell, trouble: _Trouble | None) -> Cell:
    """Return a cell with its key and what it needs, or why it does not run."""
    task, evaluator = cell.task, cell.evaluator
    assert evaluator is not None  # noqa: S101  (a cell without one has failed)
    fingerprint = looked.fingerprint(task.dataset)
    if isinstance(fingerprint, tuple):
        return _stopped(cell, *fingerprint)
    cell = replace(cell, record=replace(cell.record, dataset_fingerprint=fingerprint))
    try:
        feeds = _feeds(cell.model, cell.preset, task, evaluator)
    except InputMismatchError as error:
        return _stopped(cell, "skipped", str(error))
    if trouble is not None:
        return _stopped(cell, *trouble)
    if problem := cell.labels.problem(task.kind):
        return _stopped(cell, "skipped", problem)
    wanted_splits = ("test",) if task.kind is Kind.RETRIEVAL else ("train", "val", "test")
    for split in wanted_splits:
        if split not in task.dataset.splits:
            return _stopped(cell, "failed", f"dataset {task.dataset.name!r} declares no split {split!r}")
    try:
        embeddings = tuple(_embedding(request, looked, cell, split, feed) for split in wanted_splits for feed in feeds)
        key = _key(looked, cell, evaluator, embeddings)
    except OSError as error:
        return _stopped(cell, "failed", f"the code of a plugin cannot be read: {error}")
    caveats = dict.fromkeys(filter(None, (feed.gsd_problem() for feed in feeds)))
    caveats |= {TRAINED: None} if cell.trains_model else {}
    return replace(cell, record=replace(cell.record, key=key, caveats=tuple(caveats)), embeddings=embeddings)


def _key(looked: _Looked, cell: Cell, evaluator: EvaluatorSpec, embeddings: Sequence[Embedding]) -> str:
    """Return the key of a cell's record; code stands in it where it counts, so that our own keys stay as they are."""
    task = cell.task
    return digest(
        schema=results.SCHEMA,
        embeddings=[embedding.key for embedding in embeddings],
        task=[task.name, task.version, task.target, task.kind, task.group],
        metrics=[
            [metric.name, metric.version, metric.higher_is_better, *filter(None, [looked.code(metric)])]
            for metric in cell.metrics
        ],
        evaluator=[evaluator.name, evaluator.version, *filter(None, [looked.code(evaluator)])],
        seed=cell.record.seed,
        # Keys of records that were made before there were parts of the labels stay what they are.
        **({} if cell.labels.whole else {"labels": cell.record.labels}),
        **({"backbone": BACKBONE_VERSION} if cell.trains_model else {}),
    )


_STATUS: Mapping[State, results.Status] = {"skipped": "skipped", "failed": "failed"}


def _embedding(request: EvaluationRequest, looked: _Looked, cell: Cell, split: str, feed: Feed) -> Embedding:
    dataset = cell.task.dataset
    key = digest(
        model=[cell.model.name, cell.model.version, cell.preset.name],
        code=[cell.code, looked.code(dataset)],
        weights=cell.weights.identity,
        feed=feed,
        dataset=[dataset.name, dataset.version, cell.fingerprint, split],
        limit=request.limit,
        versions=[CONVERSION_VERSION, EMBEDDING_VERSION],
    )
    return Embedding(feed=feed, split=split, key=key, cached=False)


def _feeds(model: ModelSpec, preset: Preset, task: TaskSpec, evaluator: EvaluatorSpec) -> list[Feed]:
    """Return what the evaluator needs of the model: a vector for each input, or a token grid if it needs tokens.

    Of a model that it trains, tasks of pixels need the token grid.

    Raises:
        InputMismatchError: The model does not offer it, or the dataset cannot serve it.
    """
    if evaluator.needs == "tokens" or (evaluator.needs == "backbone" and task.kind in DENSE):
        overhead = all(i.modality is Modality.RS for entry in task.inputs for i in task.dataset.inputs_of(entry))
        if not overhead:
            raise InputMismatchError(f"evaluator {evaluator.name!r} needs token grids, which only rs images have", "")
        return [plan_feed(model.name, preset, task.dataset, entry, form="tokens") for entry in task.inputs]
    asked = [i.modality for entry in task.inputs for i in task.dataset.inputs_of(entry)]
    for modality in asked:
        if modality not in preset.modalities:
            raise InputMismatchError(f"{model.name} has no {modality} encoder", "")
    if task.kind is Kind.RETRIEVAL:
        if not set(asked) <= model.aligned:
            pair = " and ".join(task.inputs)
            raise InputMismatchError(f"{model.name} does not align {pair} in one space", "")
        return [_at_point(model, preset, task, entry, projected=True) for entry in task.inputs]
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
        command=request.command,
    )
