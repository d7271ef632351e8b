"""The models gairbench ships with: every package here has a ``MODELS`` tuple, and some have ``PATTERNS``."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

from gairbench import ModelPattern, ModelSpec, hookimpl


@hookimpl
def register_models() -> Iterator[ModelSpec]:
    """Yield the specs of every subpackage; their ``__init__`` modules import nothing heavy."""
    for module in _families():
        yield from module.MODELS


@hookimpl
def register_model_patterns() -> Iterator[ModelPattern]:
    """Yield the patterns of every subpackage that has some."""
    for module in _families():
        yield from getattr(module, "PATTERNS", ())


def _families() -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        if module.ispkg:
            yield import_module(module.name)
