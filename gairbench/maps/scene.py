"""An overhead image on disk, read by windows and never whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from gairbench.bands import stack_bands
from gairbench.errors import DataError
from gairbench.files.images import check_dtype, gdal_reason
from gairbench.maps.tiling import Tile
from gairbench.spec import Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An open, georeferenced, north-up image.

    Args:
        path: Its file.
        bands: Names of its bands, without an alpha band.
        height: Pixels from north to south.
        width: Pixels from west to east.
        crs: Its coordinate reference system.
        transform: From (column, row) to the CRS's coordinates.
        file: The open ``rasterio`` dataset.
        indexes: Its bands' numbers in the file.
    """

    path: Path
    bands: tuple[str, ...]
    height: int
    width: int
    crs: CRS
    transform: Affine
    file: Any
    indexes: tuple[int, ...]

    @property
    def gsd_m(self) -> float | None:
        """Metres per pixel where the CRS is in a unit of length and pixels are square, else ``None``."""
        if not self.crs.is_projected or not np.isclose(self.transform.a, -self.transform.e):
            return None
        return float(self.transform.a * self.crs.linear_units_factor[1])

    def read(self, tile: Tile) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a tile.

        Args:
            tile: Inside the scene.

        Returns:
            Values ``(band, size, size)`` as stored, pixels without data set to the mean of the tile's others, which
            disturbs an encoder least; and which pixels hold data, ``(size, size)``: those that the file's alpha band,
            mask or nodata value does not exclude (nodata: in all bands), and that are finite in all bands.

        Raises:
            DataError: The file is broken.
        """
        window = Window(tile.column, tile.row, tile.size, tile.size)
        try:
            values: NDArray[np.float32] = self.file.read(list(self.indexes), window=window, out_dtype="float32")
            valid: NDArray[np.bool_] = self.file.dataset_mask(window=window) != 0
        except RasterioError as error:
            raise _unreadable(self.path, error) from error
        valid &= np.isfinite(values).all(axis=0)
        if not valid.all():
            values[:, ~valid] = values[:, valid].mean(axis=1, keepdims=True) if valid.any() else 0
        return values, valid


@contextmanager
def open_scene(path: Path, unit: Unit, declared: Sequence[str] | None) -> Iterator[Scene]:
    """Open an image.

    Args:
        path: GeoTIFF or whatever GDAL reads.
        unit: Scale of its values; it rules data types out, and never changes a value.
        declared: Names of its bands, in its order; ``None``: as :func:`gairbench.bands.stack_bands` finds them.

    Yields:
        The scene.

    Raises:
        DataError: It is missing, broken, not georeferenced, not north up, of a data type that cannot hold the unit, or
            its bands are not known.
    """
    if not path.exists():
        raise DataError(f"no image {path}", "correct --image")
    try:
        file = rasterio.open(path)
    except RasterioError as error:
        raise _unreadable(path, error) from error
    with file:
        indexes = tuple(
            index
            for index, meaning in zip(file.indexes, file.colorinterp, strict=True)
            if meaning is not ColorInterp.alpha
        )
        descriptions = [file.descriptions[index - 1] for index in indexes]
        bands = stack_bands(path, len(indexes), descriptions, declared)
        for index in indexes:
            check_dtype(path, np.dtype(file.dtypes[index - 1]), unit)
        _check_georeference(path, file.crs, file.transform)
        yield Scene(
            path=path,
            bands=bands,
            height=file.height,
            width=file.width,
            crs=file.crs,
            transform=file.transform,
            file=file,
            indexes=indexes,
        )


def _check_georeference(path: Path, crs: CRS | None, transform: Affine) -> None:
    if crs is None or transform.is_identity:
        raise DataError(
            f"{path} has no {'CRS' if crs is None else 'transform'}, so that its map would have none",
            "georeference it, for instance with gdal_translate -a_srs and -a_ullr",
        )
    slant = max(abs(transform.b), abs(transform.d)) / max(abs(transform.a), abs(transform.e))
    if slant > 1e-9 or transform.a <= 0 or transform.e >= 0:
        raise DataError(
            f"{path} is not north up (transform {tuple(transform)[:6]}), as encoders expect images",
            "warp it first, for instance with gdalwarp",
        )


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"cannot read image {path}: {gdal_reason(error)}", "replace the file")
