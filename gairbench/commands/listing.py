"""Print what is installed; imports nothing heavy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from gairbench.commands.model_filter import ModelFilter, listed_models
from gairbench.commands.output import holds_unicode, show
from gairbench.dataset_download import is_here, way_to_get
from gairbench.input_text import input_text
from gairbench.plugins import Registry, load_registry
from gairbench.spec import MetricSpec


def list_models(wanted: ModelFilter, *, as_json: bool) -> None:
    """Print the models that a filter leaves; without one the patterns, too."""
    registry = load_registry()
    rows = [
        {
            "model": spec.name,
            "version": spec.version,
            "presets": {preset.name: [input_text(i) for i in preset.inputs] for preset in spec.presets},
            "pre-training": next((p.recipe.dataset for p in spec.presets if p.recipe), ""),
            "licence": spec.licence,
            "description": spec.description,
            "origin": str(origin),
        }
        for spec, origin in listed_models(registry, wanted)
    ]
    rows += [
        {
            "model": str(pattern),
            "version": "",
            "presets": {},
            "pre-training": "",
            "licence": "",
            "description": pattern.description,
            "origin": str(registry.model_pattern_origins[pattern.prefix]),
        }
        for pattern in registry.model_patterns.values()
        if wanted.is_empty
    ]
    _show(rows, as_json=as_json, hide={"description", "licence"})


def list_tasks(*, as_json: bool, task_files: Sequence[Path]) -> None:
    """Print the tasks."""
    registry = _registry(task_files)
    rows = [
        {
            "task": spec.name,
            "version": spec.version,
            "category": str(spec.category),
            "family": spec.family,
            "kind": str(spec.kind),
            "metric": _metric(registry, spec.metric),
            "data": "synthetic" if spec.synthetic else "real",
            "dataset": spec.dataset.name,
            "licence": spec.licence or spec.dataset.licence,
            "description": spec.description,
            "origin": str(registry.task_origins[spec.name]),
        }
        for spec in registry.tasks.values()
    ]
    _show(rows, as_json=as_json, hide={"description", "licence"})


def list_evaluators(*, as_json: bool) -> None:
    """Print the evaluators."""
    registry = load_registry()
    rows = [
        {
            "evaluator": spec.name,
            "version": spec.version,
            "kinds": sorted(spec.kinds),
            "run by default for": sorted(spec.default),
            "needs": spec.needs + (f" of {spec.layers} layers" if spec.layers else ""),
            "description": spec.description,
            "origin": str(registry.evaluator_origins[spec.name]),
        }
        for spec in registry.evaluators.values()
    ]
    _show(rows, as_json=as_json, hide={"description"})


def list_metrics(*, as_json: bool) -> None:
    """Print the metrics."""
    registry = load_registry()
    rows = [
        {
            "metric": spec.name,
            "version": spec.version,
            "direction": _arrow(spec),
            "unit": spec.unit,
            "kinds": sorted(spec.kinds),
            "needs": spec.needs,
            "description": spec.description,
            "origin": str(registry.metric_origins[spec.name]),
        }
        for spec in registry.metrics.values()
    ]
    _show(rows, as_json=as_json, hide={"description"})


def list_split_policies(*, as_json: bool) -> None:
    """Print the split policies."""
    registry = load_registry()
    rows = [
        {
            "split policy": spec.name,
            "version": spec.version,
            "written": str(spec),
            "needs": list(spec.needs),
            "description": spec.description,
            "origin": str(registry.split_policy_origins[spec.name]),
        }
        for spec in registry.split_policies.values()
    ]
    _show(rows, as_json=as_json, hide={"description"})


def list_plugins(*, as_json: bool) -> None:
    """Print the plugins, loaded and broken."""
    registry = load_registry()
    origins = {
        "models": registry.model_origins,
        "datasets": registry.dataset_origins,
        "tasks": registry.task_origins,
        "evaluators": registry.evaluator_origins,
        "metrics": registry.metric_origins,
        "split policies": registry.split_policy_origins,
        "executors": registry.executor_origins,
    }
    rows: list[dict[str, Any]] = [
        {
            "plugin": origin.plugin,
            "distribution": origin.distribution,
            "version": origin.version,
            "state": "ok",
            **{kind: sum(owner == origin for owner in owners.values()) for kind, owners in origins.items()},
        }
        for origin in registry.loaded
    ]
    rows += [
        {
            "plugin": origin.plugin,
            "distribution": origin.distribution,
            "version": origin.version,
            "state": f"broken: {reason}",
        }
        for origin, reason in registry.failed.items()
    ]
    _show(rows, as_json=as_json)


def list_datasets(*, as_json: bool, task_files: Sequence[Path], data_root: Path | None) -> None:
    """Print the datasets."""
    registry = _registry(task_files)
    rows = []
    for spec in registry.datasets.values():
        where = "embedded"
        if spec.folder:
            if data_root is not None and is_here(spec, data_root):
                where = str(data_root / spec.folder)
            else:
                where = f"missing: {way_to_get(spec, data_root) or '<data-root>/' + spec.folder}"
        rows.append(
            {
                "dataset": spec.name,
                "version": spec.version,
                "delivers": [input_text(i) for i in spec.delivers],
                "splits": list(spec.splits),
                "where": where,
                "licence": spec.licence,
                "description": spec.description,
                "origin": str(registry.dataset_origins[spec.name]),
            }
        )
    _show(rows, as_json=as_json, hide={"description", "delivers"})


def _registry(task_files: Sequence[Path]) -> Registry:
    if not task_files:
        # A listing without task files needs no YAML reader, which takes a tenth of its time.
        return load_registry()
    from gairbench.taskfiles.parsing import registry_with

    return registry_with(task_files)


def _metric(registry: Registry, name: str) -> str:
    """Return a task's metric with its direction, or only its name if there is no such metric."""
    return f"{name} {_arrow(registry.metrics[name])}" if name in registry.metrics else name


def _arrow(spec: MetricSpec) -> str:
    return "↑" if spec.higher_is_better else "↓"


def _show(rows: Sequence[dict[str, Any]], *, as_json: bool, hide: Iterable[str] = ()) -> None:
    if as_json:
        # Escapes are read as the characters themselves; a replaced character would be lost.
        show(json.dumps(rows, indent=1, ensure_ascii=not holds_unicode()))
        return
    if not rows:
        show("none")
        return
    visible = [{name: _cell(value) for name, value in row.items() if name not in hide} for row in rows]
    show(tabulate(visible, headers="keys", tablefmt="simple"))


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(value)
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)
