"""Which token grids an architecture of timm has, known without making its weights."""

from __future__ import annotations

from functools import cache
from typing import Any

import timm
import torch

from gairbench.representation import Representation

LAYERS = 4
"""Blocks whose token grids are offered together, for heads that take several."""


@cache
def scales(architecture: str) -> tuple[tuple[int, int], ...]:
    """Return channels and stride in pixels of every layer whose token grid a model can give; empty if of none."""
    # On the meta device a model has shapes and no values: it takes neither time nor memory.
    with torch.device("meta"):
        model: Any = timm.create_model(architecture, pretrained=False)
    info = getattr(model, "feature_info", None)
    if not hasattr(model, "forward_intermediates") or not info:
        return ()
    return tuple((layer["num_chs"], layer["reduction"]) for layer in info)


def token_grids(architecture: str, of: str) -> tuple[Representation, ...]:
    """Return what an architecture offers beside a vector.

    Args:
        architecture: As timm calls it.
        of: The input that it is computed from.

    Returns:
        The token grid where the model ends; and of a model whose layers are of one size, four of them together, evenly
        spaced.
    """
    layers = scales(architecture)
    if not layers:
        return ()
    offers = [Representation("tokens", (of,))]
    if len(set(layers)) == 1 and len(layers) >= LAYERS:
        spaced = tuple((number + 1) * len(layers) // LAYERS - 1 for number in range(LAYERS))
        offers.append(Representation("tokens", (of,), layers=spaced))
    return tuple(offers)
