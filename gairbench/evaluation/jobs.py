"""The units of work: pre-train a model, embed datasets with one, evaluate a cell.

Each is a function of values that can be pickled: what a job reads and writes is found by key and path. So a job gives
the same result in this process, in another one and on another machine, and a job that is repeated does nothing twice.
"""

from __future__ import annotations

import hashlib
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.bundles import bundled
from gairbench.embedding import dim_axis, embed_samples
from gairbench.environment import choose_device, computing, device_name, evaluating, versions
from gairbench.errors import GairbenchError, InputMismatchError, NotCoveredError, NotTrainableError, StorageError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import (
    Cell,
    Embedding,
    EmbedJob,
    EvaluateJob,
    IdentifyJob,
    PretrainJob,
    identification,
)
from gairbench.evaluation.coverage import Covered, covered_rows, subset_digest
from gairbench.evaluation.dense_store import DenseStore
from gairbench.evaluation.divisions import Divisions
from gairbench.evaluation.finetuning import backbone_of, notes_of
from gairbench.evaluation.given import Embedded, pairs_of, samples_of
from gairbench.evaluation.groupings import counted, samples_digest
from gairbench.evaluation.open_data import OpenData, Reading, dataset_name
from gairbench.evaluation.open_model import OpenModel, lock_of, open_model, unreplaced
from gairbench.evaluation.records import recorded
from gairbench.evaluation.scoring import measure_test, predicts_constant, run_evaluator
from gairbench.evaluation.staleness import used_weights
from gairbench.evaluation.trivial import CONSTANT, trivial_predictions
from gairbench.evaluation.uncovered import uncovered_reasons
from gairbench.isolation import Blamed, Isolated, call_factory, culprit
from gairbench.limit import limited
from gairbench.locks import locked
from gairbench.predictions import Predictions, save_predictions, scores_are_kept
from gairbench.progress import Progress
from gairbench.protocols import PretrainContext, TrainerOptions
from gairbench.results import Result, UsedWeights, write_result
from gairbench.spec import Kind
from gairbench.storage import atomic_folder, write_atomically
from gairbench.trainability import untrainable
from gairbench.weights.environment_file import write_training_environment
from gairbench.weights.loading import build, build_to_train, missing_module, model_name

if TYPE_CHECKING:
    import torch

    from gairbench.evaluation.open_model import Build

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a run reads and writes and how it computes: what its jobs share.

    Args:
        results: Folder of the records.
        cache: Folder of checkpoints and embeddings.
        data_root: Folder of datasets that are not embedded.
        device: As torch names it, or ``"auto"``.
        since: Reuse only what was made at this time or later, in seconds by the file system's clock; 0: everything.
        planned_on: Name of the machine that made the plan.
        threads: CPU threads to compute with, where it is another process than the one that made the plan: the order of
            floating-point sums, and so the last digits, depend on it. ``None``: as many as usual.
    """

    results: Path
    cache: Path
    data_root: Path | None
    device: str
    since: float = 0.0
    planned_on: str = field(default_factory=socket.gethostname)
    threads: int | None = None

    def absolute(self) -> Site:
        """Return the same site for processes with another working folder."""
        root = self.data_root and self.data_root.absolute()
        return replace(self, results=self.results.absolute(), cache=self.cache.absolute(), data_root=root)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something could not be computed.

    Args:
        reason: One line.
        traceback: For the author of a plugin that raised; empty where the line says all.
        skipped: The model or the dataset is not made for it, which is not a mistake.
    """

    reason: str
    traceback: str = ""
    skipped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """What came of a cell.

    Args:
        record: Its record, which is on disk; ``None`` where an embedding that it needs is missing.
        reused: Another run had made the record.
        missing: Keys of embeddings that are not in the cache, or are broken.
        mixed: They were there, computed with different weights or others than its model's, and were removed.
    """

    record: Result | None = None
    reused: bool = False
    missing: tuple[str, ...] = ()
    mixed: bool = False


