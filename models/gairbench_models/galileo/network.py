"""Galileo's encoder: tokens of patches and months, of patches, of months and of the whole image (arXiv 2502.09356)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import torch
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torch.nn import functional

from gairbench_models.galileo.groups import SPACE, SPACE_TIME, STATIC, TIME
from gairbench_models.satellite_groups import FRAMES, GSD_M
from gairbench_models.satellite_series import month_embedding

_WIDTH, _DEPTH, _HEADS = 128, 4, 8
_PART = _WIDTH // 4
"""Width of each of the four encodings: group, position in time, month, position in space."""

PATCH = 8
"""Edge in pixels of the stored kernels, the greatest that there is."""

_BASE = 10_000
"""Of the wavelengths of positions."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the encoder makes of samples with the same groups.

    Args:
        patches: ``(batch, rows, columns, token, 128)``; no rows where no group has a grid.
        others: ``(batch, token, 128)`` of months and of the whole image.
    """

    patches: Tensor
    others: Tensor


class GalileoEncoder(nn.Module):
    """The encoder of Galileo-nano, with the names of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        self.space_time_embed = nn.ModuleDict({name: PatchEmbedding(len(bands)) for name, bands in SPACE_TIME.items()})
        self.space_embed = nn.ModuleDict({name: PatchEmbedding(len(bands)) for name, bands in SPACE.items()})
        self.time_embed = nn.ModuleDict({name: nn.Linear(len(bands), _WIDTH) for name, bands in TIME.items()})
        self.static_embed = nn.ModuleDict({name: nn.Linear(len(bands), _WIDTH) for name, bands in STATIC.items()})
        self.s_t_channel_embed = nn.Parameter(torch.randn(len(SPACE_TIME), _PART))
        self.sp_channel_embed = nn.Parameter(torch.randn(len(SPACE), _PART))
        self.t_channel_embed = nn.Parameter(torch.randn(len(TIME), _PART))
        self.st_channel_embed = nn.Parameter(torch.randn(len(STATIC), _PART))
        self.pos_embed = nn.Parameter(sin_cos_of(torch.arange(FRAMES[1]), _PART), requires_grad=False)
        self.month_embed = month_embedding(_PART)
        self.blocks = nn.ModuleList(GalileoBlock() for _ in range(_DEPTH))
        self.norm = nn.LayerNorm(_WIDTH)

    def forward(
        self,
        groups: Mapping[str, Tensor],
        months: Mapping[str, Tensor],
        patch: int = PATCH,
        resolution_m: Tensor | None = None,
        steps: Mapping[str, Tensor] | None = None,
    ) -> Tokens:
        """Embed samples of which every frame is there.

        Args:
            groups: Normalized values by group, those that the data lack left out: ``(batch, time, band, height,
                width)`` of space and time, ``(batch, band, height, width)`` of space, ``(batch, time, band)`` of time
                and ``(batch, band)`` of neither. All grids are of one size, of which ``patch`` is a divisor.
            months: ``(batch, time)`` of each group that has a time, January is 0.
            patch: Edge of a patch in pixels, 1 to 8.
            resolution_m: ``(batch,)`` metres per pixel; ``None``: 10.
            steps: ``(time,)`` of each group that has a time, which months of the series they are; ``None``: the first
                ones.

        Returns:
            The tokens after the norm.
        """
        count = len(next(iter(groups.values())))
        steps = steps or {}
        patches: list[Tensor] = []
        for number, name in enumerate(SPACE_TIME):
            if name in groups:
                x = self.space_time_embed[name](groups[name].flatten(0, 1), patch).unflatten(0, (count, -1))
                x = x.permute(0, 3, 4, 1, 2)  # (batch, rows, columns, time, width)
                places = self._places(x, patch, resolution_m)[:, :, :, None]
                encoding = self._encoding(self.s_t_channel_embed[number], x, months[name], places, steps.get(name))
                patches.append(x + encoding)
        for number, name in enumerate(SPACE):
            if name in groups:
                x = self.space_embed[name](groups[name], patch).permute(0, 2, 3, 1)[:, :, :, None]
                places = self._places(x, patch, resolution_m)[:, :, :, None]
                patches.append(x + self._encoding(self.sp_channel_embed[number], x, None, places))
        others: list[Tensor] = []
        for number, name in enumerate(TIME):
            if name in groups:
                x = self.time_embed[name](groups[name])
                others.append(x + self._encoding(self.t_channel_embed[number], x, months[name], steps=steps.get(name)))
        for number, name in enumerate(STATIC):
            if name in groups:
                x = self.static_embed[name](groups[name])[:, None]
                others.append(x + self._encoding(self.st_channel_embed[number], x))
        empty = self.pos_embed.new_zeros(count, 0, _WIDTH)
        gridded = torch.cat(patches, dim=3) if patches else empty[:, None, None, :, :].expand(-1, 0, 0, -1, -1)
        tokens = torch.cat([gridded.flatten(1, 3), *others, empty], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        split = gridded.shape[1] * gridded.shape[2] * gridded.shape[3]
        return Tokens(tokens[:, :split].reshape(gridded.shape), tokens[:, split:])

    def _encoding(
        self,
        group: Tensor,
        like: Tensor,
        months: Tensor | None = None,
        places: Tensor | None = None,
        steps: Tensor | None = None,
    ) -> Tensor:
        """Return what is added to the tokens of a group: group, position in time, month, position in space.

        Args:
            group: ``(32,)``.
            like: Tokens ``(batch, [rows, columns,] time, 128)``.
            months: ``(batch, time)``; ``None``: they have no time.
            places: ``(batch, rows, columns, 1, 32)``; ``None``: they have no place.
            steps: ``(time,)``, which months of the series they are; ``None``: the first ones.
        """
        shape = (*like.shape[:-1], _PART)
        nothing = group.new_zeros(()).expand(shape)
        time = month = nothing
        if months is not None:
            position = self.pos_embed[: like.shape[-2]] if steps is None else self.pos_embed[steps]
            time = position.expand(shape)
            encoded = self.month_embed(months)
            month = (encoded[:, None, None] if like.dim() == 5 else encoded).expand(shape)
        space = nothing if places is None else places.expand(shape)
        return torch.cat([group.expand(shape), time, month, space], dim=-1)

    def _places(self, like: Tensor, patch: int, resolution_m: Tensor | None) -> Tensor:
        """Return the encoding of each patch's place in the image, ``(batch, rows, columns, 32)``."""
        count, rows, columns = like.shape[:3]
        metres = torch.full((count,), GSD_M, device=like.device) if resolution_m is None else resolution_m
        step = patch * metres[:, None, None].to(like.dtype) / GSD_M
        x = (torch.arange(columns, device=like.device) * step).expand(-1, rows, -1)
        y = (torch.arange(rows, device=like.device)[:, None] * step).expand(-1, -1, columns)
        return torch.cat([sin_cos_of(x, _PART // 2), sin_cos_of(y, _PART // 2)], dim=-1)


class PatchEmbedding(nn.Module):
    """A convolution whose kernel is resized to the patches asked for (FlexiViT, arXiv 2212.08013).

    Args:
        bands: Of the images.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(bands, _WIDTH, PATCH, PATCH)

    def forward(self, images: Tensor, patch: int) -> Tensor:
        """Return tokens ``(batch, 128, rows, columns)`` of images ``(batch, band, height, width)``."""
        kernel = self.proj.weight
        if patch != PATCH:
            resized = kernel.flatten(2) @ kernel_resizing(patch).to(kernel)
            kernel = resized.view(*kernel.shape[:2], patch, patch)
        return functional.conv2d(images, kernel, self.proj.bias, stride=patch)


@cache
def kernel_resizing(patch: int) -> Tensor:
    """Return the matrix ``(64, patch * patch)`` that resizes kernels, to be applied from the right.

    A resized kernel answers to a resized patch as the stored one answers to the patch, as nearly as can be: the matrix
    is the pseudo-inverse of bicubic resizing.
    """
    pixels = torch.eye(PATCH * PATCH, dtype=torch.float64).view(-1, 1, PATCH, PATCH)
    resized = functional.interpolate(pixels, (patch, patch), mode="bicubic", antialias=True, align_corners=False)
    inverse: Tensor = torch.linalg.pinv(resized.flatten(1).T)
    return inverse


class GalileoBlock(nn.Module):
    """A transformer block with the norms first, and queries, keys and values apart."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(_WIDTH)
        self.attn = GalileoAttention()
        self.norm2 = nn.LayerNorm(_WIDTH)
        self.mlp = Mlp(_WIDTH, 4 * _WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens ``(batch, token, 128)`` that have looked at each other."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))  # type: ignore[no-any-return]


class GalileoAttention(nn.Module):
    """Attention of several heads, of all tokens to all."""

    def __init__(self) -> None:
        super().__init__()
        self.q = nn.Linear(_WIDTH, _WIDTH)
        self.k = nn.Linear(_WIDTH, _WIDTH)
        self.v = nn.Linear(_WIDTH, _WIDTH)
        self.proj = nn.Linear(_WIDTH, _WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens ``(batch, token, 128)`` to as many."""
        query, key, value = (
            part(tokens).unflatten(2, (_HEADS, -1)).transpose(1, 2) for part in (self.q, self.k, self.v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def sin_cos_of(position: Tensor, width: int) -> Tensor:
    """Encode positions.

    Args:
        position: Of any shape.
        width: Of the encoding.

    Returns:
        ``(..., width)``: half of it sines, half cosines, of wavelengths as the published code has them: a quarter of
        the usual range of exponents.
    """
    frequency = _BASE ** -(torch.arange(width // 2, dtype=torch.float64, device=position.device) / width / 2)
    angle = position.double()[..., None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=-1).float()
