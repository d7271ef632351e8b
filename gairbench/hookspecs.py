"""The hooks a gairbench plugin can implement; a hook implementation returns specs and imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from gairbench.inputs import Sensor
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

hookspec = pluggy.HookspecMarker("gairbench")
hookimpl = pluggy.HookimplMarker("gairbench")


@hookspec
def register_models() -> Iterable[ModelSpec]:
    """Return the models this plugin provides.

    Returns:
        Model specs, each name unique across all installed plugins.

    Example:
        .. code-block:: python

            @hookimpl
            def register_models():
                yield ModelSpec(
                    name="mine",
                    version="1",
                    factory="my_package.model:Mine",
                    presets=(Preset(name="default", inputs=(LocationInput(),)),),
                )
    """
    return ()


@hookspec
def register_datasets() -> Iterable[DatasetSpec]:
    """Return datasets that no task of this plugin names, for instance pre-training corpora.

    The dataset of every registered task is known without this hook.

    Returns:
        Dataset specs, each name unique across all installed plugins.
    """
    return ()


@hookspec
def register_tasks() -> Iterable[TaskSpec]:
    """Return the tasks this plugin provides.

    Returns:
        Task specs, each name unique across all installed plugins.
    """
    return ()


@hookspec
def register_evaluators() -> Iterable[EvaluatorSpec]:
    """Return the evaluators this plugin provides: heads that are fitted on frozen features.

    Returns:
        Evaluator specs, each name unique across all installed plugins.
    """
    return ()


@hookspec
def register_metrics() -> Iterable[MetricSpec]:
    """Return the metrics this plugin provides.

    Returns:
        Metric specs, each name unique across all installed plugins.
    """
    return ()


@hookspec
def register_split_policies() -> Iterable[SplitPolicySpec]:
    """Return the split policies this plugin provides: ways of dividing a dataset's samples for ``--split``.

    Returns:
        Split policy specs, each name unique across all installed plugins.
    """
    return ()


@hookspec
def register_executors() -> Iterable[ExecutorSpec]:
    """Return the executors this plugin provides: places where the jobs of a run can run.

    Returns:
        Executor specs, each name unique across all installed plugins.
    """
    return ()


@hookspec
def register_sensors() -> Iterable[Sensor]:
    """Return the sensors whose bands this plugin's models and datasets name.

    Returns:
        Sensors, each name unique across all installed plugins, with bands called ``"<sensor>:<band>"``.

    Example:
        .. code-block:: python

            @hookimpl
            def register_sensors():
                red = Band("planet:red", 0.665, 0.03, Quantity.REFLECTANCE, aliases=("red",))
                yield Sensor("planet", (red,), "PlanetScope")
    """
    return ()


@hookspec
def register_model_patterns() -> Iterable[ModelPattern]:
    """Return patterns of models that this plugin makes by name, as ``timm:resnet18``, and does not list.

    Returns:
        Patterns, each prefix unique across all installed plugins.

    Example:
        .. code-block:: python

            @hookimpl
            def register_model_patterns():
                yield ModelPattern(prefix="zoo", factory="my_package.zoo:make_spec", rest="NAME")
    """
    return ()