class Memory:
    """What a process may keep between jobs: it saves time and changes nothing.

    Args:
        site: The run's site.
        data: Datasets that are open already.
    """

    def __init__(self, site: Site, data: OpenData | None = None) -> None:
        self.data = data or OpenData(site.data_root, site.planned_on)
        self.divisions = Divisions(self.data)
        self.dense = DenseStore(site.cache)
        self.loaded: OpenModel | None = None
        self._name = site.device
        self._device: torch.device | None = None

    def device(self) -> torch.device:
        """Return the device, chosen when it is first needed.

        Raises:
            UsageError: There is no such device.
        """
        if self._device is None:
            self._device = choose_device(self._name)
        return self._device


def failure(error: Exception, what: str = "") -> Failure:
    """Return why something failed: one line for a user's mistake, with a traceback for a plugin's.

    Args:
        error: What was raised.
        what: What failed; empty: whoever raised it, if that is known.
    """
    if isinstance(error, GairbenchError):
        return Failure(reason=str(error), skipped=isinstance(error, NotTrainableError | InputMismatchError))
    reason = f"{type(error).__name__}: {error}"
    what = what or culprit(error)
    return Failure(reason=f"{what}: {reason}" if what else reason, traceback=traceback.format_exc())


def run_pretrain_job(job: PretrainJob, site: Site, memory: Memory, progress: Progress) -> float | Failure:
    """Pre-train a model into a scratch folder that takes the checkpoint's place when it is complete.

    Args:
        job: What to train.
        site: The run's site.
        memory: What this process keeps.
        progress: Where to show it.

    Returns:
        Seconds it took, 0 where another process has done it, or why it failed.

    Raises:
        StorageError: The checkpoint cannot be written.
        UsageError: There is no such device.
    """
    if made(job.target, site):
        return 0.0
    with locked(lock_of(job.target, "pretrain", site.cache), what=f"pre-trains {job.model.name}", say=progress.say):
        if made(job.target, site):
            return 0.0
        device = memory.device()
        start = time.perf_counter()
        try:
            _pretrain(job, site, memory, progress, device)
        except StorageError:
            raise
        except ModuleNotFoundError as error:
            return failure(missing_module(job.model, error))
        # A recipe may be a third party's: its fault is its model's, not the run's.
        except Exception as error:
            return failure(error, f"pre-training of {job.model.name!r} failed")
        return time.perf_counter() - start


def _pretrain(job: PretrainJob, site: Site, memory: Memory, progress: Progress, device: torch.device) -> None:
    recipe = job.preset.recipe
    assert recipe is not None  # noqa: S101  (the plan makes jobs of models with recipes alone)
    source = memory.data.source(job.corpus.dataset, job.corpus.fingerprint)
    trainer = TrainerOptions()
    with (
        atomic_folder(job.target, partial(unreplaced, job.target, site.cache)) as output,
        progress.step(f"pretrain {job.model.name} ({job.preset.name})") as step,
    ):
        context = PretrainContext(
            model=job.model.name,
            preset=job.preset.name,
            seed=job.seed,
            dataset=job.corpus.dataset.name,
            source=source,
            delivers=job.corpus.dataset.delivers,
            fingerprint=job.corpus.fingerprint,
            output=output,
            device=str(device),
            limit=job.limit,
            report=step,
            trainer=trainer,
            teachers=job.corpus.teachers,
        )
        call_factory(model_name(job.model), recipe.recipe, context, seed=job.seed)
        write_training_environment(output, device, trainer)


def embed_views(jobs: Sequence[EmbedJob], site: Site, memory: Memory, progress: Progress) -> dict[str, Failure]:
    """Compute and store embeddings by one model, which is loaded once and only if one is missing.

    Args:
        jobs: Datasets to embed, all with the same model.
        site: The run's site.
        memory: What this process keeps.
        progress: Where to show it.

    Returns:
        By key, why an embedding could not be computed; all others are in the cache.

    Raises:
        StorageError: The cache cannot be written.
        UsageError: There is no such device.
    """
    cache = EmbeddingCache(site.cache)
    failures: dict[str, Failure] = {}
    unloadable: Failure | None = None
    for job in jobs:
        uncovered: dict[str, NotCoveredError] = {}
        for wanted in job.embeddings:
            label = f"embed {job.model.name} {wanted.feed.representation} on {job.dataset.name}/{wanted.split}"
            if wanted.empty:
                label = f"load {job.model.name}, to be trained on {job.dataset.name}, for split {wanted.split}"
            if cache.has(wanted.key, site.since):
                continue
            with locked(cache.lock(wanted.key), what=label.replace("embed", "embeds", 1), say=progress.say):
                if cache.has(wanted.key, site.since):
                    continue
                device = memory.device()
                if unloadable is None:
                    unloadable = _load(job, site, memory)
                if unloadable is not None:
                    failures[wanted.key] = unloadable
                    continue
                assert memory.loaded is not None  # noqa: S101
                cannot = untrainable(memory.loaded.model, model_name(job.model))
                if cannot and wanted.key in job.only_to_train:
                    failures[wanted.key] = Failure(reason=cannot, skipped=True)
                    continue
                try:
                    note = _embed(job, wanted, memory, progress.step(label), device, cache)
                except StorageError:
                    raise
                except NotCoveredError as error:
                    uncovered[wanted.key] = error
                # Models and datasets may be a third party's: their fault is this embedding's alone.
                except Exception as error:
                    failures[wanted.key] = failure(error)
                else:
                    if note:
                        progress.say(f"{label}: {note}")
        reasons = uncovered_reasons(job.embeddings, uncovered)
        failures |= {key: Failure(reason=reason, skipped=True) for key, reason in reasons.items()}
    return failures


