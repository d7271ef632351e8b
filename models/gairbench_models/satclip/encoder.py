"""The location encoder: harmonics and sines of ours, with SatCLIP's weights."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from gairbench import HubWeights, ModelContext
from gairbench.weights.tensors import check_tensors, read_file, state_dict
from gairbench_models.location.config import LocationConfig
from gairbench_models.location.encoders import HarmonicSiren
from gairbench_models.satclip import MODELS
from gairbench_models.satclip.layout import check_released, location_tensors, satclip_factors, satclip_name

DIM = 256
"""Length of its embeddings."""

_FIRST = "network.0.weight"


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
    with torch.random.fork_rng(devices=[]):
        encoder = SatClipLocation(config, DIM)
    content = read_file(path)
    check_released(content.get("hyper_parameters"), path)
    found = location_tensors(state_dict(content, path))
    ours = encoder.state_dict()
    theirs = {name: satclip_name(name, config.layers) for name in ours}
    expected = {theirs[name]: tuple(value.shape) for name, value in ours.items()}
    weights = MODELS[0].preset(context.preset).weights
    assert isinstance(weights, HubWeights)  # noqa: S101  (all of its presets have such)
    check_tensors(found, expected, path, f"give {weights.filename} of {weights.repo}")
    taken = {name: found[theirs[name]] for name in ours}
    # Released weights are of SatCLIP's own harmonics, and float64.
    taken[_FIRST] = taken[_FIRST].double() * satclip_factors(config.degrees)
    encoder.load_state_dict(taken)
    return encoder
