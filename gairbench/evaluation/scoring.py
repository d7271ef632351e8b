"""What an evaluator predicts of the test split, and what metrics say of it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.disk_array import disk_array
from gairbench.errors import PluginError
from gairbench.evaluation.cells import Cell
from gairbench.evaluation.given import Given
from gairbench.evaluation.trivial import is_constant
from gairbench.evaluator import EvaluationProtocol, EvaluatorInput, EvaluatorOutput
from gairbench.intervals import interval, jackknife_freedom, jackknife_variance
from gairbench.isolation import Isolated, named
from gairbench.kinds import DENSE
from gairbench.metrics import load_metric, needed_by
from gairbench.outputs import output_problem
from gairbench.predictions import Predictions
from gairbench.results import MetricValue
from gairbench.spec import MetricSpec, resolve

if TYPE_CHECKING:
    from gairbench.backbone import Backbone

Array = NDArray[Any]


_ROUNDING = 1e-9
"""How far a value may be beyond a bound of its metric."""


def run_evaluator(
    cell: Cell, given: Given, device: str, changes: list[str], backbone: Backbone | None, folder: Path
) -> EvaluatorOutput:
    """Return what the evaluator predicts, with scores in single precision; add what it changes in the process.

    Args:
        cell: What is evaluated.
        given: What its evaluator is given.
        device: Where it computes.
        changes: What is changed in the process is added here.
        backbone: The model, where it is trained.
        folder: Where predictions of masks and maps are kept, on the disk.

    Raises:
        PluginError: It returned what cannot be scored.
    """
    kind, spec = cell.task.kind, cell.evaluator
    assert spec is not None  # noqa: S101  (a cell without an evaluator has failed)
    height_width = (int(given.target.shape[1]), int(given.target.shape[2])) if kind in DENSE else None
    with Isolated(named("evaluator", spec.name, spec.factory), seed=cell.record.seed) as call:
        output: EvaluatorOutput = resolve(spec.factory)(
            EvaluatorInput(
                kind=kind,
                features=given.features,
                targets=given.targets,
                class_names=given.class_names,
                groups=given.groups,
                mask_size=height_width,
                seed=cell.record.seed,
                device=device,
                backbone=backbone,
                lonlat=given.lonlat,
                parts=given.parts,
                protocol=EvaluationProtocol(
                    split=cell.record.split,
                    labels=cell.record.labels,
                    readout=cell.record.readout,
                    limit=cell.record.limit,
                    selection=cell.record.selection,
                ),
                new_array=partial(disk_array, folder),
            )
        )
    changes.append(call.changes)
    problem = output_problem(
        kind, output, samples=len(given.target), classes=len(given.class_names), mask_size=height_width
    )
    if problem:
        raise PluginError(f"evaluator {spec.name!r}: {problem}", "correct the evaluator")
    if output.scores is None:
        return output
    # Metrics are computed from what is saved, so that they can be computed again from the file.
    return replace(output, scores=output.scores.astype(np.float32))


def measure_test(
    spec: MetricSpec,
    cell: Cell,
    predicted: Predictions,
    trivial: Predictions,
    units: Array,
    independent: int,
    changes: list[str],
) -> tuple[MetricValue, tuple[float, ...]]:
    """Return a metric of the test split, and its values without each unit; add what it changes in the process.

    Args:
        spec: The metric.
        cell: What is evaluated.
        predicted: What its evaluator predicted.
        trivial: What is predicted of the same samples without looking at them.
        units: The part of each test sample that is left out at once (:func:`gairbench.bundles.bundled`).
        independent: How many units there are before some are left out together.
        changes: What is changed in the process is added here.

    Returns:
        The metric, whose interval is all that is possible where there are fewer than two units or it is not defined
        without one of them; and its values without each unit, none then.

    Raises:
        PluginError: The evaluator returned no scores that the metric can be computed from, or the metric is beyond its
            bounds or gives another number of values than there are units.
    """
    given = needed_by(spec, predicted)
    if given is None:
        returned = "decision values" if predicted.scores_are == "decisions" else "no scores"
        raise PluginError(
            f"metric {spec.name!r} needs {spec.needs}, and evaluator {cell.record.probe!r} returned {returned}",
            f"name another metric or evaluator in task {cell.task.name!r}",
        )
    several = int(units.max()) + 1
    with Isolated(named("metric", spec.name, spec.factory), seed=cell.record.seed) as call:
        measure = load_metric(spec)
        value = measure(predicted.target, given)
        blind = needed_by(spec, trivial)
        level = None if blind is None else measure(trivial.target, blind)
        without_each = np.asarray(measure.without_each(predicted.target, given, units) if several > 1 else ())
    changes.append(call.changes)
    if value < spec.least - _ROUNDING or value > spec.most + _ROUNDING:
        raise PluginError(
            f"metric {spec.name!r} is {value:g}, beyond its bounds {spec.least:g} and {spec.most:g}",
            "correct 'least' and 'most' of its MetricSpec",
        )
    if several > 1 and without_each.shape != (several,):
        raise PluginError(
            f"metric {spec.name!r} has {without_each.shape} values without each of {several} units",
            "return one value a unit",
        )
    error, (low, high) = None, (spec.least, spec.most)
    defined = math.isfinite(value) and several > 1 and bool(np.isfinite(without_each).all())
    if defined:
        error = math.sqrt(jackknife_variance(without_each))
        freedom = jackknife_freedom(without_each, grouped=independent < len(predicted.target))
        low, high = interval(value, error, freedom, units=independent, least=spec.least, most=spec.most)
    found = MetricValue(
        value=value,
        low=low,
        high=high,
        higher_is_better=spec.higher_is_better,
        version=spec.version,
        unit=spec.unit,
        error=error,
        trivial=level if level is not None and math.isfinite(level) else None,
        least=spec.least if math.isfinite(spec.least) else None,
        most=spec.most if math.isfinite(spec.most) else None,
    )
    return found, tuple(map(float, without_each)) if defined else ()


def predicts_constant(cell: Cell, predicted: Predictions) -> bool:
    """Whether what the headline metric looks at is the same for every test sample, though the targets differ."""
    given = needed_by(cell.metrics[0], predicted)
    return given is not None and is_constant(cell.task.kind, predicted.target, given)
