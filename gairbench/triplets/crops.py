"""Cut a tile out of an overhead scene so that a point lies anywhere in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine, from_bounds, from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform, transform_bounds
from rasterio.windows import Window

from gairbench.bands import stack_bands
from gairbench.files.badrows import ProblemKind, RowError, counted_as
from gairbench.files.images import check_dtype, gdal_reason, resize
from gairbench.spec import Unit

Box = tuple[float, float, float, float]
"""(lon_min, lat_max, lon_max, lat_min) in degrees."""

WGS84 = "EPSG:4326"
ATTEMPTS = 10
"""Placements tried before a scene counts as having no data around the point."""


@dataclass(frozen=True, slots=True)
class Scene:
    """An overhead image whose grid is in longitude and latitude, as read or as reprojected on the fly.

    Args:
        path: The file.
        file: Where pixels are read from.
        indexes: Its bands, alpha left out.
        bands: Their names.
        transform: From pixels to degrees.
    """

    path: Path
    file: Any
    indexes: tuple[int, ...]
    bands: tuple[str, ...]
    transform: Affine

    @property
    def box(self) -> Box:
        """The whole scene's box."""
        return _box(self.transform, Window(0, 0, self.file.width, self.file.height))

    @property
    def pixel(self) -> tuple[float, float]:
        """Width and height of a pixel in degrees."""
        return float(self.transform.a), float(-self.transform.e)


