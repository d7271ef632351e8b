"""Presto's encoder: one token a month and group of bands, one of relief and one of the place (arXiv 2304.14065)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from gairbench_models.satellite_groups import FRAMES, GROUPS
from gairbench_models.satellite_series import month_embedding

WIDTH = 128
_DEPTH, _HEADS = 2, 8
_MONTH, _CHANNEL, _POSITION = 32, 32, 64
"""Widths of what is added to a token."""

_BASE = 1_000
"""Of the wavelengths of positions in time."""

DYNAMIC_WORLD = 9
"""Classes of land cover; the number after the last class stands for a month without one."""

_STATIC = "SRTM"
"""The group that does not change: its first month alone is a token, which has neither month nor position."""


class PrestoEncoder(nn.Module):
    """The encoder with the names of the published weights; the decoder of the pre-training is left aside."""

    def __init__(self) -> None:
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(len(bands), WIDTH) for name, bands in GROUPS.items()})
        self.dw_embed = nn.Embedding(DYNAMIC_WORLD + 1, WIDTH)
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
        dynamic_world: Tensor | None = None,
    ) -> Tensor:
        """Embed series of which every frame is there.

        Args:
            groups: ``(batch, time, band)`` normalized, by group; those that the data lack are left out.
            months: ``(batch, time)`` of each group, January is 0; of land cover under ``"dynamic_world"``.
            place: ``(batch, 3)``, the unit vector from the Earth's centre.
            dynamic_world: ``(batch, time)`` classes of land cover.

        Returns:
            ``(batch, 128)``: the norm of the mean of all tokens.
        """
        tokens = [self.latlon_embed(place)[:, None]]
        for channel, name in enumerate(GROUPS):
            if name not in groups:
                continue
            if name == _STATIC:
                tokens.append(self.eo_patch_embed[name](groups[name][:, :1]) + self._encoding(channel))
            else:
                tokens.append(self.eo_patch_embed[name](groups[name]) + self._encoding(channel, months[name]))
        if dynamic_world is not None:
            tokens.append(self.dw_embed(dynamic_world) + self._encoding(len(GROUPS), months["dynamic_world"]))
        x = torch.cat(tokens, dim=1)
        for block in self.blocks:
            x = block(x)
        embedding: Tensor = self.norm(x.mean(dim=1))
        return embedding

    def _encoding(self, channel: int, months: Tensor | None = None) -> Tensor:
        """Return what is added to the tokens of a group, ``(batch or 1, time or 1, 128)``."""
        own = self.channel_embed.weight[channel]
        if months is None:
            return torch.cat([own.new_zeros(_MONTH), own, own.new_zeros(_POSITION)])[None, None]
        shape = (*months.shape, -1)
        position = self.pos_embed[:, : months.shape[1]]
        return torch.cat([self.month_embed(months), own.expand(shape), position.expand(shape)], dim=-1)


def position_table(steps: int, width: int) -> Tensor:
    """Return sines and cosines of the number of a month ``(steps, width)``, one after the other."""
    frequency = _BASE ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)
    angle = torch.arange(steps, dtype=torch.float64)[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1).float()
