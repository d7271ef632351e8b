"""Cut a tile out of an overhead scene so that a point lies anywhere in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.transform import Affine, from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from gairbench.files.badrows import ProblemKind, RowError, counted_as
from gairbench.files.guard import reading
from gairbench.files.images import resize
from gairbench.files.missing_pixels import MOST_MISSING, fill_missing, missing_share
from gairbench.files.overhead import Overhead, PicturePixels, RasterPixels, Window, grid_of
from gairbench.georeference import SPLIT_IT, WGS84, Box, Georeference, project
from gairbench.inputs import MissingPixels

ATTEMPTS = 10
"""Placements tried for one without missing data."""


@contextmanager
def in_degrees(image: Overhead, lonlat: Sequence[float], box: Box | None) -> Iterator[Overhead]:
    """Return an overhead image on a grid of longitude and latitude.

    An image in another system is reprojected while it is read, to pixels that are about square on the ground at the
    point and as large as its own.

    Args:
        image: As it is.
        lonlat: The point that it goes with.
        box: Its box, where it states no place itself.

    Yields:
        The image, placed.

    Raises:
        RowError: It has no place, or none on the globe.
    """
    if image.place is None:
        if box is None:
            raise RowError(
                f"{image.path} is not georeferenced",
                "give its box: lon_min, lat_max, lon_max, lat_min",
                ProblemKind.PLACE,
            )
        west, north, east, south = box
        place = Georeference(_wgs84(), (west, south, east, north), (image.width, image.height))
        yield replace(image, place=place, transform=grid_of(place))
    elif image.place.in_degrees:
        yield image
    else:
        with counted_as(ProblemKind.PLACE), _warped(image, image.place, lonlat) as warped:
            yield warped


def read_crop(
    image: Overhead, lonlat: Sequence[float], size: int | None, rng: np.random.Generator, missing_pixels: MissingPixels
) -> tuple[NDArray[Any], Box, float]:
    """Read a tile that holds a point, with the point anywhere in it.

    Args:
        image: Where to cut, on a grid of longitude and latitude.
        lonlat: The point, inside the image.
        size: Edge in pixels of the image; one that is narrower is taken whole in that direction, and the tile is
            resized. ``None``: the whole image.
        rng: Draws the placement, uniformly from all that hold the point; of those tried the first without missing data
            is taken, or else the one with the least.
        missing_pixels: See :func:`gairbench.files.missing_pixels.fill_missing`.

    Returns:
        ``(band, size, size)`` in the file's data type (``(band, height, width)`` without ``size``), the tile's box, and
        the share of its pixels that were missing and are filled.

    Raises:
        RowError: The point is outside, the file is broken, or too much data are missing around the point.
    """
    assert image.transform is not None  # noqa: S101  (in_degrees places every image)
    column, row = ~image.transform * (float(lonlat[0]), float(lonlat[1]))
    height, width = image.height, image.width
    if not (0 <= column <= width and 0 <= row <= height):
        raise RowError(
            f"point {lonlat[0]:g}, {lonlat[1]:g} (lon, lat) lies outside {image.path}",
            "correct the point or the image",
            ProblemKind.OUTSIDE,
        )
    rows, columns = (height, width) if size is None else (min(size, height), min(size, width))
    best: tuple[float, Window, NDArray[Any], NDArray[np.bool_]] | None = None
    for _ in range(ATTEMPTS):
        top, left = _start(row, rows, height, rng), _start(column, columns, width, rng)
        window = Window(top, left, rows, columns)
        values, valid = image.read(window)
        missing = missing_share(valid)
        if best is None or missing < best[0]:
            best = missing, window, values, valid
        if not missing or (rows, columns) == (height, width):
            break
    assert best is not None  # noqa: S101  (there is one attempt at least)
    missing, window, values, valid = best
    if missing > (MOST_MISSING if missing_pixels == "fill" else 0):
        raise RowError(
            f"{image.path} has missing data around {lonlat[0]:g}, {lonlat[1]:g} (lon, lat): {missing:.0%} of the tile",
            "leave the row out" if missing_pixels == "fill" else "leave the row out, or give --missing-pixels fill",
            ProblemKind.HOLE,
        )
    values, missing = fill_missing(image.path, values, valid, missing_pixels)
    if size is not None and values.shape[1:] != (size, size):
        values = resize(values, size)
    return values, _box(image.transform, window), missing


@contextmanager
def _warped(image: Overhead, place: Georeference, lonlat: Sequence[float]) -> Iterator[Overhead]:
    path = image.path
    if isinstance(image.pixels, PicturePixels):
        raise RowError(
            f"{path} is a picture in another system than longitude and latitude",
            "convert it to GeoTIFF (gdal_translate)",
            ProblemKind.PLACE,
        )
    assert isinstance(image.pixels, RasterPixels)  # noqa: S101  (there are two kinds of pixels)
    file = image.pixels.file
    lon, lat = lonlat
    (x,), (y,) = project(path, WGS84, place.crs, [lon], [lat])
    lons, lats = project(path, place.crs, WGS84, [x, x], [y, y + file.transform.e])
    with reading(path, "image", "correct its CRS"):
        west, south, east, north = transform_bounds(place.crs, WGS84, *file.bounds)
    if not (np.isfinite([west, south, east, north, *lons, *lats]).all() and west < east):
        raise RowError(
            f"{path} crosses the antimeridian or a pole, or is not where the photo is", SPLIT_IT, ProblemKind.PLACE
        )
    narrowing = max(np.cos(np.radians(lat)), 1e-3)
    # Ground length of a pixel of its own, in degrees of a meridian.
    height = float(np.hypot(lats[1] - lats[0], (lons[1] - lons[0]) * narrowing))
    width = height / float(narrowing)
    grid = from_origin(west, north, width, height)
    columns, rows = max(1, round((east - west) / width)), max(1, round((north - south) / height))
    with reading(path, "image", "correct its CRS"):
        vrt = WarpedVRT(
            file,
            crs=WGS84,
            transform=grid,
            width=columns,
            height=rows,
            resampling=Resampling.bilinear,
            # What lies beyond the scene's slanted edges must not look like zeros that were measured.
            add_alpha=file.nodata is None and ColorInterp.alpha not in file.colorinterp,
        )
    with vrt:
        yield replace(
            image,
            height=rows,
            width=columns,
            place=Georeference(_wgs84(), tuple(vrt.bounds), (columns, rows)),
            transform=vrt.transform,
            pixels=replace(image.pixels, file=vrt),
        )


def check_place(image: Overhead, lonlat: Sequence[float], box: Box | None) -> None:
    """Refuse a point outside of its image, and a box that is not the image's.

    Raises:
        RowError: One of them is wrong, or the image has no place.
    """
    lon, lat = lonlat
    if image.place is None:
        if box is not None and not (box[0] <= lon <= box[2] and box[3] <= lat <= box[1]):
            raise RowError(
                f"point {lon:g}, {lat:g} (lon, lat) lies outside its box {', '.join(f'{edge:g}' for edge in box)}",
                "correct the point or the box",
                ProblemKind.OUTSIDE,
            )
        return
    with counted_as(ProblemKind.PLACE):
        inside = image.place.contains(image.path, lon, lat)
    with counted_as(ProblemKind.PLACE if inside else ProblemKind.OUTSIDE):
        image.place.box(image.path, lon, lat)
    if box is not None:
        with counted_as(ProblemKind.BOX):
            image.place.check(image.path, box)


def _wgs84() -> Any:
    from rasterio.crs import CRS

    return CRS.from_epsg(4326)


def _start(point: float, length: int, total: int, rng: np.random.Generator) -> int:
    """Draw where a window of some length starts so that it holds the point."""
    first, last = max(0, int(np.ceil(point)) - length), min(total - length, int(np.floor(point)))
    return int(rng.integers(first, last, endpoint=True))


def _box(grid: Affine, window: Window) -> Box:
    west, north = grid * (window.column, window.row)
    east, south = grid * (window.column + window.width, window.row + window.height)
    return west, north, east, south
