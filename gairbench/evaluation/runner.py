"""Carry a plan out: give its jobs to an executor in order, wait, retry what the machinery lost, collect the records."""

from __future__ import annotations

import math
import pickle
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gairbench.environment import choose_device
from gairbench.errors import StorageError, UsageError, WorkerLostError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import Cell, Embedding, EmbedJob, EvaluateJob, IdentifyJob, Plan, PretrainJob, jobs_of
from gairbench.evaluation.executors.opening import check_executor, open_executor
from gairbench.evaluation.jobs import Evaluated, Failure, Memory, Site, failure, give_up
from gairbench.evaluation.open_data import OpenData
from gairbench.evaluation.plan import EvaluationRequest
from gairbench.evaluation.reused_environment import other_environments
from gairbench.evaluation.staleness import used_weights
from gairbench.evaluation.worker import Stop, Work
from gairbench.isolation import Blamed
from gairbench.locks import locked
from gairbench.plugins import Registry
from gairbench.progress import Progress
from gairbench.protocols import Call, Executor, Submitted
from gairbench.results import Result, UsedWeights, read_result
from gairbench.weights.origin import Weights

RETRIES = 2
"""How often a job that the machinery lost is tried again."""

POLL = (0.02, 1.0)
"""Seconds between two looks at what runs: at first, and at most while nothing happens."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What came of a run.

    Args:
        records: One per cell, in the plan's order; all of them are on disk.
        reused: Those of them that an earlier run, or one at the same time, had computed.
    """

    records: list[Result]
    reused: list[Result]


def run_plan(
    plan: Plan, request: EvaluationRequest, registry: Registry, progress: Progress, data: OpenData | None = None
) -> Outcomes:
    """Carry a plan out; one cell's failure is that cell's alone.

    Args:
        plan: From :func:`gairbench.evaluation.plan.make_plan`.
        request: What the plan was made from.
        registry: What is installed.
        progress: Where to show it.
        data: Datasets that this process has open.

    Returns:
        One record per cell.

    Raises:
        StorageError: A record, an embedding or a checkpoint cannot be written; what was written before is safe.
        UsageError: There is no such device or executor.
        PluginError: A package that the executor needs is not installed.
    """
    now = _touch(request.results)
    site = Site(
        results=request.results,
        cache=request.cache,
        data_root=request.data_root,
        device=request.device,
        since=now if request.fresh else 0.0,
    )
    options = check_executor(registry, request.executor, request.executor_options)
    local = request.executor == "local"
    if local:
        # A device that is not there is a mistake in the call, whether or not a cell needs it.
        for device in options.get("devices", [request.device]):
            if device not in {"auto", "cpu"}:
                choose_device(device)
    if not plan.jobs:
        return _counted(_Run(plan, site, progress, data).finish(), progress, request.device if local else None)
    executor = open_executor(registry, request.executor, options, request.cache / "executors" / request.executor)
    run = _Run(plan, site, progress, data, executor)
    try:
        return _counted(run.finish(), progress, request.device if local else None)
    finally:
        executor.stop()


def _counted(outcomes: Outcomes, progress: Progress, device: str | None) -> Outcomes:
    """Report how many of the reused records were made in another environment."""
    if note := other_environments(outcomes.reused, device):
        progress.say(note)
    return outcomes


