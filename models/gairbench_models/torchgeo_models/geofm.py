"""A geo-foundation model of the table as an encoder, with weights that TorchGeo's constructor loads from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.representation import Representation
from gairbench.spec import resolve
from gairbench_models.torchgeo_models.encoder import constructed
from gairbench_models.torchgeo_models.entries import Entry, Size, Taken
from gairbench_models.torchgeo_models.readers import READERS, Reader
from gairbench_models.torchgeo_models.table import ENTRIES


class GeoFM(nn.Module):
    """A model's own vector, poolings of its tokens, and token grids, where it ends and of its blocks.

    Args:
        model: Built by TorchGeo or TerraTorch.
        entry: What is known of it.
        reader: How it is called.
    """

    def __init__(self, model: Any, entry: Entry, reader: Reader) -> None:
        super().__init__()
        self.model = model
        self.entry = entry
        self.read = reader

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Compute one representation.

        Args:
            batch: The images that are wanted, as the entry declares them.
            wanted: The vector or token grids.

        Returns:
            ``(batch, dim)``, ``(batch, dim, rows, columns)``, or ``(batch, layers, dim, rows, columns)``.
        """
        rows = self.entry.rows
        parts = [self._represent(batch[start : start + rows], wanted) for start in range(0, len(batch), rows)]
        return torch.cat(parts)

    def _represent(self, batch: Batch, wanted: Representation) -> Tensor:
        entry = self.entry
        images = {name: replace(i, values=_standardized(entry.taken(name), i)) for name, i in batch.images.items()}
        read = self.read(self.model, entry, replace(batch, images=images), wanted.of, wanted.layers)
        found = [read.layers[number] for number in wanted.layers] or [read.tokens]
        if wanted.form == "tokens":
            grids = [_grid(tokens, entry.grid) for tokens in found]
            return torch.stack(grids, dim=1) if len(grids) > 1 else grids[0]
        if wanted.pooling == "cls":
            return found[0][:, 0]
        return _patches(found[0], entry.grid).mean(dim=1) if wanted.pooling else read.vector


def _standardized(taken: Taken, image: Any) -> Tensor:
    """Return values from 0 to 1 standardized by the statistics of bytes that an entry states, or as they are."""
    values: Tensor = image.values
    if not taken.mean:
        return values
    at = [taken.image.bands.index(band.name) for band in image.bands]
    mean, std = (
        values.new_tensor([numbers[i] / 255 for i in at])[:, None, None] for numbers in (taken.mean, taken.std)
    )
    return (values - mean) / std


def _patches(tokens: Tensor, grid: int) -> Tensor:
    return tokens[:, tokens.shape[1] - grid**2 :]


def _grid(tokens: Tensor, grid: int) -> Tensor:
    patches = _patches(tokens, grid).mT
    return patches.reshape(*patches.shape[:2], grid, grid)


def load(context: ModelContext) -> GeoFM:
    """Build a model of the table in the size of its preset, through TorchGeo's constructor.

    Raises:
        CheckpointError: The file does not hold its weights, or none is given.
    """
    entry = ENTRIES[context.model]
    return build_geofm(entry, entry.size(context.preset), context.required_checkpoint())


def build_geofm(entry: Entry, size: Size, path: Path) -> GeoFM:
    """Build a model of an entry with the weights of a file.

    Raises:
        CheckpointError: The file does not hold them.
    """
    built = constructed(resolve(size.constructor), path, f"{entry.name}, preset {size.name}", entry.arguments)
    return GeoFM(built, entry, READERS[entry.reader])
