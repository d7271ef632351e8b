"""Look a tile's token grid up at a point: Neural Implicit Local Interpolation (NILI) and plain alternatives."""

from __future__ import annotations

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

    def dense(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """Look a whole raster up.

        Args:
            tokens: ``(batch, dim, token rows, token columns)``.
            rows: Cells of the raster from north to south.
            columns: Cells of the raster from west to east.

        Returns:
            ``(batch, dim, rows, columns)``, the embeddings at the centres of cells that divide the tile evenly.
        """
        exact = torch.promote_types(tokens.dtype, torch.float32)
        y, x = ((torch.arange(n, device=tokens.device, dtype=exact) * 2 + 1) / n - 1 for n in (rows, columns))
        raster = torch.stack([x.expand(rows, -1), y[:, None].expand(-1, columns)], dim=-1).flatten(0, 1)
        found = self.look_up(tokens, raster.expand(len(tokens), -1, -1))
        return found.transpose(1, 2).reshape(len(tokens), -1, rows, columns)


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
        field = self._field(tokens)
        size = position.new_tensor([tokens.shape[3], tokens.shape[2]])
        # Both are one fused step, without a row of numbers per point and corner: one has a backward pass that is
        # deterministic on every device, the other is faster.
        return _weighted(field, position, size) if torch.is_grad_enabled() else _sampled(field, position, size)

    def _field(self, tokens: Tensor) -> Tensor:
        """Return the grid ``(batch, dim, rows + 2, columns + 2)`` whose bilinear interpolation is the embedding.

        The ring around the cells' own predictions continues the border cells by the offset of a whole cell, which is
        two units wide, as in the [-1, 1] frame times the grid size.
        """
        predicted = self.neighbourhood(tokens)
        row, column = (torch.arange(-1, n + 1, device=tokens.device) for n in tokens.shape[2:])
        inner_row, inner_column = (ring.clamp(0, len(ring) - 3) for ring in (row, column))
        # Not a replicating pad: the backward pass of plain indexing is deterministic on every device.
        continued: Tensor = predicted[:, :, inner_row[:, None], inner_column]
        east, south = self.offset.weight.to(predicted.dtype).unbind(1)
        beyond_east, beyond_south = 2 * (column - inner_column), 2 * (row - inner_row)
        offset = east[:, None, None] * beyond_east + south[:, None, None] * beyond_south[:, None]
        return continued + offset

    def dense(self, tokens: Tensor, rows: int, columns: int) -> Tensor:
        """Look a whole raster up, ``(batch, dim, rows, columns)``, in about the memory of the result."""
        predicted = self.neighbourhood(tokens)
        blended = functional.interpolate(predicted, size=(rows, columns), mode="bilinear", align_corners=False)
        x, y = (
            _beyond(cells, points, predicted) for cells, points in ((tokens.shape[3], columns), (tokens.shape[2], rows))
        )
        east, south = self.offset.weight.to(predicted.dtype).unbind(1)
        # In place: with 768 numbers a point, a second map would be most of the memory.
        blended += (east[:, None] * x)[:, None, :]
        blended += (south[:, None] * y)[:, :, None]
        return blended


def _sampled(field: Tensor, position: Tensor, size: Tensor) -> Tensor:
    """Interpolate a field of a tile of ``size`` cells, which ends half a cell inside the field's outermost ones."""
    exact = torch.promote_types(field.dtype, torch.float32)
    grid = (position * (size / (size + 2)))[:, :, None].to(exact)
    sampled = functional.grid_sample(field.to(exact), grid, mode="bilinear", align_corners=False)
    return sampled.squeeze(-1).transpose(1, 2).to(field.dtype)


def _weighted(field: Tensor, position: Tensor, size: Tensor) -> Tensor:
    """Do the same as a weighted sum of rows of a table."""
    rows, columns = field.shape[2:]
    # In cells, whole numbers at their centres.
    cell = (position + 1) / 2 * size + 0.5
    low = cell.floor().clamp(max=size)
    east, south = (cell - low).unbind(-1)
    weights = torch.stack([(1 - east) * (1 - south), east * (1 - south), (1 - east) * south, east * south], dim=-1)
    column, row = low.long().unbind(-1)
    tile = torch.arange(len(field), device=field.device)[:, None]
    steps = torch.tensor([0, 1, columns, columns + 1], device=field.device)
    corners = ((tile * rows + row) * columns + column)[..., None] + steps
    summed = functional.embedding_bag(
        corners.flatten(0, 1),
        field.permute(0, 2, 3, 1).flatten(0, 2),
        mode="sum",
        per_sample_weights=weights.to(field.dtype).flatten(0, 1),
    )
    return summed.view(*position.shape[:2], -1)


def _beyond(cells: int, points: int, like: Tensor) -> Tensor:
    """Return how far, in half cells, each of evenly spaced points lies beyond the outermost centres of the cells."""
    centre = torch.arange(points, device=like.device, dtype=torch.float32) + 0.5
    cell = centre * (cells / points) - 0.5
    return (2 * (cell - cell.clamp(0, cells - 1))).to(like.dtype)


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
