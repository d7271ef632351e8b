"""The location encoder: harmonics and sines of ours, with SatCLIP's weights."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from gairbench import HubWeights, ModelContext
from gairbench.weights.exact_loading import load_exactly
from gairbench.weights.tensors import read_file
from gairbench_models.location.config import LocationConfig
from gairbench_models.location.encoders import HarmonicSiren
from gairbench_models.satclip import MODELS
from gairbench_models.satclip.layout import check_released, satclip_factors, satclip_name

DIM = 256
"""Length of its embeddings."""


def released_config(preset: str) -> LocationConfig:
    """Return the size of a released encoder, as ``"vit16-l40"``."""
    degrees = int(preset.rpartition("-l")[2])
    return LocationConfig(encoder="sh-siren", degrees=degrees, layers=2, hidden=512, frequencies=1)


class SatClipLocation(HarmonicSiren):
    """Its location encoder."""

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, 256)`` float32."""
        return cast(Tensor, self(lonlat))


def load(context: ModelContext) -> SatClipLocation:
    """Build ``satclip-location``.

    Raises:
        CheckpointError: There is no file, or it does not hold the location encoder of the preset.
    """
    path = context.required_checkpoint()
    config = released_config(context.preset)
    with torch.device("meta"):
        encoder = SatClipLocation(config, DIM)
    check_released(read_file(path).get("hyper_parameters"), path)
    weights = MODELS[0].preset(context.preset).weights
    assert isinstance(weights, HubWeights)  # noqa: S101  (all of its presets have such)
    load_exactly(
        encoder,
        path,
        hint=f"give {weights.filename} of {weights.repo}",
        theirs=lambda name: satclip_name(name, config.layers),
        # A whole SatCLIP has the location encoder's network twice.
        taken=lambda name: name.partition("location.")[2],
    )
    first = encoder.get_parameter("network.0.weight")
    # Released weights are of SatCLIP's own harmonics.
    first.data = (first.double() * satclip_factors(config.degrees)).float().detach()
    return encoder
