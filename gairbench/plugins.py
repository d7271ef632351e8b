"""Find plugins, survive broken ones, remember where everything came from."""

from __future__ import annotations

import importlib.metadata as md
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import pluggy

from gairbench import hookspecs
from gairbench.errors import PluginError, PluginWarning
from gairbench.field_types import field_problem
from gairbench.inputs import Sensor
from gairbench.isolation import Isolated
from gairbench.sensors import add_sensor
from gairbench.spec import (
    DatasetSpec,
    EvaluatorSpec,
    ExecutorSpec,
    MetricSpec,
    ModelPattern,
    ModelSpec,
    SplitPolicySpec,
    TaskSpec,
)
from gairbench.spec_names import metric_name_problem, model_name_problem, slug_problem

GROUP = "gairbench"
BUILTIN: Mapping[str, str] = {
    "gairbench-evaluators": "gairbench.evaluators",
    "gairbench-executors": "gairbench.evaluation.executors",
    "gairbench-models": "gairbench_models",
    "gairbench-split-policies": "gairbench.split_policies",
    "gairbench-tasks": "gairbench_tasks",
}


class _Named(Protocol):
    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=_Named)


@dataclass(frozen=True, slots=True)
class Origin:
    """The plugin and the distribution that something came from."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.plugin} ({self.distribution} {self.version})"


@dataclass
class Registry:
    """What the installed plugins provide, by name."""

    models: dict[str, ModelSpec] = field(default_factory=dict)
    datasets: dict[str, DatasetSpec] = field(default_factory=dict)
    tasks: dict[str, TaskSpec] = field(default_factory=dict)
    evaluators: dict[str, EvaluatorSpec] = field(default_factory=dict)
    metrics: dict[str, MetricSpec] = field(default_factory=dict)
    split_policies: dict[str, SplitPolicySpec] = field(default_factory=dict)
    executors: dict[str, ExecutorSpec] = field(default_factory=dict)
    model_patterns: dict[str, ModelPattern] = field(default_factory=dict)
    model_origins: dict[str, Origin] = field(default_factory=dict)
    dataset_origins: dict[str, Origin] = field(default_factory=dict)
    task_origins: dict[str, Origin] = field(default_factory=dict)
    evaluator_origins: dict[str, Origin] = field(default_factory=dict)
    metric_origins: dict[str, Origin] = field(default_factory=dict)
    split_policy_origins: dict[str, Origin] = field(default_factory=dict)
    executor_origins: dict[str, Origin] = field(default_factory=dict)
    model_pattern_origins: dict[str, Origin] = field(default_factory=dict)
    loaded: list[Origin] = field(default_factory=list)
    failed: dict[Origin, str] = field(default_factory=dict)

    def add(
        self,
        origin: Origin,
        models: Iterable[ModelSpec] = (),
        datasets: Iterable[DatasetSpec] = (),
        tasks: Iterable[TaskSpec] = (),
        evaluators: Iterable[EvaluatorSpec] = (),
        metrics: Iterable[MetricSpec] = (),
        split_policies: Iterable[SplitPolicySpec] = (),
        executors: Iterable[ExecutorSpec] = (),
        sensors: Iterable[Sensor] = (),
        model_patterns: Iterable[ModelPattern] = (),
    ) -> None:
        """Add one plugin's specs, all of them or none.

        Raises:
            PluginError: A name is taken, within the plugin or by another one, or a sensor's bands do not bear its name.
        """
        tasks = list(tasks)
        new_models = _unique("model", models, self.model_origins, origin)
        new_tasks = _unique("task", tasks, self.task_origins, origin)
        # Tasks share datasets: the same spec may come up many times, another one of the same name may not.
        others = (task.dataset for task in tasks if self.datasets.get(task.dataset.name) != task.dataset)
        own = dict.fromkeys([*datasets, *others])
        new_datasets = _unique("dataset", own, self.dataset_origins, origin)
        new_evaluators = _unique("evaluator", evaluators, self.evaluator_origins, origin)
        new_metrics = _unique("metric", metrics, self.metric_origins, origin)
        new_policies = _unique("split policy", split_policies, self.split_policy_origins, origin)
        new_executors = _unique("executor", executors, self.executor_origins, origin)
        new_patterns = _unique("model pattern", model_patterns, self.model_pattern_origins, origin)
        for sensor in sensors:
            try:
                add_sensor(sensor)
            except ValueError as error:
                raise PluginError(str(error), "correct the declared sensor") from error
        self.models |= new_models
        self.datasets |= new_datasets
        self.tasks |= new_tasks
        self.evaluators |= new_evaluators
        self.metrics |= new_metrics
        self.split_policies |= new_policies
        self.executors |= new_executors
        self.model_patterns |= new_patterns
        self.model_origins |= dict.fromkeys(new_models, origin)
        self.dataset_origins |= dict.fromkeys(new_datasets, origin)
        self.task_origins |= dict.fromkeys(new_tasks, origin)
        self.evaluator_origins |= dict.fromkeys(new_evaluators, origin)
        self.metric_origins |= dict.fromkeys(new_metrics, origin)
        self.split_policy_origins |= dict.fromkeys(new_policies, origin)
        self.executor_origins |= dict.fromkeys(new_executors, origin)
        self.model_pattern_origins |= dict.fromkeys(new_patterns, origin)
        self.loaded.append(origin)


def _unique(kind: str, specs: Iterable[S], taken: Mapping[str, Origin], origin: Origin) -> dict[str, S]:
    new: dict[str, S] = {}
    for spec in specs:
        owner = taken.get(spec.name) or (origin if spec.name in new else None)
        if owner:
            raise PluginError(f"{kind} {spec.name!r} is already provided by {owner}", "rename one of the two")
        new[spec.name] = spec
    return new


def load_registry(*, strict: bool | None = None) -> Registry:
    """Load every plugin and collect what it registers.

    Args:
        strict: Raise on the first broken plugin instead of warning; ``None``: if ``GAIRBENCH_STRICT_PLUGINS`` is 1.

    Returns:
        The registry. A broken, misspelt or duplicate plugin is in ``failed`` and warned about by name, distribution
        and version; everything else works.

    Raises:
        PluginError: In strict mode, the first broken plugin.
    """
    if strict is None:
        strict = os.environ.get("GAIRBENCH_STRICT_PLUGINS") == "1"
    registry = Registry()
    taken: dict[str, Origin] = {}
    for entry, origin in _entry_points():
        try:
            if entry.name in taken:
                raise PluginError(
                    f"plugin name {entry.name!r} is taken by {taken[entry.name]}", "rename the entry point"
                )
            taken[entry.name] = origin
            with Isolated(f"plugin {origin}"):
                register(registry, entry.load(), origin)
        # A plugin is third-party code: whatever it raises must not stop the others.
        except Exception as error:
            reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
            reason = reason.removeprefix(f"plugin {origin} ")
            if strict:
                raise PluginError(f"plugin {origin} is broken: {reason}", "fix or uninstall it") from error
            registry.failed[origin] = reason
            warnings.warn(f"skipped plugin {origin}: {reason}", PluginWarning, stacklevel=2)
    return registry


def register(registry: Registry, plugin: object, origin: Origin) -> None:
    """Collect what one plugin module or object registers.

    Args:
        registry: Where to add its specs.
        plugin: Holds the hook implementations.
        origin: Whom to name for it.

    Raises:
        PluginError: A hook is misspelt or returns something else than specs, a spec is not what its fields say, or a
            name is taken or not safe in paths and on the command line.
    """
    # A manager per plugin: nothing it registers can be mistaken for another plugin's.
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, name=origin.plugin)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(str(error), f"the hooks are {', '.join(_hooks())}") from error
    registry.add(
        origin,
        models=_specs(manager.hook.register_models(), ModelSpec),
        datasets=_specs(manager.hook.register_datasets(), DatasetSpec),
        tasks=_specs(manager.hook.register_tasks(), TaskSpec),
        evaluators=_specs(manager.hook.register_evaluators(), EvaluatorSpec),
        metrics=_specs(manager.hook.register_metrics(), MetricSpec),
        split_policies=_specs(manager.hook.register_split_policies(), SplitPolicySpec),
        executors=_specs(manager.hook.register_executors(), ExecutorSpec),
        sensors=_specs(manager.hook.register_sensors(), Sensor),
        model_patterns=_specs(manager.hook.register_model_patterns(), ModelPattern),
    )


def _hooks() -> list[str]:
    return [name for name in vars(hookspecs) if name.startswith("register_")]


def _entry_points() -> Iterator[tuple[md.EntryPoint, Origin]]:
    """Yield the built-ins first, so that no third party can take their names."""
    wanted = os.environ.get("GAIRBENCH_LOAD_PLUGINS")
    found = sorted(md.entry_points(group=GROUP), key=lambda e: e.name)
    ours = [e for e in found if e.dist and e.dist.name == "gairbench"]
    for name in sorted(BUILTIN.keys() - {e.name for e in ours}):  # a checkout that was never installed
        yield md.EntryPoint(name, BUILTIN[name], GROUP), Origin(name, "gairbench", "source")
    for entry in [*ours, *(e for e in found if e not in ours)]:
        name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "0")
        if wanted is None or entry in ours or name in wanted.split(","):
            yield entry, Origin(entry.name, name, version)


def _specs(results: list[Iterable[S]], kind: type[S]) -> list[S]:
    specs = [spec for result in results for spec in result]
    for spec in specs:
        if not isinstance(spec, kind):
            raise PluginError(f"expected {kind.__name__}, got {spec!r}", f"return {kind.__name__} objects")
        check_declared(spec)
        if problem := _name_problem(spec, kind):
            raise PluginError(problem, "rename it")
    return specs


_CALLED: Mapping[type, str] = {
    TaskSpec: "task",
    DatasetSpec: "dataset",
    EvaluatorSpec: "evaluator",
    SplitPolicySpec: "split policy",
    ExecutorSpec: "executor",
    Sensor: "sensor",
    ModelPattern: "model pattern",
}


def _name_problem(spec: _Named, kind: type) -> str:
    if kind is ModelSpec:
        return model_name_problem(spec.name)
    if kind is MetricSpec:
        return metric_name_problem(spec.name)
    problem = slug_problem(spec.name, _CALLED[kind])
    return problem or (_name_problem(spec.dataset, DatasetSpec) if isinstance(spec, TaskSpec) else "")


def check_declared(spec: _Named) -> None:
    """Refuse a spec that would fail cells of other plugins, such as one input in place of a tuple.

    Raises:
        PluginError: A field is not of its type, or a model has no presets.
    """
    where = f"{type(spec).__name__} {spec.name!r}"
    if problem := field_problem(spec):
        raise PluginError(f"{where}{problem}", "")
    if isinstance(spec, ModelSpec) and not spec.presets:
        raise PluginError(f"{where} has no presets", "declare Preset(name='default', ...)")
