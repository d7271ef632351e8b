"""Carry a plan out: pre-train, embed, probe, record; one cell's failure is that cell's alone."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench import results
from gairbench.data import DataSource, Split
from gairbench.embedding import embed
from gairbench.environment import choose_device, versions
from gairbench.errors import GairbenchError, PluginError, StorageError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.plan import Cell, Embedding, Plan, RunRequest, blank_result, needs_model
from gairbench.evaluation.samples import Selection, select
from gairbench.evaluators import ProbeInput, ProbeOutput
from gairbench.limit import limited
from gairbench.metrics import METRICS
from gairbench.plugins import Registry
from gairbench.predictions import save_predictions
from gairbench.progress import Progress
from gairbench.protocols import PretrainContext
from gairbench.results import MetricValue, Result
from gairbench.spec import DataContext, Kind, ModelContext, resolve
from gairbench.storage import write_atomically
from gairbench.weights.loading import build, missing_module

if TYPE_CHECKING:
    import torch

Array = NDArray[Any]

_Embedded = list[tuple[Embedding, Array, dict[str, Any]]]


def run_plan(plan: Plan, request: RunRequest, registry: Registry, progress: Progress) -> list[Result]:
    """Carry a plan out.

    Args:
        plan: From :func:`gairbench.evaluation.plan.make_plan`.
        request: What the plan was made from.
        registry: What is installed.
        progress: Where to show it.

    Returns:
        One record per cell, cached ones included, in the plan's order; all of them are on disk.

    Raises:
        StorageError: A record cannot be written; the ones before it are safe.
        UsageError: There is no such device.
    """
    _check_writable(request.results)
    run = _Run(plan, request, registry, progress)
    if any(cell.state == "todo" and needs_model(cell) for cell in plan.cells):
        # A device that is not there is a mistake in the call, not in a cell.
        run.device()
    outcomes = []
    for number, cell in enumerate(plan.cells, 1):
        if cell.state == "cached":
            outcomes.append(results.read_result(blank_result(cell, request, registry).path(request.results)))
            continue
        result = run.cell(cell)
        outcomes.append(result)
        progress.say(f"[{number}/{len(plan.cells)}] {_summary(result)}")
    return outcomes


def _summary(result: Result) -> str:
    head = f"{result.model} x {result.task} ({result.probe}): "
    value = result.headline_value
    if value is None:
        return head + f"{result.status}: {result.reason}"
    return head + f"{result.metric} {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _check_writable(folder: Path) -> None:
    """Find out now, not after an hour of work, that nothing can be recorded."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            f"cannot write to the results folder {folder}: {error.strerror}", "choose another with --results"
        ) from error


@dataclass(slots=True)
class _Loaded:
    """A model in memory."""

    model: object
    weights: str
    identity: str


