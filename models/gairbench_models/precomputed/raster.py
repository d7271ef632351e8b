"""Rasters of embeddings as a model: a sample has the pixel that holds its point, or the mean over its tile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gairbench.data import hash_files
from gairbench.errors import CheckpointError, DataError
from gairbench.files.guard import reading
from gairbench.files.pixel_lookup import Mosaic, read_grid
from gairbench.files.rasters import REPLACE
from gairbench.memo import content_sha256, default_cache
from gairbench.representation import RS, Representation
from gairbench_models.precomputed.dequantization import DEQUANTIZATIONS, as_they_are, without_zeros

if TYPE_CHECKING:
    from torch import Tensor

    from gairbench import ModelContext
    from gairbench.batch import Batch
    from gairbench.files.pixel_lookup import PixelGrid

_HIDDEN = (".zgroup", ".zarray", ".zattrs")
"""What describes a Zarr group of format 2, hidden as its names are."""


def raster_content(path: Path, cache: Path) -> str:
    """Return a digest of a raster's content: of a Zarr group, of the names and the content of all of its files.

    Args:
        path: A file, or the folder of a Zarr group.
        cache: The cache folder, for hashes of large files.

    Raises:
        DataError: It cannot be read.
    """
    if path.is_dir():
        described = [f"**/{name}" for name in _HIDDEN if any(path.rglob(name))]
        return hash_files(path, ["**/*", *described])
    with reading(path, "raster", REPLACE):
        return content_sha256(path, cache)


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterFactory:
    """Makes the model of rasters; it can be pickled, and reads their headers where it is called.

    Args:
        paths: The rasters, absolute, in their order.
        content: A digest of the content of each.
        dequantize: How whole numbers become embeddings; empty: as the files state, or there are none.
        zeros_missing: A pixel of zeros alone is missing, though no file says so.
    """

    paths: tuple[str, ...]
    content: tuple[str, ...]
    dequantize: str
    zeros_missing: bool = False

    def __call__(self, context: ModelContext) -> RasterModel:
        """Read the headers.

        Raises:
            CheckpointError: A checkpoint was given.
            DataError: A file was changed, or is broken.
        """
        if context.checkpoint is not None:
            raise CheckpointError(
                f"{context.model} takes no checkpoint, got {context.checkpoint}", "remove --checkpoint for this model"
            )
        for path, content in zip(map(Path, self.paths), self.content, strict=True):
            if raster_content(path, default_cache()) != content:
                raise DataError(f"{path} was changed while it was in use", "run the same command again")
        return RasterModel(self)


class RasterModel:
    """Looks samples up; see :class:`gairbench.protocols.LooksUp`.

    Args:
        source: The rasters.

    Attributes:
        holds: How many there are, and where the first lies, for messages.
    """

    def __init__(self, source: RasterFactory) -> None:
        grids = [read_grid(Path(path)) for path in source.paths]
        rule = DEQUANTIZATIONS[source.dequantize] if source.dequantize else as_they_are
        self._mosaic = Mosaic(grids, (lambda values: without_zeros(rule(values))) if source.zeros_missing else rule)
        self.holds = f"{len(grids):,} raster{'s' * (len(grids) > 1)} of {grids[0].bands} bands, {_lies(grids[0])}"

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Return the values at the samples' points, or the means over the tiles of overhead images that have a box.

        Args:
            batch: With ``lonlat``, and ``bbox`` where it is known.
            wanted: A vector; of overhead images over their tile, or at the point (``"query"``).

        Returns:
            ``(batch, bands)`` float32; NaN where there are no data.

        Raises:
            DataError: A raster is broken.
        """
        import torch

        assert batch.lonlat is not None  # noqa: S101  (the preset needs it)
        lonlat = batch.lonlat.cpu().numpy()
        boxes = np.full((len(lonlat), 4), np.nan) if batch.bbox is None else batch.bbox.cpu().numpy()
        over = np.isfinite(boxes).all(axis=1) & (wanted == RS)
        found = np.empty((len(lonlat), self._mosaic.bands), dtype=np.float32)
        found[over] = self._mosaic.over(boxes[over])
        found[~over] = self._mosaic.at(lonlat[~over])
        return torch.from_numpy(found)


def _lies(grid: PixelGrid) -> str:
    corners = grid.centres(np.array([0, grid.width - 1] * 2), np.array([0, 0, grid.height - 1, grid.height - 1]))
    # Across the antimeridian the corners are on both sides of 180 degrees.
    corners[:, 0] = corners[0, 0] + (corners[:, 0] - corners[0, 0] + 180) % 360 - 180
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    return f"{grid.path.name} in {west:g} ... {east:g}, {south:g} ... {north:g} (lon, lat)"
