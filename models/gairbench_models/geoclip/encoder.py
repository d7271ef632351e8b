"""The location encoder, which has the capsules of ours at other widths, and its names of their tensors."""

from __future__ import annotations

import re
from typing import cast

import torch
from torch import Tensor

from gairbench import ModelContext
from gairbench.weights.tensors import check_tensors, read_file, state_dict
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
    path = context.required_checkpoint()
    with torch.device("meta"):
        encoder = GeoClipLocation()
    theirs = {name: capsule_name(name) for name in encoder.state_dict()}
    found = state_dict(read_file(path), path)
    expected = {theirs[name]: tuple(value.shape) for name, value in encoder.state_dict().items()}
    check_tensors(found, expected, path, "give location_encoder_weights.pth of the package geoclip")
    encoder.to_empty(device="cpu")
    encoder.load_state_dict({name: found[theirs[name]] for name in theirs})
    return encoder


def capsule_name(ours: str) -> str:
    """Return GeoCLIP's name of a tensor of :class:`gairbench_models.location.fourier.FourierEncoder`."""
    if hidden := re.fullmatch(r"capsules\.(\d+)\.hidden\.(\d)\.(.+)", ours):
        return f"LocEnc{hidden[1]}.capsule.{int(hidden[2]) + 1}.{hidden[3]}"
    renamed = re.sub(r"capsules\.(\d+)\.frequency", r"LocEnc\1.capsule.0.b", ours)
    return re.sub(r"capsules\.(\d+)\.head\.", r"LocEnc\1.head.0.", renamed)
