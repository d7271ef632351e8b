"""How long jobs will take, from the records of earlier runs in the same results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gairbench.evaluation.cells import EmbedJob, EvaluateJob, IdentifyJob, Job, PretrainJob


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """What some jobs take together, one after the other.

    Args:
        seconds: For the jobs that an earlier run has timed.
        unknown: Number of jobs that none has.
        total: Number of jobs.
    """

    seconds: float
    unknown: int
    total: int

    def __str__(self) -> str:
        if not self.total:
            return "nothing to compute"
        if self.unknown == self.total:
            return "no estimate of the time: no earlier run has done these jobs"
        rest = f", and {self.unknown} of {self.total} jobs that no earlier run has timed" if self.unknown else ""
        return f"about {_duration(self.seconds)} by the times of earlier runs{rest}"


class Estimates:
    """Seconds of earlier runs.

    Args:
        seconds: By what was done.
    """

    def __init__(self, seconds: Mapping[tuple[str, ...], float]) -> None:
        self._seconds = dict(seconds)

    @classmethod
    def from_records(cls, folder: Path) -> Estimates:
        """Read the times in the records of a results folder; files that are not records are passed over."""
        found: dict[tuple[str, ...], float] = {}
        for path in sorted(folder.glob("*/*/*/*.json")):
            try:
                record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                model, size = (record["model"], record["preset"]), str(record["limit"])
                times = {step: float(seconds) for step, seconds in record["seconds"].items()}
                if "pretrain" in times:
                    found["pretrain", *model, size] = times["pretrain"]
                if "embed" in times:
                    # Views and splits are counted together: tasks of one dataset differ in what they need of them.
                    dataset = ("embed", *model, record["dataset"], size)
                    found[dataset] = max(found.get(dataset, 0.0), times["embed"])
                if "probe" in times:
                    usual = {"labels": "all", "readout": "default", "selection": "val"}
                    part = [record.get(name, default) for name, default in usual.items()]
                    found["probe", *model, record["task"], record["probe"], size, *part] = times["probe"]
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue
        return cls(found)

    def of(self, jobs: Iterable[Job]) -> TimeEstimate:
        """Return what jobs take together."""
        # Loading a model takes seconds, which no record states.
        times = [self._seconds.get(_done(job)) for job in jobs if not isinstance(job, IdentifyJob)]
        known = [seconds for seconds in times if seconds is not None]
        return TimeEstimate(sum(known), len(times) - len(known), len(times))

    def cost(self, jobs: Iterable[Job]) -> tuple[bool, float]:
        """Return what orders models: those that must be pre-trained come last, then those that take long."""
        jobs = list(jobs)
        return any(isinstance(job, PretrainJob) for job in jobs), self.of(jobs).seconds


def _done(job: PretrainJob | EmbedJob | EvaluateJob) -> tuple[str, ...]:
    if isinstance(job, EvaluateJob):
        record = job.cell.record
        part = record.labels, record.readout, record.selection
        return "probe", record.model, record.preset, record.task, record.probe, str(record.limit), *part
    model = (job.model.name, job.preset.name)
    if isinstance(job, EmbedJob):
        return "embed", *model, job.dataset.name, str(job.limit)
    return "pretrain", *model, str(job.limit)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
