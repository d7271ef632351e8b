"""Where an overhead image lies, by its own georeference."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gairbench.degrees import are_degrees
from gairbench.errors import DataError

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from rasterio.io import DatasetReader
    from rasterio.transform import Affine

Box = tuple[float, float, float, float]
"""(lon_min, lat_max, lon_max, lat_min) in degrees."""

WGS84 = "EPSG:4326"

SPLIT_IT = "split the image at the antimeridian"

ALONG = 21
"""Points along an edge that say where it runs."""


@dataclass(frozen=True, slots=True)
class Georeference:
    """A north-up image's place.

    Args:
        crs: Its coordinate reference system, as rasterio has it.
        bounds: (left, bottom, right, top) in that system.
        size: (width, height) in pixels.
    """

    crs: Any
    bounds: tuple[float, float, float, float]
    size: tuple[int, int]

    @property
    def in_degrees(self) -> bool:
        """Whether its system is longitude and latitude."""
        return bool(self.crs.to_epsg() == 4326)

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel in units of the CRS."""
        left, bottom, right, top = self.bounds
        return (right - left) / self.size[0], (top - bottom) / self.size[1]

    def box(self, path: Path, lon: float, lat: float) -> Box:
        """Return the image's box as seen from a point in it.

        In longitude and latitude a projected image is not a rectangle. Its box is therefore measured through the point:
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
        box, inside = self._seen_from(path, lon, lat)
        if not inside:
            raise DataError(
                f"point {lon:g}, {lat:g} (lon, lat) lies outside {path}", "correct the point, or the image it goes with"
            )
        if not _in_order(box):
            raise DataError(f"{path} crosses the antimeridian or a pole", SPLIT_IT)
        return box

    def box_if_any(self, path: Path, lon: float, lat: float) -> Box | None:
        """Return :meth:`box`; ``None`` of an image across the antimeridian, and of a point that lies outside.

        Args:
            path: The image, for messages.
            lon: Longitude of the point, degrees.
            lat: Latitude of the point, degrees.

        Raises:
            DataError: The image cannot be placed.
        """
        box, inside = self._seen_from(path, lon, lat)
        return box if inside and _in_order(box) else None

    def _seen_from(self, path: Path, lon: float, lat: float) -> tuple[Box, bool]:
        """Return the box through a point, and whether the point lies in the image."""
        left, bottom, right, top = self.bounds
        if self.in_degrees:
            x, y = lon, lat
            box = (left, top, right, bottom)
        else:
            (x,), (y,) = project(path, WGS84, self.crs, [lon], [lat])
            lons, lats = project(path, self.crs, WGS84, [left, right, x, x], [y, y, top, bottom])
            box = (float(lons[0]), float(lats[2]), float(lons[1]), float(lats[3]))
        return box, left <= x <= right and bottom <= y <= top

    def centre(self, path: Path) -> tuple[float, float]:
        """Return longitude and latitude of the image's middle in degrees.

        Args:
            path: The image, for messages.

        Raises:
            DataError: The image cannot be placed on the globe.
        """
        left, bottom, right, top = self.bounds
        lon, lat = self._transformed(path, WGS84, (left + right) / 2, (bottom + top) / 2)
        if not are_degrees(lon, lat):
            raise DataError(
                f"the middle of {path} is at {lon:g}, {lat:g}, which is not a place on Earth", "correct its CRS"
            )
        return lon, lat

    def contains(self, path: Path, lon: float, lat: float) -> bool:
        """Whether a point lies in the image, or within a hundredth of a pixel of its edge.

        Args:
            path: The image, for messages.
            lon: Longitude of the point, degrees.
            lat: Latitude of the point, degrees.

        Raises:
            DataError: The image cannot be placed on the globe.
        """
        left, bottom, right, top = self.bounds
        x, y = self._transformed(path, None, lon, lat)
        # Coordinates in tables are rounded.
        dx, dy = (right - left) / self.size[0] / 100, (top - bottom) / self.size[1] / 100
        return bool(left - dx <= x <= right + dx and bottom - dy <= y <= top + dy)

    def _transformed(self, path: Path, target: str | None, x: float, y: float) -> tuple[float, float]:
        """Transform a point to a system, or from longitude and latitude into the image's."""
        if self.in_degrees:
            return x, y
        (x,), (y,) = project(path, self.crs, target, [x], [y]) if target else project(path, WGS84, self.crs, [x], [y])
        return x, y

    def check(self, path: Path, declared: Box) -> None:
        """Refuse a declared box that is not the image's own.

        The edges of a projected image run neither along meridians nor along parallels: the value declared for an edge
        has to be true somewhere along it, to a pixel. So both the box through a point and the one around all corners
        pass.

        Args:
            path: The image, for messages.
            declared: The box.

        Raises:
            DataError: It is another one.
        """
        left, bottom, right, top = self.bounds
        if self.in_degrees:
            edges = np.array([[left], [top], [right], [bottom]])
        else:
            xs, ys = np.linspace(left, right, ALONG), np.linspace(bottom, top, ALONG)
            x = np.concatenate([np.full(ALONG, left), xs, np.full(ALONG, right), xs])
            y = np.concatenate([ys, np.full(ALONG, top), ys, np.full(ALONG, bottom)])
            lons, lats = project(path, self.crs, WGS84, x, y).reshape(2, 4, ALONG)
            edges = np.stack([lons[0], lats[1], lons[2], lats[3]])
        low, high = edges.min(axis=1), edges.max(axis=1)
        west, north, east, south = low[0], high[1], high[2], low[3]
        pixel = np.array([(east - west) / self.size[0], (north - south) / self.size[1]] * 2)
        if not ((low - pixel <= declared) & (declared <= high + pixel)).all():
            raise DataError(
                f"the box {', '.join(f'{value:g}' for value in declared)} is not that of {path}, which lies in lon_min"
                f" {west:g}, lat_max {north:g}, lon_max {east:g}, lat_min {south:g}",
                "correct the box, or leave its columns out",
            )


