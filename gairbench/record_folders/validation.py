"""What is wrong with the records of a folder, one line a problem: a broken file does not keep the others from it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gairbench.errors import GairbenchError, StorageError
from gairbench.isolation import Isolated, named
from gairbench.metrics import load_metric, needed_by
from gairbench.plugins import Registry
from gairbench.predictions import Predictions, load_predictions, predictions_beside
from gairbench.results import MetricValue, Result, read_result, record_files

UNITS = 10
"""Units from which the jackknife's mean must be near the value: with fewer it may be far from it for honest reasons."""

NEAR = 10.0
"""Standard errors by which the bias that the jackknife shows may be away from 0."""

LAST_DIGITS = 1e-6
"""Relative difference of a metric that is computed again from the predictions, on another machine perhaps."""


@dataclass(frozen=True, slots=True)
class RecordProblem:
    """Something that is wrong with a record.

    Args:
        path: Its file.
        what: What is wrong, one line.
    """

    path: Path
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


@dataclass(frozen=True, slots=True)
class Validation:
    """What came of looking at a folder.

    Args:
        records: How many records could be read.
        recomputed: Of how many the metrics were computed again from the predictions beside them.
        problems: What is wrong.
    """

    records: int
    recomputed: int
    problems: tuple[RecordProblem, ...]


def validate_folder(folder: Path, registry: Registry) -> Validation:
    """Look at every record of a results folder.

    Each must be readable, lie where its names say, and have finite, consistent numbers; no two may be of one cell.
    Where predictions lie beside a record, they must give its metrics: those that are installed in its versions.

    Args:
        folder: The results folder.
        registry: What is installed.

    Raises:
        StorageError: The folder is missing, or a folder in it cannot be read.
    """
    if not folder.is_dir():
        raise StorageError(f"no results folder {folder}", "correct the path")
    problems: list[RecordProblem] = []
    of_cell: dict[Path, Path] = {}
    records = recomputed = 0
    for path in sorted(record_files(folder)):
        try:
            record = read_result(path)
        except StorageError as error:
            problems.append(RecordProblem(path, error.what.removeprefix(f"{path} ")))
            continue
        records += 1
        place = record.path(folder)
        problems += [RecordProblem(path, what) for what in record_problems(record)]
        if place != path:
            problems.append(RecordProblem(path, f"its names belong to {place.relative_to(folder)}"))
        if place in of_cell:
            problems.append(RecordProblem(path, f"is of the same cell as {of_cell[place].relative_to(folder)}"))
        of_cell.setdefault(place, path)
        beside = predictions_beside(record, path)
        if record.status == "ok" and place == path and beside is not None and beside.is_file():
            found = list(_prediction_problems(record, path, registry))
            recomputed += not found
            problems += [RecordProblem(path, what) for what in found]
    return Validation(records, recomputed, tuple(problems))


def record_problems(record: Result) -> Iterator[str]:
    """Yield what is wrong with the numbers of a record, one line each.

    Args:
        record: The record.
    """
    if record.status != "ok":
        if not record.reason:
            yield f"is {record.status} without a reason"
        if record.metrics:
            yield f"is {record.status} and has numbers"
        return
    if not record.key:
        yield "has no key"
    if record.metric not in record.metrics:
        yield f"has no value of its headline metric {record.metric}"
    for name, number in record.n.items():
        if number <= 0:
            yield f"has {number} samples of {name}"
    if "test" not in record.n:
        yield "does not say how many samples were tested"
    for name, metric in record.metrics.items():
        yield from _metric_problems(name, metric)
    yield from _jackknife_problems(record)


def _metric_problems(name: str, metric: MetricValue) -> Iterator[str]:
    parts = {part: getattr(metric, part) for part in ("value", "low", "high", "error", "trivial", "least", "most")}
    numbers = {part: number for part, number in parts.items() if number is not None}
    # Without a standard error the interval is all that is possible, also where that has no end.
    if metric.error is None:
        open_ends = {"low": (metric.least, -math.inf), "high": (metric.most, math.inf)}
        for part, (bound, end) in open_ends.items():
            if bound is None and numbers[part] == end:
                del numbers[part]
    if unknown := [part for part, number in numbers.items() if not math.isfinite(number)]:
        yield f"{name}: {', '.join(f'{part} is {numbers[part]}' for part in unknown)}"
        return
    if not metric.low <= metric.value <= metric.high:
        yield f"{name}: the interval [{metric.low:.6g}, {metric.high:.6g}] does not hold the value {metric.value:.6g}"
    if metric.error is not None and metric.error < 0:
        yield f"{name}: its standard error is {metric.error:.6g}"
    least, most = numbers.get("least", -math.inf), numbers.get("most", math.inf)
    if outside := [
        part for part in ("value", "low", "high", "trivial") if not least <= numbers.get(part, least) <= most
    ]:
        yield f"{name}: {', '.join(outside)} not between {least:g} and {most:g}"


def _jackknife_problems(record: Result) -> Iterator[str]:
    values, headline = record.jackknife, record.headline_value
    if not values or headline is None:
        return
    if not all(map(math.isfinite, values)):
        yield "its jackknife holds what is not a number"
        return
    units = record.groups.get("test") or record.n.get("test", 0)
    if len(values) > units:
        yield f"its jackknife leaves out {len(values)} units of {units}"
    if len(values) < UNITS:
        return
    array = np.asarray(values)
    bias = (len(values) - 1) * abs(float(array.mean()) - headline.value)
    error = math.sqrt((len(values) - 1) / len(values) * float(((array - array.mean()) ** 2).sum()))
    if bias > NEAR * error + LAST_DIGITS * max(1.0, abs(headline.value)) * len(values):
        yield f"{record.metric}: its jackknife is around {array.mean():.6g}, and not around {headline.value:.6g}"


def _prediction_problems(record: Result, path: Path, registry: Registry) -> Iterator[str]:
    """Yield metrics that predictions do not give; whatever a metric of a plugin raises is its own problem."""
    try:
        predicted = load_predictions(record, path.parents[3])
    except StorageError as error:
        yield error.what
        return
    if len(predicted.target) != (tested := record.n.get("test")):
        yield f"has predictions of {len(predicted.target)} samples, and {tested} were tested"
        return
    for name, then in record.metrics.items():
        try:
            now = _computed(name, then, predicted, registry)
        # A metric may be a third party's.
        except Exception as error:
            what = str(error) if isinstance(error, GairbenchError) else f"{type(error).__name__}: {error}"
            yield f"{name} cannot be computed from its predictions: {what}"
            continue
        if now is not None and not math.isclose(now, then.value, rel_tol=LAST_DIGITS, abs_tol=LAST_DIGITS):
            yield f"{name}: its predictions give {now:.6g}, and it says {then.value:.6g}"


def _computed(name: str, then: MetricValue, predicted: Predictions, registry: Registry) -> float | None:
    """Return a metric of predictions; ``None`` where it is not installed in that version, or lacks scores."""
    spec = registry.metrics.get(name)
    if spec is None or spec.version != then.version:
        return None
    given = needed_by(spec, predicted)
    if given is None:
        return None
    with Isolated(named("metric", spec.name, spec.factory)):
        return float(load_metric(spec)(predicted.target, given))
