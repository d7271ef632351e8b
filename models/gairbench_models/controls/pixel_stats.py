"""Statistics of the pixels: what an image encoder must beat."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gairbench import ModelContext
from gairbench.batch import Batch, Images
from gairbench.errors import CheckpointError
from gairbench.representation import Representation

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_LEVELS = 4
"""Steps per band of the joint colour histogram."""

GRID = 6
"""Rows and columns of the token grid, as many as GAIR's small presets have."""


class PixelStats:
    """Per-band mean, deviation and quantiles, and of RGB images a joint colour histogram; no layout, no texture.

    RGB images, overhead and photos, are described alike, so that the two can be compared. Other overhead images are
    described band by band, over all frames of a series; those of several inputs follow each other.
    """

    def encode_rs(self, images: Tensor) -> Tensor:
        """Map RGB images ``(batch, 3, height, width)`` in display values to ``(batch, 85)``, values in 0 ... 1."""
        return _describe(images.flatten(2))

    def encode_sv(self, images: Tensor) -> Tensor:
        """Map RGB photos ``(batch, 3, height, width)`` in display values to ``(batch, 85)``, values in 0 ... 1."""
        return _describe(images.flatten(2))

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Describe each cell of a 6 x 6 grid: ``(batch, 3, height, width)`` to ``(batch, 85, 6, 6)``."""
        cells = _cells(images)
        described = _describe(cells.flatten(0, 1))
        return described.view(len(images), GRID, GRID, -1).permute(0, 3, 1, 2)

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Describe any bands, 7 numbers each.

        Args:
            batch: Series ``(batch, time, band, height, width)`` in whatever units they have.
            wanted: The vector, or the token grid.

        Returns:
            ``(batch, 7 * bands)``, or ``(batch, 7 * bands, 6, 6)``.
        """
        parts = [_of_series(image, grid=wanted.form == "tokens") for image in batch.images.values()]
        return torch.cat(parts, dim=1)


def _of_series(image: Images, *, grid: bool) -> Tensor:
    described = []
    # Samples of one length together: padding of shorter series takes no part.
    lengths = image.valid.sum(dim=1)
    for length in sorted(set(lengths.tolist())):
        rows = lengths == length
        series = image.values[rows, :length]
        if grid:
            count = len(series)
            cells = _cells(series.flatten(0, 1))
            cells = cells.view(count, length, *cells.shape[1:])
            # (sample, time, cell, band, pixel) -> (sample, cell, band, time and pixel)
            flat = _bands(cells.permute(0, 2, 3, 1, 4).flatten(3).flatten(0, 1))
            values = flat.view(count, GRID, GRID, -1).permute(0, 3, 1, 2)
        else:
            values = _bands(series.transpose(1, 2).flatten(2))
        described.append((rows, values))
    out = described[0][1].new_empty(len(lengths), *described[0][1].shape[1:])
    for rows, values in described:
        out[rows] = values
    return out


def _cells(images: Tensor) -> Tensor:
    """Cut images ``(batch, band, height, width)`` into ``(batch, cell, band, pixel)``, 6 x 6 cells of equal size."""
    height, width = images.shape[2:]
    # A remainder is shared out by repeating border pixels of the enlarged image.
    rows, columns = -(-height // GRID), -(-width // GRID)
    if (rows * GRID, columns * GRID) != (height, width):
        images = functional.interpolate(images, size=(rows * GRID, columns * GRID), mode="nearest-exact")
    cells = images.reshape(*images.shape[:2], GRID, rows, GRID, columns).permute(0, 2, 4, 1, 3, 5)
    return cells.reshape(len(images), GRID * GRID, images.shape[1], rows * columns)


def _bands(values: Tensor) -> Tensor:
    """Map pixels ``(batch, band, n)`` to their mean, deviation and quantiles, ``(batch, 7 * band)``."""
    ordered = values.sort(dim=2).values
    # Nearest rank, as interpolating between ranks adds nothing at this many pixels.
    ranks = (torch.tensor(_QUANTILES) * (values.shape[2] - 1)).round().long().to(values.device)
    quantiles = ordered[:, :, ranks]
    spread = values.std(dim=2, correction=0)
    return torch.cat([values.mean(dim=2), spread, quantiles.flatten(1)], dim=1)


def _describe(pixels: Tensor) -> Tensor:
    """Map pixels ``(batch, 3, n)`` in display values to ``(batch, 3 + 3 + 15 + 64)``."""
    values = pixels.float() / 255
    level = (values * _LEVELS).long().clamp(0, _LEVELS - 1)
    colour = (level[:, 0] * _LEVELS + level[:, 1]) * _LEVELS + level[:, 2]
    histogram = values.new_zeros(len(values), _LEVELS**3)
    histogram.scatter_add_(1, colour, torch.ones_like(colour, dtype=values.dtype) / colour.shape[1])
    return torch.cat([_bands(values), histogram], dim=1)


def load(context: ModelContext) -> PixelStats:
    """Build it.

    Raises:
        CheckpointError: A checkpoint was given.
    """
    if context.checkpoint is not None:
        raise CheckpointError(
            f"control 'pixel-stats' takes no checkpoint, got {context.checkpoint}", "remove --checkpoint for this model"
        )
    return PixelStats()
