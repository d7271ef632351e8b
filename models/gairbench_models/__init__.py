"""The models gairbench ships with: every package here has a ``MODELS`` tuple."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from gairbench import ModelSpec, hookimpl


@hookimpl
def register_models() -> Iterator[ModelSpec]:
    """Yield the specs of every subpackage; their ``__init__`` modules import nothing heavy."""
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        if module.ispkg:
            yield from import_module(module.name).MODELS
