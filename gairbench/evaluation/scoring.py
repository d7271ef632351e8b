"""What an evaluator predicts of the test split, and what metrics say of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gairbench.disk_array import disk_array
from gairbench.errors import PluginError
from gairbench.evaluation.cells import Cell
from gairbench.evaluation.given import Given
from gairbench.evaluator import EvaluationProtocol, EvaluatorInput, EvaluatorOutput
from gairbench.isolation import Isolated, named
from gairbench.kinds import DENSE
from gairbench.metrics import interval, load_metric, needed_by
from gairbench.outputs import output_problem
from gairbench.predictions import Predictions
from gairbench.results import MetricValue
from gairbench.spec import MetricSpec, resolve

if TYPE_CHECKING:
    from gairbench.backbone import Backbone


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


def measure_test(spec: MetricSpec, cell: Cell, predicted: Predictions, changes: list[str]) -> MetricValue:
    """Return a metric of the test split; add what it changes in the process.

    Raises:
        PluginError: The evaluator returned no scores that the metric can be computed from.
    """
    given = needed_by(spec, predicted)
    if given is None:
        returned = "decision values" if predicted.scores_are == "decisions" else "no scores"
        raise PluginError(
            f"metric {spec.name!r} needs {spec.needs}, and evaluator {cell.record.probe!r} returned {returned}",
            f"name another metric or evaluator in task {cell.task.name!r}",
        )
    with Isolated(named("metric", spec.name, spec.factory), seed=cell.record.seed) as call:
        measure = load_metric(spec)
        value = measure(predicted.target, given)
        low, high = interval(measure.resampled(predicted.target, given, cell.record.seed))
    changes.append(call.changes)
    return MetricValue(
        value=value,
        low=low,
        high=high,
        higher_is_better=spec.higher_is_better,
        version=spec.version,
        unit=spec.unit,
    )
