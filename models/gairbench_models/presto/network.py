"""Presto's encoder: one token a month and group of bands, one of relief and one of the place (arXiv 2304.14065)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from gairbench_models.satellite_groups import DYNAMIC_WORLD, FRAMES, GROUPS
from gairbench_models.satellite_series import month_embedding

WIDTH = 128
_DEPTH, _HEADS = 2, 8
_MONTH, _CHANNEL, _POSITION = 32, 32, 64
"""Widths of what is added to a token."""

_BASE = 1_000
"""Of the wavelengths of positions in time."""

LAND_COVER = "dynamic_world"
"""The group of classes of land cover. The weights have a class more, for months without one, which have no token."""

_STATIC = "SRTM"
"""The group that does not change: its first month alone is a token, which has neither month nor position."""


class PrestoEncoder(nn.Module):
    """The encoder with the names of the published weights; the decoder of the pre-training is left aside."""

    def __init__(self) -> None:
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(len(bands), WIDTH) for name, bands in GROUPS.items()})
        self.dw_embed = nn.Embedding(len(DYNAMIC_WORLD) + 1, WIDTH)
        self.latlon_embed = nn.Linear(3, WIDTH)
        self.blocks = nn.ModuleList(
            Block(WIDTH, _HEADS, qkv_bias=True, norm_layer=nn.LayerNorm)  # an MLP of four times the width
            for _ in range(_DEPTH)
        )
        self.norm = nn.LayerNorm(WIDTH)
        self.pos_embed = nn.Parameter(position_table(FRAMES[1], _POSITION)[None], requires_grad=False)
        self.month_embed = month_embedding(_MONTH)
        self.channel_embed = nn.Embedding(len(GROUPS) + 1, _CHANNEL)

    def forward(
        self,
        groups: Mapping[str, Tensor],
        months: Mapping[str, Tensor],
        place: Tensor,
        steps: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Embed series of which every frame is there.

        Args:
            groups: ``(batch, time, band)`` normalized, by group, and ``(batch, time)`` classes of land cover; those
                that the data lack are left out.
            months: ``(batch, time)`` of each group, January is 0.
            place: ``(batch, 3)``, the unit vector from the Earth's centre.
            steps: ``(time,)`` of each group, which months of the series they are; ``None``: the first ones.

        Returns:
            ``(batch, 128)``: the norm of the mean of all tokens.
        """
        tokens = [self.latlon_embed(place)[:, None]]
        for channel, name in enumerate((*GROUPS, LAND_COVER)):
            if name not in groups:
                continue
            values = groups[name]
            if name == _STATIC:
                tokens.append(self.eo_patch_embed[name](values[:, :1]) + self._encoding(channel))
                continue
            own = torch.arange(values.shape[1], device=values.device) if steps is None else steps[name]
            token = self.dw_embed(values) if name == LAND_COVER else self.eo_patch_embed[name](values)
            tokens.append(token + self._encoding(channel, months[name], own))
        x = torch.cat(tokens, dim=1)
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.norm(x.mean(dim=1))
        return embedding

    def _encoding(self, channel: int, months: Tensor | None = None, steps: Tensor | None = None) -> Tensor:
        """Return what is added to the tokens of a group, ``(batch or 1, time or 1, 128)``."""
        own = self.channel_embed.weight[channel]
        if months is None or steps is None:
            return torch.cat([own.new_zeros(_MONTH), own, own.new_zeros(_POSITION)])[None, None]
        shape = (*months.shape, -1)
        position = self.pos_embed[:, steps]
        return torch.cat([self.month_embed(months), own.expand(shape), position.expand(shape)], dim=-1)


def position_table(steps: int, width: int) -> Tensor:
    """Return sines and cosines of the number of a month ``(steps, width)``, one after the other."""
    frequency = _BASE ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(steps, dtype=torch.float64)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1).float()
