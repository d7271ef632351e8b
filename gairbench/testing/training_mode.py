"""Modules that run in training mode although a frozen model was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def _networks(model: object) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules of a model, also of one that only holds modules, each with its name and type."""
    from torch import nn

    if isinstance(model, nn.Module):
        for name, module in model.named_modules():
            yield name, module
        return
    for attribute, value in getattr(model, "__dict__", {}).items():
        if isinstance(value, nn.Module):
            for name, module in value.named_modules(prefix=attribute):
                yield name, module


def _acts_in_training(module: nn.Module) -> bool:
    """Whether a module computes otherwise in training mode."""
    from torch import nn

    if isinstance(module, nn.MultiheadAttention | nn.RNNBase):
        return module.dropout > 0
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return module.track_running_stats
    # Dropout, and what timm and others call DropPath, DropBlock or PatchDropout, whatever they name the probability.
    if "drop" not in type(module).__name__.lower():
        return False
    return next((bool(getattr(module, p)) for p in ("p", "drop_prob", "prob") if hasattr(module, p)), True)


@contextmanager
def running_in_training_mode(model: object) -> Iterator[dict[str, None]]:
    """Note the modules that run in training mode while the block runs and compute otherwise in it."""
    running: dict[str, None] = {}

    def note(name: str) -> Callable[[nn.Module, object], None]:
        def before(module: nn.Module, arguments: object) -> None:
            del arguments
            if module.training and _acts_in_training(module):
                running[f"{name or 'itself'} ({type(module).__name__})"] = None

        return before

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in _networks(model)]
    try:
        yield running
    finally:
        for hook in hooks:
            hook.remove()
