"""Why a model cannot be trained, as far as it shows when it is loaded."""

from __future__ import annotations


def untrainable(model: object, who: str) -> str:
    """Return why a model cannot be trained, as far as it shows without a sample; empty if it may be.

    Args:
        model: As its factory made it.
        who: How to name it.
    """
    from torch import nn

    if not isinstance(model, nn.Module):
        return f"{who} cannot be trained: it is of type {type(model).__name__}, not an nn.Module"
    if not any(parameter.is_floating_point() or parameter.is_complex() for parameter in model.parameters()):
        return f"{who} cannot be trained: it has no parameters"
    return ""
