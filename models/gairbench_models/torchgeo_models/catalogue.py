"""TorchGeo's weights by name, and the model of each."""

from __future__ import annotations

from functools import cache
from typing import Any

from torchgeo.models import get_model_weights, list_models

from gairbench.selection import unknown


@cache
def catalogue() -> dict[str, tuple[Any, str]]:
    """Return TorchGeo's weights with the name of their model, by their own names."""
    found: dict[str, tuple[Any, str]] = {}
    for model in list_models():
        try:
            listed: Any = get_model_weights(model)
        except KeyError:
            continue  # a model without weights
        found |= {str(member): (member, model) for member in listed}
    return found


def find_member(rest: str) -> tuple[Any, str]:
    """Return weights and the name of their model.

    Raises:
        UsageError: TorchGeo has no such weights.
    """
    if rest not in catalogue():
        raise unknown("TorchGeo weights", rest, catalogue())
    return catalogue()[rest]
