"""Which layers and poolings an architecture of timm has, known without making its weights."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import timm
import torch

from gairbench_models.timm_models.offers import Outline


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
