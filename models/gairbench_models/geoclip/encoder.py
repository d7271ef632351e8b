"""The location encoder, which has the capsules of ours at other widths, and its names of their tensors."""

from __future__ import annotations

import re
from typing import cast

import torch
from torch import Tensor

from gairbench import ModelContext
from gairbench.weights.exact_loading import load_exactly
from gairbench_models.location.config import LocationConfig
from gairbench_models.location.fourier import FourierEncoder

DIM = 512
"""Length of its embeddings."""

CONFIG = LocationConfig(sigmas=(1.0, 16.0, 256.0), frequencies=256, hidden=1024)


class GeoClipLocation(FourierEncoder):
    """Its location encoder, which is the sum of three capsules."""

    def __init__(self) -> None:
        super().__init__(CONFIG, DIM)

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, 512)`` float32."""
        return cast(Tensor, self(lonlat))


def load(context: ModelContext) -> GeoClipLocation:
    """Build ``geoclip-location``.

    Raises:
        CheckpointError: There is no file, or it does not hold exactly GeoCLIP's location encoder.
    """
    with torch.device("meta"):
        encoder = GeoClipLocation()
    load_exactly(
        encoder,
        context.required_checkpoint(),
        hint="give location_encoder_weights.pth of the package geoclip",
        theirs=capsule_name,
    )
    return encoder


def capsule_name(ours: str) -> str:
    """Return GeoCLIP's name of a tensor of :class:`gairbench_models.location.fourier.FourierEncoder`."""
    if hidden := re.fullmatch(r"capsules\.(\d+)\.hidden\.(\d)\.(.+)", ours):
        return f"LocEnc{hidden[1]}.capsule.{int(hidden[2]) + 1}.{hidden[3]}"
    renamed = re.sub(r"capsules\.(\d+)\.frequency", r"LocEnc\1.capsule.0.b", ours)
    return re.sub(r"capsules\.(\d+)\.head\.", r"LocEnc\1.head.0.", renamed)