def _embed(
    job: EmbedJob,
    wanted: Embedding,
    memory: Memory,
    shown: AbstractContextManager[Any],
    device: torch.device,
    cache: EmbeddingCache,
) -> str:
    """Compute and store one embedding; return what the split says of its samples."""
    loaded = memory.loaded
    assert loaded is not None  # noqa: S101
    model, dataset = model_name(job.model), dataset_name(job.dataset)
    split = Reading(memory.data.split(job.dataset, job.fingerprint, wanted.split), dataset)
    start = time.perf_counter()
    # Samples are read while others are embedded: what is changed meanwhile may be either's doing. Random numbers do not
    # depend on the run's seed, as the embedding's key does not.
    with shown as step, Isolated(f"{model} on {dataset}") as call:
        rows = limited(len(split), job.limit).tolist()
        with Blamed(model):
            values = (
                np.zeros((len(rows), 0), dtype=np.float32)
                if wanted.empty
                else embed_samples(
                    loaded.model, wanted.feed, split, rows, device, step, partial_coverage=wanted.partial
                )
            )
        note = split.note()
    about = {
        "note": note,
        **({"holds": getattr(loaded.model, "holds", "others")} if wanted.partial else {}),
        "changes": [*filter(None, [loaded.changes, memory.data.changes(job.dataset), call.changes])],
        "conversion": wanted.feed.describe(),
        "checkpoint": loaded.used.checkpoint,
        "weights": loaded.used.sha256,
        "device": device_name(device),
        "environment": computing(device),
        "trained in": loaded.trained_in,
        "parts": loaded.parts,
        "seconds": time.perf_counter() - start,
    }
    cache.store(wanted.key, values, about)
    return note


def run_identify_job(job: IdentifyJob, site: Site, memory: Memory) -> UsedWeights | Failure:
    """Load a model and return the weights that it has, or why it cannot be loaded.

    Raises:
        UsageError: There is no such device.
    """
    unloadable = _load(job, site, memory)
    if unloadable is not None:
        return unloadable
    assert memory.loaded is not None  # noqa: S101
    return memory.loaded.used


def _load(job: EmbedJob | IdentifyJob, site: Site, memory: Memory) -> Failure | None:
    """Bring the job's model into memory unless it is there; return why that is not possible."""
    if memory.loaded is not None and memory.loaded.identity == job.loaded_as:
        return None
    memory.loaded = None
    opened = _open(job, site, memory)
    if isinstance(opened, Failure):
        return opened
    memory.loaded = opened
    return None


def _open(job: EmbedJob | IdentifyJob, site: Site, memory: Memory, make: Build = build) -> OpenModel | Failure:
    try:
        return open_model(job, site.cache, memory.device(), make)
    except StorageError:
        raise
    except ModuleNotFoundError as error:
        return failure(missing_module(job.model, error))
    except Exception as error:
        return failure(error, f"model {job.model.name!r} cannot be loaded")