@contextmanager
def open_scene(
    path: Path, unit: Unit, declared: Sequence[str] | None, lonlat: Sequence[float], box: Box | None
) -> Iterator[Scene]:
    """Open an overhead image.

    An image in another system than longitude and latitude is reprojected while it is read, to pixels that are about
    square on the ground at the point and as large as its own.

    Args:
        path: GeoTIFF, or whatever GDAL reads.
        unit: Scale of its values; it rules data types out.
        declared: Names of its bands, in its order; ``None``: as :func:`gairbench.bands.stack_bands` finds them.
        lonlat: The point that it goes with.
        box: Its box, where it states no place itself.

    Yields:
        The scene.

    Raises:
        RowError: It is missing or broken, has no place, is rotated, or its bands or data type do not fit.
    """
    if not path.is_file():
        raise RowError(f"no image {path}", "correct the path or --root", ProblemKind.MISSING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            file = rasterio.open(path)
    except (RasterioError, OSError) as error:
        raise RowError(f"cannot read image {path}: {gdal_reason(error)}", "replace or remove the file") from error
    with file:
        indexes = tuple(
            i for i, meaning in zip(file.indexes, file.colorinterp, strict=True) if meaning is not ColorInterp.alpha
        )
        with counted_as(ProblemKind.UNNAMED if declared is None else ProblemKind.BANDS):
            bands = stack_bands(path, len(indexes), [file.descriptions[i - 1] for i in indexes], declared)
        with counted_as(ProblemKind.UNIT):
            for index in indexes:
                check_dtype(path, np.dtype(file.dtypes[index - 1]), unit)
        if file.crs is None or file.transform.is_identity:
            if box is None:
                raise RowError(
                    f"{path} is not georeferenced",
                    "give its box: lon_min, lat_max, lon_max, lat_min",
                    ProblemKind.PLACE,
                )
            west, north, east, south = box
            grid = from_bounds(west, south, east, north, file.width, file.height)
            yield Scene(path, file, indexes, bands, grid)
            return
        t = file.transform
        if t.b or t.d or t.a <= 0 or t.e >= 0:
            raise RowError(
                f"{path} is rotated or not north up",
                "warp it to north up, for instance with gdalwarp",
                ProblemKind.PLACE,
            )
        if file.crs.to_epsg() == 4326:
            yield Scene(path, file, indexes, bands, t)
            return
        with _warped(path, file, lonlat) as vrt:
            yield Scene(path, vrt, indexes, bands, vrt.transform)


@contextmanager
def _warped(path: Path, file: Any, lonlat: Sequence[float]) -> Iterator[Any]:
    lon, lat = lonlat
    try:
        west, south, east, north = transform_bounds(file.crs, WGS84, *file.bounds)
        (x,), (y,) = transform(WGS84, file.crs, [lon], [lat])
        lons, lats = transform(file.crs, WGS84, [x, x], [y, y + file.transform.e])
    except (RasterioError, ValueError) as error:
        raise RowError(f"cannot place {path} on the globe: {error}", "correct its CRS", ProblemKind.PLACE) from error
    if not (np.isfinite([west, south, east, north, *lons, *lats]).all() and west < east):
        raise RowError(
            f"{path} crosses the antimeridian or a pole, or is not where the photo is",
            "cut it there",
            ProblemKind.PLACE,
        )
    narrowing = max(np.cos(np.radians(lat)), 1e-3)
    # Ground length of a pixel of its own, in degrees of a meridian.
    height = float(np.hypot(lats[1] - lats[0], (lons[1] - lons[0]) * narrowing))
    width = height / float(narrowing)
    grid = from_origin(west, north, width, height)
    columns, rows = max(1, round((east - west) / width)), max(1, round((north - south) / height))
    with WarpedVRT(
        file,
        crs=WGS84,
        transform=grid,
        width=columns,
        height=rows,
        resampling=Resampling.bilinear,
        # What lies beyond the scene's slanted edges must not look like zeros that were measured.
        add_alpha=file.nodata is None and ColorInterp.alpha not in file.colorinterp,
    ) as vrt:
        yield vrt


def read_crop(
    scene: Scene, lonlat: Sequence[float], size: int | None, rng: np.random.Generator
) -> tuple[NDArray[Any], Box]:
    """Read a tile that holds a point, with the point anywhere in it.

    Args:
        scene: Where to cut.
        lonlat: The point, inside the scene.
        size: Edge in pixels of the scene; a scene that is narrower is taken whole in that direction, and the tile is
            resized. ``None``: the whole scene.
        rng: Draws the placement, uniformly from all that hold the point.

    Returns:
        ``(band, size, size)`` in the file's data type (``(band, height, width)`` without ``size``), and the tile's box.

    Raises:
        RowError: The point is outside, the file is broken, or no placement found is free of missing data.
    """
    column, row = ~scene.transform * (float(lonlat[0]), float(lonlat[1]))
    height, width = scene.file.height, scene.file.width
    if not (0 <= column <= width and 0 <= row <= height):
        raise RowError(
            f"point {lonlat[0]:g}, {lonlat[1]:g} (lon, lat) lies outside {scene.path}",
            "correct the point or the image",
            ProblemKind.OUTSIDE,
        )
    rows, columns = (height, width) if size is None else (min(size, height), min(size, width))
    for _ in range(ATTEMPTS):
        top, left = _start(row, rows, height, rng), _start(column, columns, width, rng)
        window = Window(left, top, columns, rows)
        try:
            values: NDArray[Any] = scene.file.read(list(scene.indexes), window=window)
            whole = bool((scene.file.dataset_mask(window=window) != 0).all())
        except (RasterioError, OSError) as error:
            raise RowError(
                f"cannot read image {scene.path}: {gdal_reason(error)}", "replace or remove the file"
            ) from error
        if whole and np.isfinite(values).all():
            if size is not None and values.shape[1:] != (size, size):
                values = resize(values, size)
            return values, _box(scene.transform, window)
        if (rows, columns) == (height, width):
            break
    raise RowError(
        f"{scene.path} has missing data around {lonlat[0]:g}, {lonlat[1]:g} (lon, lat)",
        "fill it",
        ProblemKind.HOLE,
    )


def _start(point: float, length: int, total: int, rng: np.random.Generator) -> int:
    """Draw where a window of some length starts so that it holds the point."""
    first, last = max(0, int(np.ceil(point)) - length), min(total - length, int(np.floor(point)))
    return int(rng.integers(first, last, endpoint=True))


def _box(grid: Affine, window: Window) -> Box:
    west, north = grid * (window.col_off, window.row_off)
    east, south = grid * (window.col_off + window.width, window.row_off + window.height)
    return west, north, east, south
