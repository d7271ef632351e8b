"""Whether two records of one cell agree: what they are of, where they were computed, and every number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gairbench.plugins import Registry
from gairbench.results import MetricValue, Result
from gairbench.spec import DatasetSpec, EvaluatorSpec, MetricSpec, ModelSpec, TaskSpec

BOUND = 1e-3
"""How far a number may be off in another environment, relative to its size, and absolutely where it is less than 1."""

UNKNOWN = "not recorded"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which two records differ.

    Args:
        what: What it is, in words.
        then: What the first says of it.
        now: What the second says of it.
    """

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then}, now {self.now}"


@dataclass(frozen=True, slots=True)
class NumberPair:
    """A number of two records.

    Args:
        name: Of the metric, with what of it, as ``"r2"``, ``"r2 low"`` or ``"r2 error"``.
        then: In the first.
        now: In the second.
        exact: It must be the same to the last bit.
    """

    name: str
    then: float
    now: float
    exact: bool

    @property
    def allowed(self) -> float:
        """The most by which they may differ."""
        return 0.0 if self.exact else allowed_difference(self.then)

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than that; what is not a number agrees with its like."""
        if math.isnan(self.then) or math.isnan(self.now):
            return math.isnan(self.then) and math.isnan(self.now)
        return self.then == self.now or abs(self.then - self.now) <= self.allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Two records of one cell, compared.

    Args:
        then: The record.
        now: The same cell, computed again.
        cell: In what they are not of the same cell: versions, data, samples. They cannot agree then.
        weights: In what they were made of other weights, or have another key. Numbers may still agree, but not to the
            last bit.
        environment: In what the environments differ that they were computed in.
        numbers: Every metric's value, interval, error and trivial value, and the jackknife.
        repeated: What was computed again, in words; the rest was taken from the cache.
    """

    then: Result
    now: Result
    cell: tuple[Difference, ...]
    weights: tuple[Difference, ...]
    environment: tuple[Difference, ...]
    numbers: tuple[NumberPair, ...]
    repeated: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether it is the same cell, and every number agrees."""
        return not self.cell and bool(self.numbers) and all(pair.agrees for pair in self.numbers)


def allowed_difference(value: float) -> float:
    """Return by how much a number may differ that was computed in another environment.

    Measured with 1 and 2 threads: docs/reproducing.md.

    Args:
        value: The number.

    Example:
        >>> allowed_difference(0.5), allowed_difference(20.0)
        (0.001, 0.02)
    """
    return BOUND * max(1.0, abs(value))


def compare_records(then: Result, now: Result, repeated: tuple[str, ...] = ()) -> Agreement:
    """Compare a record with that of the same cell computed again.

    Numbers of one environment (packages, device, CPU, threads, precision, BLAS) must be equal to the last bit; those of
    another may differ by :func:`allowed_difference`.

    Args:
        then: The record.
        now: The other.
        repeated: What was computed again.
    """
    weights = tuple(_fields(_WEIGHTS, then, now))
    environment = tuple(_environment(then, now))
    return Agreement(
        then=then,
        now=now,
        cell=tuple(_cell(then, now)),
        weights=weights,
        environment=environment,
        numbers=tuple(_numbers(then, now, exact=not weights and not environment)),
        repeated=repeated,
    )


_CELL: Mapping[str, str] = {
    "status": "status",
    "model_version": "version of the model",
    "preset": "preset",
    "task_version": "version of the task",
    "dataset_version": "version of the dataset",
    "dataset_fingerprint": "fingerprint of the data",
    "probe_version": "version of the evaluator",
    "split_version": "version of the split policy",
    "metric": "headline metric",
    "n": "samples per split",
    "groups": "groups per split",
    "samples": "digest of the test samples",
    "grouping": "grouping of the test samples",
    "selection": "selection",
    "constant": "whether the same is predicted for all",
    "subset": "digest of the covered samples",
}
"""What must be the same of two records of one cell, by the field that says it."""

_WEIGHTS: Mapping[str, str] = {"checkpoint": "checkpoint", "weights": "weights in memory", "key": "key"}
"""What a training in another environment, or other code of a plugin, may change without making it another cell."""


def superseded(record: Result, registry: Registry) -> tuple[Difference, ...]:
    """Return the declared versions that are others now, by which a record says that it is not of this code.

    Args:
        record: The record.
        registry: What is installed; what is not does not count.
    """
    task = registry.tasks.get(record.task)
    dataset = task.dataset if task is not None else None
    pairs: list[tuple[str, int | str, int | str | None]] = [
        ("version of the model", record.model_version, _version(registry.models.get(record.model))),
        ("version of the task", record.task_version, _version(task)),
        ("version of the dataset", record.dataset_version, _version(dataset)),
        ("version of the evaluator", record.probe_version, _version(registry.evaluators.get(record.probe))),
    ]
    for name, metric in record.metrics.items():
        pairs.append((f"version of metric {name}", metric.version, _version(registry.metrics.get(name))))
    return tuple(Difference(what, str(then), str(now)) for what, then, now in pairs if now not in {None, then})


def _version(spec: ModelSpec | TaskSpec | DatasetSpec | EvaluatorSpec | MetricSpec | None) -> int | str | None:
    return None if spec is None else spec.version


def _cell(then: Result, now: Result) -> Iterator[Difference]:
    yield from _fields(_CELL, then, now)
    if missing := sorted(then.metrics.keys() ^ now.metrics.keys()):
        yield Difference("metrics", ", ".join(then.metrics), f"{', '.join(now.metrics)} ({', '.join(missing)} differ)")
    for name in then.metrics.keys() & now.metrics.keys():
        before, after = then.metrics[name].version, now.metrics[name].version
        if before != after:
            yield Difference(f"version of metric {name}", str(before), str(after))
        for part in _PARTS:
            known = [getattr(one.metrics[name], part) is not None for one in (then, now)]
            if known[0] != known[1]:
                yield Difference(f"{name} {part}", *("known" if one else UNKNOWN for one in known))
    if len(then.jackknife) != len(now.jackknife):
        yield Difference("units that are left out", str(len(then.jackknife)), str(len(now.jackknife)))


def _fields(names: Mapping[str, str], then: Result, now: Result) -> Iterator[Difference]:
    for name, what in names.items():
        before, after = getattr(then, name), getattr(now, name)
        if before != after:
            yield Difference(what, _shown(before), _shown(after))


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in sorted(value.items())) or UNKNOWN
    return str(value) or UNKNOWN


def _environment(then: Result, now: Result) -> Iterator[Difference]:
    if then.device != now.device:
        yield Difference("device", _shown(then.device), _shown(now.device))
    for name in sorted(then.environment.keys() | now.environment.keys()):
        before, after = then.environment.get(name, UNKNOWN), now.environment.get(name, UNKNOWN)
        if before != after:
            yield Difference(name, before, after)


_PARTS = ("value", "low", "high", "error", "trivial")


def _numbers(then: Result, now: Result, *, exact: bool) -> Iterator[NumberPair]:
    for name in [name for name in then.metrics if name in now.metrics]:
        before, after = then.metrics[name], now.metrics[name]
        for part in _PARTS:
            values = _known(before, part), _known(after, part)
            label = name if part == "value" else f"{name} {part}"
            if values[0] is not None and values[1] is not None:
                yield NumberPair(label, values[0], values[1], exact)
    if len(then.jackknife) == len(now.jackknife):
        for number, (before_it, after_it) in enumerate(zip(then.jackknife, now.jackknife, strict=True)):
            yield NumberPair(f"{then.metric} without unit {number}", before_it, after_it, exact)


def _known(metric: MetricValue, part: str) -> float | None:
    value: float | None = getattr(metric, part)
    return value