class _Run:
    """The state that cells share: the model in memory, and the embeddings of the dataset at hand."""

    def __init__(self, plan: Plan, request: RunRequest, registry: Registry, progress: Progress) -> None:
        self.plan = plan
        self.request = request
        self.registry = registry
        self.progress = progress
        self.cache = EmbeddingCache(request.cache)
        self._device: torch.device | None = None
        self._loaded: _Loaded | None = None
        self._broken: dict[str, str] = {}
        self._pretrained: dict[str, float] = {}
        self._arrays: dict[str, tuple[Array, dict[str, Any]]] = {}
        self._dataset = ""
        self._splits: dict[str, Split] = {}

    def device(self) -> torch.device:
        """Return the device, chosen when it is first needed."""
        if self._device is None:
            self._device = choose_device(self.request.device)
        return self._device

    def cell(self, cell: Cell) -> Result:
        """Run one cell and write its record, whatever comes of it."""
        blank = replace(
            blank_result(cell, self.request, self.registry),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            environment=versions(
                self.registry.model_origins[cell.model.name].distribution,
                self.registry.task_origins[cell.task.name].distribution,
            ),
        )
        if cell.state != "todo":
            results.write_result(blank, self.request.results)
            return blank
        try:
            result = self._evaluate(cell, blank)
        except StorageError:
            raise
        except GairbenchError as error:
            result = replace(blank, status="failed", reason=str(error))
        # Models, datasets and probes may be a stranger's: their fault is this cell's, and is kept for its author.
        except Exception as error:
            log = blank.path(self.request.results).with_suffix(".traceback.txt")
            write_atomically(log, traceback.format_exc().encode())
            result = replace(blank, status="failed", reason=f"{type(error).__name__}: {error} (see {log.name})")
        results.write_result(result, self.request.results)
        return result

    def _evaluate(self, cell: Cell, blank: Result) -> Result:
        if cell.task.dataset.name != self._dataset:
            self._dataset = cell.task.dataset.name
            self._arrays.clear()
            self._splits.clear()
        embedded = [(e, *self._embedding(cell, e)) for e in cell.embeddings]
        start = time.perf_counter()
        if cell.task.kind is Kind.RETRIEVAL:
            output, target, ids, n, dropped = self._retrieve(cell, embedded)
        else:
            output, target, ids, n, dropped = self._probe(cell, embedded)
        metrics = {
            name: _measure(name, target, output.prediction, self.request.seed)
            for name in (cell.task.metric, *cell.task.extra_metrics)
        }
        seconds = {"probe": time.perf_counter() - start}
        abouts = [about for _, _, about in embedded]
        seconds["embed"] = sum(about["seconds"] for about in abouts)
        if cell.weights.identity in self._pretrained:
            seconds["pretrain"] = self._pretrained[cell.weights.identity]
        predictions = save_predictions(blank.path(self.request.results), ids, target, output.prediction)
        return replace(
            blank,
            status="ok",
            weights=abouts[0]["weights"],
            probe_params=dict(output.params),
            metrics=metrics,
            n=n,
            dropped=dropped,
            conversion={str(e.view): about["conversion"] for e, _, about in embedded},
            embedding_dim=sum(array.shape[1] for e, array, _ in embedded if e.split == "test"),
            predictions=predictions,
            device=abouts[0]["device"],
            seconds={name: round(value, 3) for name, value in seconds.items()},
        )

    def _retrieve(
        self, cell: Cell, embedded: _Embedded
    ) -> tuple[ProbeOutput, Array, list[str], dict[str, int], dict[str, str]]:
        query, gallery = (array for _, array, _ in embedded)
        data = ProbeInput(features={"query": query, "gallery": gallery}, targets={}, classes=0, seed=self.request.seed)
        output = cell.probe.run(data)
        split = self._split(cell, "test")
        ids = [split.ids[i] for i in limited(len(split), self.request.limit)]
        return output, np.arange(len(query)), ids, {"test": len(query)}, {}

    def _probe(
        self, cell: Cell, embedded: _Embedded
    ) -> tuple[ProbeOutput, Array, list[str], dict[str, int], dict[str, str]]:
        names = ("train", "val", "test")
        source = self._source(cell)
        splits = {name: self._split(cell, name) for name in names}
        chosen: dict[str, Selection] = select(cell.task, source, splits, self.request.limit)
        features = {}
        for name in names:
            arrays = [array for e, array, _ in embedded if e.split == name]
            features[name] = np.concatenate(arrays, axis=1)[chosen[name].rows]
        _standardize(features)
        output = cell.probe.run(
            ProbeInput(
                features=features,
                targets={name: chosen[name].target for name in names},
                classes=len(source.classes(cell.task.target)),
                seed=self.request.seed,
            )
        )
        n = {name: len(chosen[name].rows) for name in names}
        dropped = {name: chosen[name].dropped for name in names if chosen[name].dropped}
        return output, chosen["test"].target, list(chosen["test"].ids), n, dropped

    def _source(self, cell: Cell) -> DataSource:
        return self.plan.sources[cell.task.dataset.name]

    def _split(self, cell: Cell, name: str) -> Split:
        if name not in self._splits:
            self._splits[name] = self._source(cell).split(name)
        return self._splits[name]

    def _embedding(self, cell: Cell, wanted: Embedding) -> tuple[Array, dict[str, Any]]:
        """Return an embedding from memory, disk or the model."""
        if wanted.key in self._arrays:
            return self._arrays[wanted.key]
        found = self.cache.load(wanted.key) if wanted.cached else None
        if found is None:
            found = self._embed(cell, wanted)
        self._arrays[wanted.key] = found
        return found

    def _embed(self, cell: Cell, wanted: Embedding) -> tuple[Array, dict[str, Any]]:
        loaded = self._model(cell)
        split = self._split(cell, wanted.split)
        start = time.perf_counter()
        label = f"embed {cell.model.name}.{wanted.view} on {cell.task.dataset.name}/{wanted.split}"
        with self.progress.step(label) as step:
            values = embed(
                loaded.model,
                wanted.view,
                split,
                limited(len(split), self.request.limit).tolist(),
                wanted.converters,
                self.device(),
                step,
            )
        about = {
            "conversion": {str(modality): c.describe() for modality, c in wanted.converters.items()},
            "weights": loaded.weights,
            "device": _device_name(self.device()),
            "seconds": time.perf_counter() - start,
        }
        self.cache.store(wanted.key, values, about)
        return values, about

    def _model(self, cell: Cell) -> _Loaded:
        """Return the cell's model, loading and if need be pre-training it; a failure is remembered, not repeated."""
        identity = f"{cell.model.name} {cell.preset.name} {cell.weights.identity}"
        if self._loaded is not None and self._loaded.identity == identity:
            return self._loaded
        if identity in self._broken:
            raise PluginError(self._broken[identity], "")
        self._loaded = None
        try:
            self._pretrain(cell)
            self._loaded = self._load(cell, identity)
        except StorageError:
            raise
        except GairbenchError as error:
            self._broken[identity] = str(error)
            raise
        except ModuleNotFoundError as error:
            missing = missing_module(cell.model, error)
            self._broken[identity] = str(missing)
            raise missing from error
        except Exception as error:
            self._broken[identity] = f"model {cell.model.name!r} cannot be loaded: {type(error).__name__}: {error}"
            raise
        return self._loaded

    def _load(self, cell: Cell, identity: str) -> _Loaded:
        context = ModelContext(
            model=cell.model.name,
            preset=cell.preset.name,
            seed=self.request.seed,
            checkpoint=cell.weights.path,
        )
        model, weights = build(cell.model, context, self.device())
        return _Loaded(model, weights, identity)

    def _pretrain(self, cell: Cell) -> None:
        """Pre-train into a scratch folder that takes the checkpoint's place when it is whole."""
        recipe, target = cell.model.pretraining, cell.weights.path
        if cell.weights.ready or recipe is None or target is None or cell.weights.identity in self._pretrained:
            return
        corpus = self.registry.datasets[recipe.dataset]
        source: DataSource = resolve(corpus.factory)(DataContext(root=self.request.data_root))
        scratch = _scratch_folder(target)
        start = time.perf_counter()
        try:
            with self.progress.step(f"pretrain {cell.model.name} ({cell.preset.name})") as step:
                resolve(recipe.recipe)(
                    PretrainContext(
                        model=cell.model.name,
                        preset=cell.preset.name,
                        seed=self.request.seed,
                        dataset=corpus.name,
                        source=source,
                        delivers=corpus.delivers,
                        fingerprint=source.fingerprint(),
                        output=scratch,
                        device=str(self.device()),
                        limit=self.request.limit,
                        report=step,
                    )
                )
            if target.exists():  # --fresh
                shutil.rmtree(target)
            scratch.rename(target)
        except OSError as error:
            raise StorageError(
                f"cannot write checkpoint {target}: {error.strerror or error}", "free space, or set GAIRBENCH_CACHE"
            ) from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._pretrained[cell.weights.identity] = time.perf_counter() - start


