"""TorchGeo's datasets as task datasets: :class:`gairbench_tasks.torchgeo.source.TorchGeoSource` adapts any of them."""

from __future__ import annotations

from gairbench import DatasetSpec, TaskSpec

DATASETS: tuple[DatasetSpec, ...] = ()
TASKS: tuple[TaskSpec, ...] = ()
