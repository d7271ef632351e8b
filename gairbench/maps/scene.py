"""An overhead image that is mapped, read tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.missing_pixels import Fills, filled, missing_share
from gairbench.files.overhead import Overhead, Window, open_overhead
from gairbench.georeference import Georeference
from gairbench.inputs import MissingPixels, Unit
from gairbench.maps.tiling import Tile

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from rasterio.transform import Affine


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An open overhead image that states its place.

    Args:
        image: The image.
        place: Its place.
        transform: From (column, row) to the CRS's coordinates.
        missing_pixels: ``"fill"`` missing pixels for the encoder and leave them out of the map, or ``"refuse"`` the
            scene.
        fills: Counts tiles of which pixels were filled.
    """

    image: Overhead
    place: Georeference
    transform: Affine
    missing_pixels: MissingPixels
    fills: Fills = field(default_factory=Fills)

    @property
    def path(self) -> Path:
        """Its file."""
        return self.image.path

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of its bands."""
        return self.image.bands

    @property
    def height(self) -> int:
        """Pixels from north to south."""
        return self.image.height

    @property
    def width(self) -> int:
        """Pixels from west to east."""
        return self.image.width

    @property
    def crs(self) -> CRS:
        """Its coordinate reference system."""
        crs: CRS = self.place.crs
        return crs

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
            disturbs an encoder least; and which of them hold data, of the same shape, see
            :meth:`gairbench.files.overhead.Overhead.read`.

        Raises:
            DataError: The file is broken, or pixels are missing and are to be refused.
        """
        stored, valid = self.image.read(Window(tile.row, tile.column, tile.size, tile.size))
        values = stored.astype(np.float32)
        if valid.all():
            return values, valid
        if self.missing_pixels == "refuse":
            raise DataError(
                f"{self.path} has missing data (nodata, mask, alpha or NaN) near row {tile.row}, column {tile.column}",
                "give --missing-pixels fill, which leaves such pixels of the map empty",
            )
        if valid.any():
            self.fills.add(missing_share(valid))
        return filled(values, valid), valid


@contextmanager
def open_scene(
    path: Path, unit: Unit, declared: Sequence[str] | None, missing_pixels: MissingPixels = "fill"
) -> Iterator[Scene]:
    """Open an overhead image to map it.

    Args:
        path: As for :func:`gairbench.files.overhead.open_overhead`.
        unit: What its values mean.
        declared: Names of its bands, in its order; ``None``: as the file says.
        missing_pixels: See :class:`Scene`.

    Yields:
        The scene.

    Raises:
        DataError: It cannot be opened as declared, or does not state its place.
    """
    with open_overhead(path, unit, declared) as image:
        if image.place is None or image.transform is None:
            raise DataError(
                f"{path} is not georeferenced, so its map would have no place",
                "georeference it, for instance with gdal_translate -a_srs and -a_ullr",
            )
        yield Scene(image=image, place=image.place, transform=image.transform, missing_pixels=missing_pixels)
