"""Make result records for tests."""

from __future__ import annotations

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
