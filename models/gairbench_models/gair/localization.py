"""Look a tile's token grid up at a point: Neural Implicit Local Interpolation (NILI) and plain alternatives."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gairbench_models.gair.config import Localization


class Localizer(nn.Module):
    """Turns a token grid and points into localized embeddings; a subclass implements :meth:`look_up`."""

    def forward(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Look up one or many points per tile.

        Args:
            tokens: ``(batch, dim, rows, columns)``.
            position: ``(batch, 2)`` or ``(batch, points, 2)`` from :func:`relative_position`.

        Returns:
            ``(batch, dim)`` or ``(batch, points, dim)``.
        """
        if position.ndim == 2:
            return self.look_up(tokens, position[:, None]).squeeze(1)
        return self.look_up(tokens, position)

    def look_up(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Map a grid and points ``(batch, points, 2)`` to ``(batch, points, dim)``."""
        raise NotImplementedError


class Nili(Localizer):
    """Neural Implicit Local Interpolation (GAIR, arXiv 2503.16683; after LIIF, arXiv 2012.09161).

    By definition, each of the four cells around a point predicts from its 3x3 neighbourhood and the point's offset from
    its centre, through one shared linear layer, and the four predictions are blended with the area of the diagonally
    opposite rectangle. The layer being linear, the neighbourhood's part is one convolution of the whole grid; the areas
    being bilinear weights, the blended offset is zero between cell centres, and beyond the outermost ones it is the
    distance to them.

    Args:
        dim: Length of a token and of the result.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.neighbourhood = nn.Conv2d(dim, dim, kernel_size=3, padding=1)
        self.offset = nn.Linear(2, dim, bias=False)

    def look_up(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Map a grid and points ``(batch, points, 2)`` to ``(batch, points, dim)``; memory is linear in points."""
        rows, columns = tokens.shape[2:]
        predicted = self.neighbourhood(tokens).flatten(2).transpose(1, 2)
        size = position.new_tensor([columns, rows])
        # In cells, whole numbers at their centres; beyond the outermost centres the border cell answers alone.
        cell = ((position + 1) * size - 1) / 2
        inner = cell.clamp(min=torch.zeros_like(size), max=size - 1)
        low = inner.floor().clamp(max=(size - 2).clamp(min=0))
        share = inner - low
        column, row = low.long().unbind(-1)
        east, south = share.to(predicted.dtype)[..., None].unbind(-2)
        step_east, step_south = min(1, columns - 1), columns * min(1, rows - 1)
        corner = row * columns + column
        blended = (
            _take(predicted, corner) * (1 - east) * (1 - south)
            + _take(predicted, corner + step_east) * east * (1 - south)
            + _take(predicted, corner + step_south) * (1 - east) * south
            + _take(predicted, corner + step_east + step_south) * east * south
        )
        # A cell is two units wide, as in the [-1, 1] frame times the grid size.
        return blended + cast(Tensor, self.offset((2 * (cell - inner)).to(tokens.dtype)))


def _take(grid: Tensor, index: Tensor) -> Tensor:
    """Pick cells ``(batch, points)`` of a flat grid ``(batch, cells, dim)``."""
    # Not torch.gather: the backward pass of plain indexing is deterministic on every device.
    return grid[torch.arange(len(grid), device=grid.device)[:, None], index]


class Sampled(Localizer):
    """Plain interpolation of the token grid, which fades to zero beyond the outermost cell centres, as published.

    Args:
        mode: ``"bilinear"`` or ``"bicubic"``.
    """

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def look_up(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Map a grid and points ``(batch, points, 2)`` to ``(batch, points, dim)``."""
        grid = position[:, :, None].to(tokens.dtype)
        sampled = functional.grid_sample(tokens, grid, mode=self.mode, padding_mode="zeros", align_corners=False)
        return sampled.squeeze(-1).transpose(1, 2)


class MeanToken(Localizer):
    """The tile's mean token wherever the point lies: GAIR without localization."""

    def look_up(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Map a grid and points ``(batch, points, 2)`` to ``(batch, points, dim)``."""
        return tokens.flatten(2).mean(-1)[:, None].expand(-1, position.shape[1], -1)


def make_localizer(name: Localization, dim: int) -> Localizer:
    """Build what a configuration names."""
    match name:
        case "nili":
            return Nili(dim)
        case "none":
            return MeanToken()
        case mode:
            return Sampled(mode)
