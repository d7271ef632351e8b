"""Where an overhead image lies, by its own georeference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.errors import DataError

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

Box = tuple[float, float, float, float]
"""(lon_min, lat_max, lon_max, lat_min) in degrees."""


@dataclass(frozen=True, slots=True)
class Georeference:
    """A north-up image's place.

    Args:
        crs: Its coordinate reference system, as rasterio has it.
        bounds: (left, bottom, right, top) in that system.
    """

    crs: Any
    bounds: tuple[float, float, float, float]

    def box(self, path: Path, lon: float, lat: float) -> Box:
        """Return the image's box as seen from a point in it.

        In longitude and latitude a projected image is no rectangle. Its box is therefore measured through the point:
        west and east edge along the point's row, north and south edge along its column. Wherever the point lies, its
        place within the box is its place within the image, which the rectangle around all corners would not give. An
        image in longitude and latitude has its own bounds, whatever the point.

        Args:
            path: The image, for messages.
            lon: Longitude of the point, degrees.
            lat: Latitude of the point, degrees.

        Raises:
            DataError: The point is outside the image, or the image crosses the antimeridian or cannot be placed.
        """
        from rasterio.errors import RasterioError
        from rasterio.warp import transform

        left, bottom, right, top = self.bounds
        if self.crs.to_epsg() == 4326:
            x, y = lon, lat
            box = (left, top, right, bottom)
        else:
            try:
                (x,), (y,) = transform("EPSG:4326", self.crs, [lon], [lat])
                lons, lats = transform(self.crs, "EPSG:4326", [left, right, x, x], [y, y, top, bottom])
            except (RasterioError, ValueError) as error:
                raise DataError(f"cannot place {path} on the globe: {error}", "correct its CRS") from error
            box = (lons[0], lats[2], lons[1], lats[3])
        if not (left <= x <= right and bottom <= y <= top):
            raise DataError(
                f"point {lon:g}, {lat:g} (lon, lat) lies outside {path}", "correct the point, or the image it goes with"
            )
        if not (box[0] < box[2] and box[3] < box[1]):
            raise DataError(f"{path} crosses the antimeridian or a pole", "cut it there, or embed it without a query")
        return box


def georeference(path: Path, file: DatasetReader) -> Georeference | None:
    """Return an open image's place, or ``None`` if it states none.

    Raises:
        DataError: The image is rotated or not north up.
    """
    if file.crs is None or file.transform.is_identity:
        return None
    t = file.transform
    if t.b or t.d or t.a <= 0 or t.e >= 0:
        raise DataError(f"{path} is rotated or not north up", "warp it to north up, for instance with gdalwarp")
    return Georeference(file.crs, tuple(file.bounds))