def run_evaluate_job(job: EvaluateJob, site: Site, memory: Memory, pretrained: float | None = None) -> Evaluated:
    """Evaluate one cell from cached embeddings and write its record, whatever comes of it.

    Args:
        job: The cell.
        site: The run's site.
        memory: What this process keeps.
        pretrained: Seconds that its model's pre-training took in this run, for the record.

    Returns:
        Its record, or which embeddings are missing.

    Raises:
        StorageError: The record cannot be written; an older one is left as it was.
        UsageError: There is no such device.
    """
    cell = job.cell
    with locked(_record_lock(cell.record, site)):
        cache = EmbeddingCache(site.cache)
        stored = {key: _stored(key, cache) for key in dict.fromkeys(wanted.key for wanted in cell.needed)}
        if missing := tuple(key for key, array in stored.items() if array is None):
            return Evaluated(missing=missing)
        embedded: Embedded = [(e, *array) for e in cell.embeddings if (array := stored[e.key]) is not None]
        lookups = [(e.split, array[0]) for e in cell.needed[len(embedded) :] if (array := stored[e.key]) is not None]
        weights = {used_weights(about) for _, _, about in embedded}
        if len(weights) > 1:
            # Features of one model for training and of another for testing would make a number of neither.
            return _mixed(cell, cache)
        if (found := recorded(cell.record, site.results, site.since)) is not None and found.used in weights:
            return Evaluated(record=found, reused=True)
        blank = dated(cell)
        device = memory.device()
        opened = _open(identification(cell), site, memory, build_to_train) if cell.trains_model else None
        if isinstance(opened, OpenModel) and opened.used not in weights:
            return _mixed(cell, cache)
        try:
            if isinstance(opened, Failure):
                record = _failed(blank, opened, site)
            else:
                covered = Covered(blank.covered_by, covered_rows(lookups)) if lookups else None
                record = _evaluate(cell, embedded, covered, blank, site, memory, device, opened)
            if pretrained:
                record = replace(record, seconds={**record.seconds, "pretrain": round(pretrained, 3)})
        except StorageError:
            raise
        # Datasets, evaluators and metrics may be a third party's: their fault is this cell's.
        except Exception as error:
            record = _failed(blank, failure(error), site)
        write_result(record, site.results)
        return Evaluated(record=record)


def _mixed(cell: Cell, cache: EmbeddingCache) -> Evaluated:
    """Remove a cell's embeddings, which are not all of the weights that its model has now."""
    for wanted in cell.embeddings:
        cache.drop(wanted.key)
    return Evaluated(missing=tuple(embedding.key for embedding in cell.embeddings), mixed=True)


def _stored(key: str, cache: EmbeddingCache) -> tuple[Array, dict[str, Any]] | None:
    """Return an embedding; one that is broken is dropped."""
    if (found := cache.load(key)) is not None:
        return found
    # Another process may have been replacing it just now.
    with locked(cache.lock(key)):
        if (found := cache.load(key)) is None:
            cache.drop(key)
    return found


def give_up(cell: Cell, why: Failure, site: Site) -> Evaluated:
    """Write the record of a cell that is skipped or has failed; a finished one of another run stays.

    Raises:
        StorageError: The record cannot be written.
    """
    with locked(_record_lock(cell.record, site)):
        found = recorded(cell.record, site.results, site.since) if cell.record.key else None
        if found is not None and found.used != cell.stale:
            return Evaluated(record=found, reused=True)
        record = _failed(dated(cell), why, site)
        write_result(record, site.results)
        return Evaluated(record=record)


def dated(cell: Cell) -> Result:
    """Return a cell's record with the time and the versions of packages."""
    return replace(
        cell.record,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=versions(*cell.distributions),
    )


def made(folder: Path, site: Site) -> bool:
    """Whether a checkpoint is complete and new enough."""
    try:
        return folder.is_dir() and folder.stat().st_mtime >= site.since
    except OSError:
        return False


def _failed(blank: Result, why: Failure, site: Site) -> Result:
    if why.skipped:
        blank = replace(blank, status="skipped")
    if not why.traceback:
        return replace(blank, reason=why.reason)
    log = blank.path(site.results).with_suffix(".traceback.txt")
    write_atomically(log, why.traceback.encode())
    return replace(blank, reason=f"{why.reason} (see {log.name})")