def _touch(folder: Path) -> float:
    """Return the time by the clock of the results' file system.

    It also shows now, and not after an hour of work, that nothing can be recorded.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            return Path(file.name).stat().st_mtime
    except OSError as error:
        raise StorageError(
            f"cannot write to the results folder {folder}: {error.strerror}", "choose another with --results"
        ) from error


def _summary(result: Result) -> str:
    head = f"{result.model} x {result.task} ({_how(result)}): "
    value = result.headline_value
    if value is None:
        return head + f"{result.status}: {result.reason}"
    return head + f"{result.metric} {value.value:.3f} [{value.low:.3f}, {value.high:.3f}]"


def _how(result: Result) -> str:
    """Return the probe of a cell, and what of its labels, split, readout, selection and seed is not the usual."""
    covered = f"covered by {result.covered_by}" if result.covered_by else ""
    shown = {result.labels: "all", result.split: "published", result.readout: "default", covered: ""}
    shown |= {f"selection {result.selection}": "selection cv"}
    parts = [part for part, usual in shown.items() if part != usual]
    return " ".join([result.probe, *parts, *([f"seed {result.seed}"] if result.seed else [])])


@dataclass(slots=True)
class _Waiting:
    """A cell that is not evaluated yet.

    Args:
        job: Its job.
        number: Its place in the plan.
        lacking: Keys of embeddings that are not there yet.
        broken: How often embeddings that seemed to be there were not.
    """

    job: EvaluateJob
    number: int
    lacking: set[str]
    broken: int = 0


@dataclass(frozen=True, slots=True)
class _Flight:
    """A call that an executor works on, and what it is for."""

    subject: _Subject
    label: str
    submitted: Submitted


class _Run:
    """What is ready, what runs, and what has come of it."""

    def __init__(
        self, plan: Plan, site: Site, progress: Progress, data: OpenData | None, executor: Executor | None = None
    ) -> None:
        self.plan = plan
        self.progress = progress
        self.executor = executor
        self._where = f"executor {type(executor).__name__}"
        self.site = site
        self.memory = Memory(site, data)
        self.cache = EmbeddingCache(site.cache)
        for cell in plan.cells:
            for embedding in cell.embeddings:
                if cell.state == "todo" and embedding.stale is not None:
                    self._drop(embedding.key, embedding.stale)
        if executor is not None and not executor.in_process:
            _check_can_travel(plan)
            # Last digits depend on the number of threads: every worker computes with as many as this process would.
            self.site = replace(site.absolute(), threads=_threads())
        self.evaluated: dict[int, Evaluated] = {}
        self.seconds: dict[str, float] = {}  # of pre-training, by what is loaded
        self.losses: Counter[str] = Counter()
        self.loaded: dict[str, UsedWeights] = {}  # the weights that models turned out to have, by what is loaded
        self.outdated: Counter[str] = Counter()  # how often a cell's weights were others than its model's
        self.flights: list[_Flight] = []
        self.identifications: dict[str, IdentifyJob] = {}
        self.pretrainings: dict[str, PretrainJob] = {}
        self.embeddings: dict[str, EmbedJob] = {}
        self.waiting: dict[str, _Waiting] = {}
        self.order: dict[str, int] = {}
        for cell in plan.cells:
            # What says which samples take part comes first: it may leave nothing to do.
            for name in (
                *(job.loaded_as for job in cell.coverage),
                *(training.loaded_as for training in cell.trainings),
                cell.loaded_as,
            ):
                self.order.setdefault(name, len(self.order))
        numbers = {cell.id: number for number, cell in enumerate(plan.cells)}
        for job in plan.jobs:
            if isinstance(job, EvaluateJob):
                lacking = {embedding.key for embedding in job.cell.needed if not embedding.cached}
                self.waiting[job.id] = _Waiting(job, numbers[job.cell.id], lacking)
            else:
                self._add(job)

    @property
    def finished(self) -> int:
        """How many cells have a record."""
        return len(self.evaluated)

    def finish(self) -> Outcomes:
        """Do everything that is left."""
        for number, cell in enumerate(self.plan.cells):
            if cell.state == "cached":
                record = read_result(cell.record.path(self.site.results))
                self.evaluated[number] = Evaluated(record=record, reused=True)
            elif cell.state != "todo":
                self._give_up(number, cell, Failure(reason=cell.reason))
        pause = POLL[0]
        while self.waiting or self.identifications or self.flights:
            if self._submit() | self._collect():
                pause = POLL[0]
            else:
                time.sleep(pause)
                pause = min(pause * 1.5, POLL[1])
        outcomes = [self.evaluated[number] for number in range(len(self.plan.cells))]
        records = [outcome.record for outcome in outcomes if outcome.record is not None]
        reused = [outcome.record for outcome in outcomes if outcome.reused and outcome.record is not None]
        return Outcomes(records, reused)

    # What can run.

    def _add(self, job: PretrainJob | IdentifyJob | EmbedJob) -> None:
        if isinstance(job, PretrainJob):
            self.pretrainings[job.id] = job
            return
        if isinstance(job, IdentifyJob):
            self.identifications[job.id] = job
            return
        known = self.embeddings.get(job.id)
        if known is not None:
            keys = {embedding.key for embedding in known.embeddings}
            more = tuple(embedding for embedding in job.embeddings if embedding.key not in keys)
            job = replace(known, embeddings=known.embeddings + more)
        self.embeddings[job.id] = job

    def _submit(self) -> bool:
        """Give the executor what can run now."""
        assert self.executor is not None  # noqa: S101  (a plan without jobs waits for nothing)
        free = math.inf if self.executor.slots is None else self.executor.slots - len(self.flights)
        subjects: list[_Subject] = []
        while len(subjects) < free and (subject := self._next(subjects)) is not None:
            subjects.append(subject)
        if not subjects:
            return False
        calls = [self._call(subject) for subject in subjects]
        with Blamed(self._where):
            submitted = self.executor.submit(calls)
        for subject, call, one in zip(subjects, calls, submitted, strict=True):
            self.flights.append(_Flight(subject, call.label, one))
        return True

    def _next(self, chosen: Sequence[_Subject]) -> _Subject | None:
        """Take what can start, if anything can: cells first, then the work of models in the plan's order."""
        for name in self.identifications:
            return self.identifications.pop(name)
        for name, waiting in self.waiting.items():
            if not waiting.lacking:
                return self.waiting.pop(name)
        started = [*chosen, *(flight.subject for flight in self.flights)]
        training = {job.id for job in [*started, *self.pretrainings.values()] if isinstance(job, PretrainJob)}
        ready: list[PretrainJob | EmbedJob] = [
            *self.pretrainings.values(),
            *(job for job in self.embeddings.values() if training.isdisjoint(job.needs)),
        ]
        if not ready:
            return None
        first = min(ready, key=lambda job: self.order[job.loaded_as])
        if isinstance(first, PretrainJob):
            return self.pretrainings.pop(first.id)
        # One process loads a model once for all datasets. This one keeps it, and evaluates between two datasets.
        alone = self.executor is not None and self.executor.in_process
        names = [name for name, job in self.embeddings.items() if job.loaded_as == first.loaded_as]
        return tuple(self.embeddings.pop(name) for name in ([first.id] if alone else names))

    def _call(self, subject: _Subject) -> Call:
        if isinstance(subject, _Waiting):
            cell = subject.job.cell
            seconds = sum(self.seconds.get(training.loaded_as, 0.0) for training in cell.trainings)
            work = Work(subject.job, self.site, seconds or None)
            label = f"evaluate {cell.model.name} on {cell.task.name} by {_how(cell.record)}"
        elif isinstance(subject, PretrainJob | IdentifyJob):
            work = Work(subject, self.site)
            label = f"{'pretrain' if isinstance(subject, PretrainJob) else 'identify'} {subject.model.name}"
        else:
            work = Work(subject, self.site)
            label = f"embed {', '.join(job.dataset.name for job in subject)} by {subject[0].model.name}"
        assert self.executor is not None  # noqa: S101
        function: Callable[[str | None], Any] = work
        if self.executor.in_process:
            function = partial(_here, work, self.site, self.memory, self.progress)
        accelerated = not isinstance(subject, _Waiting) or subject.job.cell.trains_model
        return Call(label=label, function=function, accelerated=accelerated)

    # What has come of it.

    def _collect(self) -> bool:
        """Take what has ended, and embeddings that are there already; return whether there was any."""
        ended = [flight for flight in self.flights if flight.submitted.done()]
        self.flights = [flight for flight in self.flights if flight not in ended]
        for flight in ended:
            self._take(flight)
        there = {
            embedding.key
            for flight in self.flights
            if isinstance(flight.subject, tuple)
            for job in flight.subject
            for embedding in job.embeddings
            if any(embedding.key in waiting.lacking for waiting in self.waiting.values())
            and self.cache.has(embedding.key, self.site.since)
        }
        self._settle(there, {})
        return bool(ended or there)

    def _take(self, flight: _Flight) -> None:
        subject = flight.subject
        try:
            with Blamed(self._where):
                outcome = flight.submitted.result()
        except WorkerLostError as error:
            self.losses[flight.label] += 1
            if self.losses[flight.label] <= RETRIES:
                self.progress.say(f"{flight.label}: {error}; it is tried again")
                self._put_back(subject)
                return
            outcome = Failure(reason=f"{error} ({self.losses[flight.label]} times)")
        # Whatever else an executor raises: a package that its machines lack, for instance.
        except Exception as error:
            outcome = failure(error, flight.label)
        if isinstance(outcome, Stop):
            raise outcome.error
        if isinstance(subject, _Waiting):
            self._take_cell(subject, outcome)
        elif isinstance(subject, PretrainJob):
            self._take_pretraining(subject, outcome)
        elif isinstance(subject, IdentifyJob):
            self._take_identification(subject, outcome)
        else:
            keys = {embedding.key for job in subject for embedding in job.embeddings}
            failures = dict.fromkeys(keys, outcome) if isinstance(outcome, Failure) else outcome
            self._settle(keys - failures.keys(), failures)
            self._note_weights(subject[0].loaded_as, keys - failures.keys())

    def _put_back(self, subject: _Subject) -> None:
        if isinstance(subject, _Waiting):
            self.waiting[subject.job.id] = subject
        elif isinstance(subject, PretrainJob | IdentifyJob):
            self._add(subject)
        else:
            for job in subject:
                left = tuple(e for e in job.embeddings if not self.cache.has(e.key, self.site.since))
                self._settle({embedding.key for embedding in job.embeddings} - {e.key for e in left}, {})
                if left:
                    self._add(replace(job, embeddings=left))

    def _take_pretraining(self, job: PretrainJob, outcome: float | Failure) -> None:
        if not isinstance(outcome, Failure):
            self.seconds[job.loaded_as] = outcome
            return
        for name in [name for name, other in self.embeddings.items() if job.id in other.needs]:
            keys = [embedding.key for embedding in self.embeddings.pop(name).embeddings]
            self._settle(set(), dict.fromkeys(keys, outcome))

    def _note_weights(self, loaded_as: str, made: Set[str]) -> None:
        """Take note of the weights that a model has just been loaded with, which no plan can know of all models."""
        about = next((about for key in made if (about := self.cache.about(key)) is not None), None)
        if about is not None:
            self._take_weights(loaded_as, used_weights(about))

    def _take_weights(self, loaded_as: str, used: UsedWeights) -> None:
        self.loaded[loaded_as] = used
        for number in list(self.evaluated):
            self._check_weights(number)

    def _take_identification(self, job: IdentifyJob, outcome: UsedWeights | Failure) -> None:
        if not isinstance(outcome, Failure):
            self._take_weights(job.loaded_as, outcome)
            return
        # Its records may be right, and are all that there is.
        count = sum(cell.loaded_as == job.loaded_as and cell.unsure for cell in self.plan.cells)
        self.progress.say(
            f"{count} reused records of {job.model.name} may be of other weights than it has now: {outcome.reason}"
        )

    def _check_weights(self, number: int) -> None:
        """Compute a cell again if its number, of this run or an earlier one, is of other weights than its model has."""
        cell, record = self.plan.cells[number], self.evaluated[number].record
        now = self.loaded.get(cell.loaded_as)
        if now is None or record is None or record.status != "ok" or record.used == now:
            return
        del self.evaluated[number]
        for embedding in cell.embeddings:
            self._drop(embedding.key, record.used)
        self.progress.say(f"{cell.id}: its model has other weights now; it is computed again")
        self._evaluate_again(number, replace(cell, stale=record.used, unsure=False))

    def _evaluate_again(self, number: int, cell: Cell) -> None:
        self.outdated[cell.id] += 1
        if self.outdated[cell.id] > RETRIES:
            why = "it has other weights each time that it is loaded; its factory must draw them from context.seed"
            self._give_up(number, cell, Failure(reason=why))
            return
        lacking = {embedding.key for embedding in cell.needed if not self.cache.has(embedding.key, self.site.since)}
        job = EvaluateJob(id=f"evaluate {cell.id}", cell=cell)
        self.waiting[job.id] = _Waiting(job, number, lacking)
        for other in jobs_of([_without(cell, lacking)]) if lacking else []:
            if not isinstance(other, EvaluateJob):
                self._add(other)

    def _drop(self, key: str, stale: UsedWeights) -> None:
        """Remove an embedding if it is still the one of those weights: another run may have made it anew."""
        with locked(self.cache.lock(key)):
            about = self.cache.about(key)
            if about is not None and used_weights(about) == stale:
                self.cache.drop(key)

    def _settle(self, there: Set[str], failures: Mapping[str, Failure]) -> None:
        """Note which embeddings are there, and end the cells whose embeddings have failed."""
        for name, waiting in list(self.waiting.items()):
            waiting.lacking -= there
            why = next((failures[e.key] for e in waiting.job.cell.needed if e.key in failures), None)
            if why is not None:
                del self.waiting[name]
                self._give_up(waiting.number, waiting.job.cell, why)

    def _take_cell(self, waiting: _Waiting, outcome: Evaluated | Failure) -> None:
        if isinstance(outcome, Failure):
            self._give_up(waiting.number, waiting.job.cell, outcome)
        elif not outcome.missing:
            self._record(waiting.number, outcome)
            self._check_weights(waiting.number)
        elif outcome.mixed:
            self._evaluate_again(waiting.number, waiting.job.cell)
        elif waiting.broken >= RETRIES:
            why = Failure(reason="its embeddings are not in the cache after they were stored; is the cache shared?")
            self._give_up(waiting.number, waiting.job.cell, why)
        else:
            waiting.broken += 1
            waiting.lacking = set(outcome.missing)
            self.waiting[waiting.job.id] = waiting
            for job in jobs_of([_without(waiting.job.cell, waiting.lacking)]):
                if not isinstance(job, EvaluateJob):
                    self._add(job)

    def _give_up(self, number: int, cell: Cell, why: Failure) -> None:
        self._record(number, give_up(cell, why, self.site))

    def _record(self, number: int, evaluated: Evaluated) -> None:
        self.evaluated[number] = evaluated
        if evaluated.record is not None:
            self.progress.say(f"[{self.finished}/{len(self.plan.cells)}] {_summary(evaluated.record)}")