def _in_order(box: Box) -> bool:
    west, north, east, south = box
    return west < east and south < north


def georeference(path: Path, file: DatasetReader) -> Georeference | None:
    """Return an open image's place, or ``None`` if it states none.

    Args:
        path: The image, for messages.
        file: The open image.

    Raises:
        DataError: The image is rotated or not north up, as encoders expect images, or its CRS cannot be read.
    """
    stated = stated_place(path, file)
    if stated is None:
        return None
    crs, t = stated
    if is_rotated(t) or t.a <= 0 or t.e >= 0:
        raise DataError(
            f"{path} is rotated or not north up (transform {tuple(t)[:6]}), and encoders expect images that are",
            "warp it to north up, for instance with gdalwarp",
        )
    return Georeference(crs, tuple(file.bounds), (file.width, file.height))


def stated_place(path: Path, file: DatasetReader) -> tuple[CRS, Affine] | None:
    """Return an open image's system and its transform from (column, row), or ``None`` if it states none.

    Args:
        path: The image, for messages.
        file: The open image.

    Raises:
        DataError: Its CRS cannot be read.
    """
    try:
        crs, t = file.crs, file.transform
    except Exception as error:
        raise DataError(f"cannot read the CRS of {path}: {error}", _place_hint()) from error
    if crs is None and not t.is_identity and (hint := proj_hint()):
        raise DataError(f"cannot read the CRS of {path}", hint)
    return None if crs is None or t.is_identity else (crs, t)


def is_rotated(t: Affine) -> bool:
    """Whether rows and columns do not run along the axes of the system; rounding is not a rotation."""
    return bool(max(abs(t.b), abs(t.d)) > 1e-9 * max(abs(t.a), abs(t.e)))


