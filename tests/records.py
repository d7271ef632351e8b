"""Make result records for tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from gairbench.results import MetricValue, Result


def make_result(model: str = "gair", task: str = "earth-rs-koeppen", value: float = 0.5, **changes: Any) -> Result:
    """Return an ok record of a classification task; ``half`` is the half width of its interval."""
    half = changes.pop("half", 0.01)
    metric = changes.setdefault("metric", "accuracy")
    defaults: dict[str, Any] = {
        "status": "ok",
        "model_version": "1",
        "model_origin": "gairbench-models (gairbench 0.1.0)",
        "preset": "default",
        "task_version": 1,
        "task_origin": "gairbench-tasks (gairbench 0.1.0)",
        "category": "rs",
        "family": "climate",
        "kind": "classification",
        "synthetic": False,
        "dataset": "earth",
        "dataset_version": 1,
        "dataset_fingerprint": "d0" * 32,
        "probe": "linear",
        "probe_version": 1,
        "headline": True,
        "seed": 0,
        "key": "c0ffee",
        "weights": "",
        "checkpoint": "init",
        "metrics": {metric: MetricValue(value=value, low=value - half, high=value + half, higher_is_better=True)},
        "n": {"train": 6000, "val": 1200, "test": 2500},
        "embedding_dim": 128,
        "environment": {"python": "3.11.9", "gairbench": "0.1.0"},
        "device": "cpu",
        "seconds": {"embed": 1.5},
        "command": "gairbench run --model gair --task all",
        "created": "2026-01-01T00:00:00Z",
    }
    if changes.get("status", "ok") != "ok":
        defaults |= {"metrics": {}, "n": {}, "dataset_fingerprint": "", "checkpoint": "", "embedding_dim": None}
    return Result(model=model, task=task, **(defaults | changes))


def scores_of(value: float, model: str, units: int = 60) -> list[float]:
    """Return a number for each unit whose mean is a value, and which differ from those of models of other names."""
    apart = [0.01 + 0.01 * math.sin((i + 1) * sum(model.encode())) for i in range(units // 2)]
    return [value + sign * distance for distance in apart for sign in (1, -1)]


def measured_result(
    model: str = "gair", task: str = "earth-rs-koeppen", scores: float | Sequence[float] = 0.5, **changes: Any
) -> Result:
    """Return a record whose metric is the mean of one number for each independent test sample, or group of them.

    Args:
        model: Its name.
        task: The task's name.
        scores: Of the units, the same ones in the same order for all models; or their mean.
        changes: Fields of the record; ``trivial``, ``least``, ``most`` and ``higher_is_better`` are of the metric.
    """
    metric = changes.setdefault("metric", "accuracy")
    scores = scores_of(scores, model) if isinstance(scores, float) else scores
    value, units = fmean(scores), len(scores)
    without_each = tuple((sum(scores) - score) / (units - 1) for score in scores)
    error = ((units - 1) / units * sum((one - fmean(without_each)) ** 2 for one in without_each)) ** 0.5
    of_metric = {"higher_is_better": True, "least": 0.0, "most": 1.0, "trivial": 0.1}
    of_metric |= {name: changes.pop(name) for name in of_metric.keys() & changes.keys()}
    found = MetricValue(value=value, low=value - 2 * error, high=value + 2 * error, error=error, **of_metric)  # type: ignore[arg-type]
    defaults: dict[str, Any] = {
        "metrics": {metric: found},
        "samples": f"samples of {task}",
        "jackknife": without_each,
        "n": {"train": 6000, "val": 1200, "test": units},
    }
    return make_result(model, task, **(defaults | changes))