def _evaluate(
    cell: Cell,
    embedded: Embedded,
    covered: Covered | None,
    blank: Result,
    site: Site,
    memory: Memory,
    device: torch.device,
    opened: OpenModel | None,
) -> Result:
    start = time.perf_counter()
    changes = [change for _, _, about in embedded for change in about.get("changes", ())]
    with Isolated(dataset_name(cell.task.dataset)) as read:
        if cell.task.kind is Kind.RETRIEVAL:
            given = pairs_of(cell, embedded, memory.data)
        else:
            given = samples_of(cell, embedded, memory.data, memory.divisions, memory.dense, covered)
    backbone, trained_in = None, {}
    if opened is not None:
        backbone, changed = backbone_of(cell, opened, given.splits, given.positions, given.scale, device)
        changes += [opened.changes, changed]
        trained_in = {f"finetuning {name}": value for name, value in computing(device).items()}
    output = run_evaluator(cell, given, str(device), changes, backbone, site.cache)
    # Now that the evaluator has loaded the libraries that it computes with.
    evaluated_in = {f"evaluation {name}": value for name, value in evaluating(device).items()}
    predicted = Predictions(np.asarray(given.ids), given.target, output.prediction, output.scores, output.scores_are)
    trivial = trivial_predictions(cell.task.kind, given.targets, given.class_names, predicted)
    names = given.ids if given.test_groups is None else given.test_groups
    units, independent = bundled(names), len(np.unique(names))
    measured = {
        spec.name: measure_test(spec, cell, predicted, trivial, units, independent, changes) for spec in cell.metrics
    }
    constant = predicts_constant(cell, predicted)
    changes += [read.changes, memory.data.changes(cell.task.dataset), given.changes]
    process = "; ".join(dict.fromkeys(filter(None, changes)))
    abouts = [about for _, _, about in embedded]
    seconds = {"probe": time.perf_counter() - start, "embed": sum(about["seconds"] for about in abouts)}
    needed = any(spec.needs != "prediction" for spec in cell.metrics)
    if predicted.scores is not None and not scores_are_kept(predicted.scores.size, needed=needed):
        predicted = replace(predicted, scores=None, scores_are=None)
    predictions = save_predictions(blank.path(site.results), predicted)
    return replace(
        blank,
        status="ok",
        checkpoint=abouts[0]["checkpoint"],
        weights=abouts[0]["weights"],
        parts={
            modality: {**part, "checkpoint": abouts[0]["parts"][part["model"]]}
            for modality, part in blank.parts.items()
        },
        environment={**blank.environment, **_environment(abouts[0]), **trained_in, **evaluated_in},
        probe_params=dict(output.params),
        metrics={name: value for name, (value, _) in measured.items()},
        jackknife=measured[blank.metric][1],
        constant=constant,
        caveats=tuple(dict.fromkeys([*blank.caveats, *output.caveats, *([CONSTANT] if constant else [])])),
        subset="" if covered is None else subset_digest(covered, cell, memory.data),
        n=given.n,
        n_whole=given.n_whole,
        grouping=given.grouping,
        groups=counted({name: given.groups.get(name, given.test_groups) for name in given.n}),
        samples=samples_digest(given.ids, given.target, given.test_groups),
        dropped=given.dropped,
        notes={_noted(cell, e): about["note"] for e, _, about in embedded if about.get("note")}
        | given.notes
        | (notes_of(cell, given.splits) if opened is not None else {})
        | ({"process": process} if process else {}),
        conversion={str(e.feed.representation): about["conversion"] for e, _, about in embedded},
        embedding_dim=sum(array.shape[dim_axis(array.ndim)] for e, array, _ in embedded if e.split == "test") or None,
        predictions=predictions,
        device=abouts[0]["device"],
        seconds={name: round(value, 3) for name, value in seconds.items()},
    )


def _noted(cell: Cell, embedding: Embedding) -> str:
    """Name what a note on an embedded split is about: the new splits are made of all of the published ones."""
    return embedding.split if cell.split.published else f"published {embedding.split}"


def _environment(about: Mapping[str, Any]) -> dict[str, str]:
    """Return where the embeddings were computed and the weights were trained."""
    return {
        **{name: value for name, value in about["environment"].items() if name != "device"},
        **{f"pretraining {name}": value for name, value in about["trained in"].items()},
    }


def _record_lock(record: Result, site: Site) -> Path:
    name = hashlib.sha256(record.path(Path()).as_posix().encode()).hexdigest()[:24]
    return site.results / ".locks" / f"{name}.lock"