def project(path: Path, source: Any, target: Any, x: Any, y: Any) -> NDArray[np.float64]:
    """Transform points between systems.

    Args:
        path: The image that they belong to, for messages.
        source: The system that they are in.
        target: The system that they are wanted in.
        x: ``(n,)`` eastings, or longitudes in degrees.
        y: ``(n,)`` northings, or latitudes in degrees.

    Returns:
        ``(2, n)``; infinite where the target system does not reach.

    Raises:
        DataError: They cannot be transformed; a system may be of a building site, or of another planet.
    """
    from rasterio.crs import CRS
    from rasterio.warp import transform

    own = next((system for system in (source, target) if isinstance(system, CRS)), None)
    try:
        # From other kinds of systems, as geocentric ones, points can be transformed that a flat image does not have.
        if own is None or own.is_geographic or own.is_projected:
            return np.asarray(transform(source, target, x, y), dtype=np.float64)
    # rasterio raises more types than it documents, with the whole system in the text.
    except Exception as error:
        raise _nowhere(path, own) from error
    raise _nowhere(path, own)


def project_each(path: Path, source: Any, target: Any, x: Any, y: Any) -> NDArray[np.float64]:
    """Transform points between systems, each by itself: one that the target system does not reach spoils no other.

    Args:
        path: The image that they belong to, for messages.
        source: The system that they are in.
        target: The system that they are wanted in.
        x: ``(n,)`` eastings, or longitudes in degrees.
        y: ``(n,)`` northings, or latitudes in degrees.

    Returns:
        ``(2, n)``; infinite where the target system does not reach.
    """
    try:
        return project(path, source, target, x, y)
    except DataError:
        if len(x) <= 1:
            return np.full((2, len(x)), np.inf)
    # GDAL refuses all points for one of them.
    half = len(x) // 2
    parts = [project_each(path, source, target, x[part], y[part]) for part in (slice(half), slice(half, None))]
    return np.concatenate(parts, axis=1)


def _nowhere(path: Path, crs: CRS | None) -> DataError:
    hint = proj_hint()
    name = ""
    # With the database of another program, not even a name can be had.
    if crs is not None and not hint:
        code, quoted = crs.to_epsg(), crs.to_wkt().split('"')
        name = f" EPSG:{code}" if code else f" {quoted[1]!r}" if len(quoted) > 1 else ""
    return DataError(f"cannot place {path} on the globe: its CRS{name} does not lead there", hint or "correct its CRS")


def _place_hint() -> str:
    return proj_hint() or "correct its CRS"


def proj_hint() -> str:
    """Return what to do if the PROJ database is not rasterio's own; empty if it works."""
    from rasterio.crs import CRS

    given = [name for name in ("PROJ_DATA", "PROJ_LIB") if os.environ.get(name)]
    if not given:
        return ""
    try:
        CRS.from_epsg(4326)
    except Exception:
        return f"unset {' and '.join(given)}, which leads to the PROJ database of another program"
    return ""


def relative_position(lonlat: Tensor, bbox: Tensor) -> Tensor:
    """Place points in their tiles.

    Args:
        lonlat: ``(batch, 2)`` or ``(batch, points, 2)`` longitude and latitude in degrees.
        bbox: ``(batch, 4)`` as (lon_min, lat_max, lon_max, lat_min). A mirrored tile has its edges swapped.

    Returns:
        Of ``lonlat``'s shape: x from west (-1) to east (1), y from north (-1) to south (1).

    Raises:
        ValueError: A box has no area, or a point lies outside its tile.
    """
    if lonlat.ndim == 3:
        bbox = bbox[:, None]
    origin, extent = bbox[..., :2], bbox[..., 2:] - bbox[..., :2]
    position = (lonlat - origin) / extent
    # Rounding of the corners themselves is not a mistake; a point a thousandth of a tile outside is.
    inside = ((position >= -1e-3) & (position <= 1 + 1e-3)).all(-1)
    if not bool(inside.all()):
        first = int((~inside).flatten().nonzero()[0])
        point = lonlat.reshape(-1, 2)[first].tolist()
        box = bbox.expand(*inside.shape, 4).reshape(-1, 4)[first].tolist()
        raise ValueError(f"point {point} (lon, lat) lies outside its tile {box} (lon_min, lat_max, lon_max, lat_min)")
    return 2 * position.clamp(0, 1) - 1
