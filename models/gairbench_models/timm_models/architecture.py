"""Which layers and poolings an architecture of timm has, known without making its weights."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

import timm
import torch

from gairbench.representation import Representation

LAYERS = 4
"""Blocks whose token grids are offered together, for heads that take several."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a model can be read out by.

    Args:
        layers: Channels and stride in pixels of every layer whose token grid it can give; empty if of none.
        poolings: How the tokens of a layer become a vector, as the model does it itself first.
    """

    layers: tuple[tuple[int, int], ...] = ()
    poolings: tuple[str, ...] = ()


@cache
def outline(architecture: str) -> Outline:
    """Return what an architecture can be read out by."""
    # On the meta device a model has shapes and no values: it takes neither time nor memory.
    with torch.device("meta"):
        model: Any = timm.create_model(architecture, pretrained=False)
    info = getattr(model, "feature_info", None)
    if not hasattr(model, "forward_intermediates") or not info:
        return Outline()
    layers = tuple((layer["num_chs"], layer["reduction"]) for layer in info)
    gives_prefix = "return_prefix_tokens" in inspect.signature(model.forward_intermediates).parameters
    if not gives_prefix or getattr(model, "cls_token", None) is None:
        return Outline(layers, ("mean",))
    return Outline(layers, ("cls", "mean") if model.global_pool == "token" else ("mean", "cls"))


def token_grids(architecture: str, of: str) -> tuple[Representation, ...]:
    """Return the token grids of an architecture.

    Args:
        architecture: As timm calls it.
        of: The input that they are computed from.

    Returns:
        The token grid where the model ends; of a model whose layers are of one size, four of them together, evenly
        spaced; and that of each layer.
    """
    layers = outline(architecture).layers
    if not layers:
        return ()
    offers = [Representation("tokens", (of,))]
    if len(set(layers)) == 1 and len(layers) >= LAYERS:
        spaced = tuple((number + 1) * len(layers) // LAYERS - 1 for number in range(LAYERS))
        offers.append(Representation("tokens", (of,), layers=spaced))
    return (*offers, *(Representation("tokens", (of,), layers=(number,)) for number in range(len(layers))))


def vectors(architecture: str, of: str) -> tuple[Representation, ...]:
    """Return the vectors of an architecture: its own first, then each pooling where it ends, and of each layer.

    Args:
        architecture: As timm calls it.
        of: The input that they are computed from.
    """
    found = outline(architecture)
    ends = (Representation("pooled", (of,), pooling=pooling) for pooling in found.poolings)
    layers = (
        Representation("pooled", (of,), layers=(number,), pooling=pooling)
        for pooling in found.poolings
        for number in range(len(found.layers))
    )
    return (Representation("pooled", (of,)), *ends, *layers)
