"""Overhead images to a grid of tokens: CROMA's optical ViT with 2-D ALiBi."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torch.nn import functional

from gairbench_models.gair.config import VisionConfig


def alibi_bias(rows: int, columns: int, heads: int) -> Tensor:
    """Return the 2-D ALiBi attention bias: minus the patch distance, times a slope per head.

    After Press et al. (arXiv 2108.12409), in two dimensions as in CROMA (arXiv 2311.00566).

    Args:
        rows: Patches from north to south.
        columns: Patches from west to east.
        heads: Attention heads; head h = 1 ... ``heads`` has slope 2^(-8h / heads).

    Returns:
        ``(heads, rows * columns, rows * columns)`` float32, patches row by row.
    """
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    position = torch.stack([row.flatten(), column.flatten()], dim=1).double()
    # Differences, not torch.cdist: its matrix-multiplication shortcut leaves rounding errors on the diagonal.
    distance = (position[:, None] - position[None]).square().sum(-1).sqrt()
    slope = 2.0 ** (-8.0 * torch.arange(1, heads + 1, dtype=torch.float64) / heads)
    return (-slope[:, None, None] * distance).float()


class Attention(nn.Module):
    """Multi-head self-attention with an additive bias; queries, keys and values have no bias of their own.

    Args:
        width: Length of a token.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Attend.

        Args:
            tokens: ``(batch, n, width)``.
            bias: ``(heads, n, n)``, or ``(batch, heads, n, n)``, added to the scaled scores.

        Returns:
            ``(batch, n, width)``.
        """
        batch, n, width = tokens.shape
        qkv = self.qkv(tokens).view(batch, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return cast(Tensor, self.proj(attended.transpose(1, 2).reshape(batch, n, width)))


class TransformerBlock(nn.Module):
    """A pre-norm transformer block.

    Args:
        width: Length of a token.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def forward(self, tokens: Tensor, bias: Tensor) -> Tensor:
        """Map tokens ``(batch, n, width)`` to tokens of the same shape."""
        tokens = tokens + self.attn(self.norm1(tokens), bias)
        return cast(Tensor, tokens + self.mlp(self.norm2(tokens)))


class RSEncoder(nn.Module):
    """A ViT without class token, position embedding or final norm; position is in the attention bias alone.

    Args:
        config: Its size.
    """

    bias: Tensor

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.config = config
        self.patch_embed = nn.Linear(config.bands * config.patch_size**2, config.width)
        self.blocks = nn.ModuleList(TransformerBlock(config.width, config.heads) for _ in range(config.depth))
        bias = alibi_bias(config.grid_size, config.grid_size, config.heads)
        self.register_buffer("bias", bias, persistent=False)
        self.apply(_initialize)

    def forward(self, images: Tensor) -> Tensor:
        """Encode.

        Args:
            images: ``(batch, band, height, width)``, normalized, north up; any multiple of the patch size.

        Returns:
            Token grid ``(batch, dim, rows, columns)``.

        Raises:
            ValueError: The number of bands or the image size does not fit.
        """
        tokens, (rows, columns) = self.embed(images)
        bias = self.bias_of(rows, columns)
        for block in self.blocks:
            tokens = block(tokens, bias)
        return tokens.transpose(1, 2).reshape(len(images), -1, rows, columns)

    def grids(self, images: Tensor, layers: Sequence[int]) -> list[Tensor]:
        """Encode no further than needed, and return the tokens after some of the blocks.

        Args:
            images: As :meth:`forward` takes them.
            layers: Blocks, counted from 0.

        Returns:
            A token grid ``(batch, dim, rows, columns)`` for each.
        """
        tokens, (rows, columns) = self.embed(images)
        bias = self.bias_of(rows, columns)
        found: dict[int, Tensor] = {}
        for number, block in enumerate(self.blocks[: max(layers) + 1]):
            tokens = block(tokens, bias)
            if number in layers:
                found[number] = tokens.transpose(1, 2).reshape(len(images), -1, rows, columns)
        return [found[number] for number in layers]

    def embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Map images to patch tokens ``(batch, rows * columns, width)`` before the blocks, and rows and columns."""
        patch = self.config.patch_size
        batch, bands, height, width = images.shape
        if bands != self.config.bands or height % patch or width % patch:
            raise ValueError(
                f"RS images of shape {tuple(images.shape[1:])}: expected {self.config.bands} bands and edges that are"
                f" multiples of {patch}"
            )
        rows, columns = height // patch, width // patch
        # Feature order within a patch: channel, row, column.
        patches = images.view(batch, bands, rows, patch, columns, patch).permute(0, 2, 4, 1, 3, 5)
        return self.patch_embed(patches.reshape(batch, rows * columns, bands * patch * patch)), (rows, columns)

    def bias_of(self, rows: int, columns: int) -> Tensor:
        """Return the attention bias of a grid, ``(heads, rows * columns, rows * columns)``."""
        if (rows, columns) == (self.config.grid_size, self.config.grid_size):
            return self.bias
        return alibi_bias(rows, columns, self.config.heads).to(self.bias.device)


def _initialize(module: nn.Module) -> None:
    """Initialize as timm's ViT does, so that both image encoders start alike."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
