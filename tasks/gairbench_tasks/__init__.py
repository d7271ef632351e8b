"""The tasks gairbench ships with: every package here has a ``TASKS`` and a ``DATASETS`` tuple."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from gairbench import DatasetSpec, TaskSpec, hookimpl


@hookimpl
def register_datasets() -> Iterator[DatasetSpec]:
    """Yield the datasets of every subpackage."""
    for package in _packages():
        yield from package.DATASETS


@hookimpl
def register_tasks() -> Iterator[TaskSpec]:
    """Yield the tasks of every subpackage."""
    for package in _packages():
        yield from package.TASKS


def _packages() -> Iterator[ModuleType]:
    """Import every subpackage; their ``__init__`` modules import nothing heavy."""
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        if module.ispkg:
            yield import_module(module.name)