def _scratch_folder(target: Path) -> Path:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    except OSError as error:
        raise StorageError(
            f"cannot write to {target.parent}: {error.strerror}", "free space, or set GAIRBENCH_CACHE"
        ) from error


def _device_name(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    # On a CPU the order of floating-point sums, and so the last digits of weights, depends on the number of threads.
    return f"cpu ({threads} thread{'s' * (threads > 1)})" if device.type == "cpu" else device.type


def _standardize(features: dict[str, Array]) -> None:
    """Standardize every feature by its mean and deviation on train, over positions too for token grids."""
    axes = tuple(axis for axis in range(features["train"].ndim) if axis != 1)
    mean = features["train"].mean(axis=axes, keepdims=True, dtype=np.float64)
    std = features["train"].std(axis=axes, keepdims=True, dtype=np.float64)
    std[std < 1e-12] = 1.0
    for name, values in features.items():
        scaled = (values - mean) / std
        features[name] = scaled.astype(np.float32) if values.ndim > 2 else scaled


def _measure(name: str, target: Array, prediction: Array, seed: int) -> MetricValue:
    metric = METRICS[name]
    low, high = metric.interval(target, prediction, seed)
    value = metric(target, prediction)
    return MetricValue(value=value, low=low, high=high, higher_is_better=metric.higher_is_better)
