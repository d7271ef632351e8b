"""The pair of image encoders, and how rivals train them side by side."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gairbench_models.gair.readouts import ReadsOut
from gairbench_models.gair.rs_encoder import RSEncoder
from gairbench_models.gair.sv_encoder import SVEncoder
from gairbench_models.image_pair.config import PairConfig


class VisionPair(ReadsOut, nn.Module):
    """An overhead and a street-view encoder that know nothing of each other.

    Args:
        config: Their sizes.
        sv_patch_drop: Share of street-view patches left out at random in training mode.
    """

    def __init__(self, config: PairConfig, *, sv_patch_drop: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.rs_encoder = RSEncoder(config.rs)
        self.sv_encoder = SVEncoder(config.sv, patch_drop=sv_patch_drop)
        if config.sv_pool == "mean":
            # Nothing would train it.
            del self.sv_encoder.pooler

    def encode_rs(self, images: Tensor) -> Tensor:
        """Map overhead images ``(batch, band, height, width)`` to the mean token ``(batch, width)``."""
        return self.encode_rs_tokens(images).flatten(2).mean(-1)

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Map overhead images to tokens ``(batch, width, rows, columns)``, north up."""
        return cast(Tensor, self.rs_encoder(images))

    def encode_sv(self, images: Tensor) -> Tensor:
        """Map photos ``(batch, 3, height, width)`` to ``(batch, width)``."""
        if self.config.sv_pool == "pooler":
            return cast(Tensor, self.sv_encoder(images))
        tokens: Tensor = self.sv_encoder.vit.forward_features(images)
        return tokens[:, 1:].mean(1)


def untrained_pair(config: PairConfig, seed: int, *, sv_patch_drop: float = 0.0) -> VisionPair:
    """Build a pair with initial weights that depend on nothing but the seed; global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return VisionPair(config, sv_patch_drop=sv_patch_drop)