_Subject = PretrainJob | IdentifyJob | tuple[EmbedJob, ...] | _Waiting


def _here(work: Work, site: Site, memory: Memory, progress: Progress, device: str | None) -> Any:
    """Do a piece of work in this process, which keeps what it has loaded."""
    del device
    return work.do(site, memory, progress)


def _without(cell: Cell, keys: Set[str]) -> Cell:
    """Return a cell some of whose embeddings must be computed, and its model loaded, again."""

    def marked(embeddings: Sequence[Embedding]) -> tuple[Embedding, ...]:
        return tuple(replace(e, cached=e.cached and e.key not in keys) for e in embeddings)

    return replace(
        cell,
        embeddings=marked(cell.embeddings),
        coverage=tuple(replace(job, embeddings=marked(job.embeddings)) for job in cell.coverage),
        trainings=tuple(replace(one, weights=_seen_anew(one.weights)) for one in cell.trainings),
    )


def _seen_anew(weights: Weights) -> Weights:
    path = weights.own_path
    return weights if path is None else replace(weights, ready=path.is_dir())


def _threads() -> int:
    import torch

    return torch.get_num_threads()


def _check_can_travel(plan: Plan) -> None:
    """Refuse plugins whose specs cannot be sent to another process.

    Raises:
        UsageError: A model's, a dataset's or a task's spec cannot be pickled.
    """
    for job in plan.jobs:
        try:
            pickle.dumps(job)
        # Each object decides itself what it raises.
        except Exception as error:
            raise UsageError(
                f"{job.id}: it cannot be sent to another process: {error}",
                "name factories by their address, as 'package.module:attribute', or run with --executor local",
            ) from error
