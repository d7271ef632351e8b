"""The plugin passes the suite that everything built in passes.

``DATA_ROOT`` says where the folder ``eurosat`` lies; without it, the checks of that dataset's samples skip.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import gairbench_sensors

from gairbench.testing import (
    parametrize_with_evaluator_checks,
    parametrize_with_metric_checks,
    parametrize_with_model_checks,
    parametrize_with_task_checks,
)

DATA_ROOT = Path(os.environ["DATA_ROOT"]) if "DATA_ROOT" in os.environ else None


@parametrize_with_model_checks(gairbench_sensors.register_models())
def test_model(check: Callable[[], None]) -> None:
    """A model, with its known answers."""
    check()


@parametrize_with_task_checks(gairbench_sensors.register_tasks(), data_root=DATA_ROOT)
def test_task(check: Callable[[], None]) -> None:
    """A task and its dataset."""
    check()


@parametrize_with_evaluator_checks(gairbench_sensors.register_evaluators())
def test_evaluator(check: Callable[[], None]) -> None:
    """The evaluator, on generated data."""
    check()


@parametrize_with_metric_checks(gairbench_sensors.register_metrics())
def test_metric(check: Callable[[], None]) -> None:
    """The metric, on generated predictions."""
    check()
