"""Values of georeferenced rasters at points and over boxes, of one file or of many tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.box_pieces import BoxPiece, box_pieces
from gairbench.files.guard import reading
from gairbench.files.missing_pixels import MOST_MISSING
from gairbench.files.rasters import REPLACE, driver_of, open_raster
from gairbench.files.zarr_groups import pixel_array
from gairbench.geography import great_circle_km
from gairbench.georeference import ALONG, WGS84, Box, is_rotated, project, project_each, stated_place

if TYPE_CHECKING:
    from rasterio.crs import CRS
    from rasterio.io import DatasetReader
    from rasterio.transform import Affine
    from rasterio.windows import Window

Array = NDArray[Any]
Convert = Callable[[Array], Array]
"""From stored values, missing ones NaN, to those that they stand for."""

_LARGEST_BOX = 2**24
"""Pixels of a box at most; no encoder takes a tile of so many."""

_AT_ONCE = 2**24
"""Numbers that are read at a time."""

_SAME_KM = 0.01
"""A point that is projected there and back is that near, unless the projection does not reach it."""


@dataclass(frozen=True, slots=True)
class PixelGrid:
    """A raster by its header.

    Args:
        path: A GeoTIFF, or the folder of a Zarr group.
        crs: Its coordinate reference system.
        transform: From (column, row) to the system's coordinates; rows may run north, and the raster may be turned.
        cut: Longitude of the meridian across which x is not continuous, degrees.
        width: Columns.
        height: Rows.
        bands: How many values a pixel has.
        dtype: Of the stored values.
        scales: By which stored values are multiplied, as the file states for each band.
        offsets: What is added to them then.
    """

    path: Path
    crs: CRS
    transform: Affine
    cut: float
    width: int
    height: int
    bands: int
    dtype: str
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    @property
    def scaled(self) -> bool:
        """Whether the file states scales or offsets."""
        return any(scale != 1 for scale in self.scales) or any(self.offsets)

    def positions(self, lonlat: Array) -> Array:
        """Return column and row of points, ``(n, 2)`` from the raster's corner; NaN where it does not reach.

        Args:
            lonlat: ``(n, 2)`` longitude and latitude in degrees.

        Raises:
            DataError: The raster's system does not lead to a place on Earth.
        """
        xy = project_each(self.path, WGS84, self.crs, lonlat[:, 0], lonlat[:, 1]).T
        found = self._pixels(xy)
        if self.crs.is_geographic:
            # A raster across the antimeridian goes on beyond 180 degrees.
            for turn in (360.0, -360.0):
                there = self._pixels(xy + np.array([turn, 0.0]))
                found = np.where(np.isnan(found).any(axis=1, keepdims=True), there, found)
            return found
        inside = np.flatnonzero(np.isfinite(found).all(axis=1))
        if len(inside):
            found[inside[~self.leads_back(xy[inside], lonlat[inside])]] = np.nan
        return found

    def leads_back(self, xy: Array, lonlat: Array) -> NDArray[np.bool_]:
        """Return which points of the system are those of longitude and latitude: far from its zone it may lead astray.

        Args:
            xy: ``(n, 2)`` in the raster's system, finite.
            lonlat: ``(n, 2)`` in degrees.
        """
        back = project_each(self.path, self.crs, WGS84, xy[:, 0], xy[:, 1]).T
        with np.errstate(invalid="ignore"):
            return np.asarray(great_circle_km(back, lonlat) < _SAME_KM)

    def _pixels(self, xy: Array) -> Array:
        with np.errstate(invalid="ignore"):
            found = self._unbounded(xy)
            size = np.array([self.width, self.height])
            inside = ((found >= 0) & (found <= size)).all(axis=1)
            found[~inside] = np.nan
            # What lies on the outer edge, as the South Pole may, is of the outermost pixel.
            return np.asarray(np.minimum(found, np.nextafter(size.astype(np.float64), 0)))

    def _unbounded(self, xy: Array) -> Array:
        """Return column and row of points ``(n, 2)`` of the system, beyond the raster's edges, too."""
        t = self.transform
        x, y = xy[:, 0] - t.c, xy[:, 1] - t.f
        if not is_rotated(t):
            return np.stack([x / t.a, y / t.e], axis=1)
        area = t.a * t.e - t.b * t.d
        return np.stack([(t.e * x - t.b * y) / area, (t.a * y - t.d * x) / area], axis=1)

    def outline(self, piece: BoxPiece) -> Array | None:
        """Return points of a part of a box in the raster's system, ``(n, n, 2)``; ``None``: it does not reach them all.

        Args:
            piece: It does not cross the meridian of :attr:`cut`.
        """
        lonlat = piece.grid()
        xy: Array = project_each(self.path, WGS84, self.crs, *lonlat.reshape(-1, 2).T).T
        if not np.isfinite(xy).all():
            return None
        if self.crs.is_geographic:
            xy = xy.reshape(lonlat.shape)
            x = np.unwrap(xy[..., 0], period=360, axis=1)
            # Another datum moves a point by less than a turn.
            xy[..., 0] = x + 360 * np.round((lonlat[..., 0] - x).mean() / 360)
            return xy
        return xy.reshape(lonlat.shape) if self.leads_back(xy, lonlat.reshape(-1, 2)).all() else None

    def around(self, xy: Array) -> tuple[Array, Array]:
        """Return the first column and row, and those after the last, of the pixels that an outline may hold.

        Args:
            xy: ``(n, n, 2)``, from :meth:`outline`.

        Returns:
            Both ``(2,)``; beyond the raster's edges, too.
        """
        pixels = self._unbounded(xy.reshape(-1, 2)).reshape(xy.shape)
        # A straight edge of a box is bent in the raster's system: between two points by an eighth of this at most.
        bend = max(float(np.abs(np.diff(pixels, n=2, axis=axis)).max()) for axis in (0, 1))
        margin = 1 + bend / 4
        return np.floor(pixels.min(axis=(0, 1)) - margin), np.ceil(pixels.max(axis=(0, 1)) + margin)

    def bounds(self) -> tuple[float, float, float, float]:
        """Return (left, bottom, right, top) in the raster's system."""
        (left, bottom), (right, top) = self._corners.min(axis=0).tolist(), self._corners.max(axis=0).tolist()
        return left, bottom, right, top

    @property
    def _corners(self) -> Array:
        return _to_system(self.transform, np.array([0, self.width] * 2), np.array([0] * 2 + [self.height] * 2))

    def centres(self, columns: Array, rows: Array) -> Array:
        """Return longitude and latitude of the centres of pixels, ``(n, 2)``."""
        xy = _to_system(self.transform, columns + 0.5, rows + 0.5)
        lonlat: Array = project_each(self.path, self.crs, WGS84, xy[:, 0], xy[:, 1]).T
        return lonlat


def _to_system(t: Affine, columns: Array, rows: Array) -> Array:
    if not is_rotated(t):
        return np.stack([t.c + columns * t.a, t.f + rows * t.e], axis=1)
    return np.stack([t.c + columns * t.a + rows * t.b, t.f + columns * t.d + rows * t.e], axis=1)


def _cut(crs: CRS, left: float) -> float:
    """Return the meridian across which x is not continuous: a raster's left edge in degrees, else opposite the middle.

    The systems of zones and of the poles are cut nowhere, or far from their rasters: a box may be cut there, too.
    """
    if crs.is_geographic:
        return left
    parameters = crs.to_dict(projjson=True).get("conversion", {}).get("parameters", ())
    middle = next((one["value"] for one in parameters if one["name"].startswith("Longitude of ")), 0.0)
    return float(middle) + 180


def read_grid(path: Path) -> PixelGrid:
    """Read a raster's header.

    Args:
        path: A GeoTIFF, or the folder of a Zarr group.

    Raises:
        DataError: It is missing, broken, of another format, or states no place; it has an alpha band, or holds what is
            not real numbers of one type.
    """
    with _opened(path) as file:
        stated = stated_place(path, file)
        if stated is None:
            raise DataError(f"{path} states no place: it has no CRS or no transform", "give it a georeference")
        crs, transform = stated
        corners = _to_system(transform, np.array([0, file.width] * 2), np.array([0] * 2 + [file.height] * 2))
        # A system that leads nowhere on Earth is refused here, where nothing else can be the reason.
        project(path, crs, WGS84, *corners.mean(axis=0, keepdims=True).T)
        cut = _cut(crs, float(corners[:, 0].min()))
        with reading(path, "raster", REPLACE):
            dtypes, interpretations = set(file.dtypes), [one.name for one in file.colorinterp]
            scales, offsets = tuple(map(float, file.scales)), tuple(map(float, file.offsets))
        if "alpha" in interpretations:
            raise DataError(
                f"{path} has an alpha band, which is not a value of an embedding",
                "mark missing pixels by a nodata value; write files of four 8-bit bands with photometric=minisblack",
            )
        (dtype, *others) = sorted(dtypes)
        if others or np.dtype(dtype).kind not in "iuf":
            raise DataError(f"{path} holds {' and '.join([dtype, *others])}", "write real numbers of one type")
        return PixelGrid(path, crs, transform, cut, file.width, file.height, file.count, dtype, scales, offsets)


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    if path.is_dir():
        with open_raster(path, "Zarr", pixel_array(path)) as file:
            yield file
        return
    driver = driver_of(path)
    if driver != "GTiff":
        raise DataError(f"{path} is not a GeoTIFF", "save the embeddings as GeoTIFF, or as Zarr as gairbench map does")
    with open_raster(path, driver) as file:
        yield file


class Mosaic:
    """Rasters of the same bands, looked at as one: of those that hold data somewhere, the first counts there.

    Args:
        grids: In their order; at least one.
        convert: What is done to the stored values, after the scales that files state.

    Attributes:
        bands: How many values a pixel has.
    """

    def __init__(self, grids: Sequence[PixelGrid], convert: Convert) -> None:
        self._grids = tuple(grids)
        self._convert = convert
        self.bands = grids[0].bands

    def at(self, lonlat: Array) -> NDArray[np.float32]:
        """Return the values of the pixels that hold points.

        Args:
            lonlat: ``(n, 2)`` longitude and latitude in degrees; NaN where a place is not known.

        Returns:
            ``(n, bands)``; NaN where no raster has data: outside of all, a nodata value or a mask in any band, or a
            value that is not a finite number.

        Raises:
            DataError: A raster is broken or does not lie on Earth.
        """
        found = np.full((len(lonlat), self.bands), np.nan, dtype=np.float32)
        known = np.flatnonzero(np.isfinite(lonlat).all(axis=1))
        for grid, rows in self._reached(lonlat[known]):
            open_rows = known[rows]
            open_rows = open_rows[np.isnan(found[open_rows]).any(axis=1)]
            pixels = grid.positions(lonlat[open_rows])
            there = np.isfinite(pixels).all(axis=1)
            if there.any():
                found[open_rows[there]] = self._values(grid, pixels[there].astype(np.int64))
        return found

    def over(self, boxes: Array) -> NDArray[np.float32]:
        """Return the mean over the pixels whose centres lie in boxes.

        Args:
            boxes: ``(n, 4)`` as (lon_min, lat_max, lon_max, lat_min) in degrees; across the antimeridian ``lon_max`` is
                above 180 or less than ``lon_min``.

        Returns:
            ``(n, bands)``; NaN where pixels with data cover less than half of a box. A box without the centre of a
            pixel has the values of the pixel that holds its own centre.

        Raises:
            DataError: A raster is broken or does not lie on Earth, or a box holds too many pixels.
        """
        return (
            np.stack([self._mean(tuple(box)) for box in boxes.tolist()])
            if len(boxes)
            else np.empty((0, self.bands), np.float32)
        )

    @cached_property
    def _systems(self) -> list[tuple[PixelGrid, list[int], Array]]:
        """Return, for every system, a raster of it, the rasters in it, and their bounds (left, bottom, right, top)."""
        systems: dict[str, list[int]] = {}
        for number, grid in enumerate(self._grids):
            systems.setdefault(grid.crs.to_wkt(), []).append(number)
        return [
            (self._grids[numbers[0]], numbers, np.array([self._grids[number].bounds() for number in numbers]))
            for numbers in systems.values()
        ]

    def _reached(self, lonlat: Array) -> Iterator[tuple[PixelGrid, Array]]:
        """Yield the rasters that hold points, in their order, with the points; each system is projected to once."""
        reached: dict[int, Array] = {}
        for one, numbers, bounds in self._systems:
            xy = project_each(one.path, WGS84, one.crs, lonlat[:, 0], lonlat[:, 1]).T
            turns = (0.0, 360.0, -360.0) if one.crs.is_geographic else (0.0,)
            inside = np.zeros((len(numbers), len(lonlat)), dtype=bool)
            for turn in turns:
                x, y = xy[:, 0] + turn, xy[:, 1]
                inside |= (
                    (bounds[:, None, 0] <= x)
                    & (x <= bounds[:, None, 2])
                    & (bounds[:, None, 1] <= y)
                    & (y <= bounds[:, None, 3])
                )
            reached |= {number: np.flatnonzero(row) for number, row in zip(numbers, inside, strict=True) if row.any()}
        for number in sorted(reached):
            yield self._grids[number], reached[number]

    def _values(self, grid: PixelGrid, pixels: Array) -> NDArray[np.float32]:
        """Return the values of pixels ``(n, 2)`` (column, row) of one raster."""
        from rasterio.windows import Window

        found = np.empty((len(pixels), self.bands), dtype=np.float32)
        with _opened(grid.path) as file:
            height, width = file.block_shapes[0]
            # Pixels of one block one after the other: it is decoded once.
            for i in np.lexsort((pixels[:, 0] // width, pixels[:, 1] // height)):
                column, row = pixels[i].tolist()
                found[i] = self._read(grid, file, Window(column, row, 1, 1))[:, 0, 0]
        return found

    def _read(self, grid: PixelGrid, file: DatasetReader, window: Window) -> NDArray[np.float32]:
        """Return ``(bands, height, width)``; a pixel of which any band is missing is NaN in all."""
        with reading(grid.path, "raster", REPLACE):
            masked = file.read(window=window, masked=True)
        small = np.dtype(grid.dtype).itemsize <= (4 if np.dtype(grid.dtype).kind == "f" else 2)
        values = masked.data.astype(np.float32 if small else np.float64)
        values[np.ma.getmaskarray(masked)] = np.nan
        if grid.scaled:
            values = values * np.array(grid.scales)[:, None, None] + np.array(grid.offsets)[:, None, None]
        with np.errstate(over="ignore"):
            found: NDArray[np.float32] = np.asarray(self._convert(values), dtype=np.float32)
        found[:, ~np.isfinite(found).all(axis=0)] = np.nan
        return found

    def _mean(self, box: Box) -> NDArray[np.float32]:
        total, share, small = np.zeros(self.bands), 0.0, True
        before: list[tuple[PixelGrid, int, int, Array]] = []
        reached = self._reached_by(box)
        for grid in reached:
            pieces = [_centres_in(grid, piece, box) for piece in box_pieces(box, grid.cut)]
            # Rasters may differ in the size of their pixels: each pixel counts by its share of the box.
            expected = sum(len(columns) for columns, _ in pieces)
            small = small and not expected
            for columns, rows in pieces:
                if not len(columns):
                    continue
                top, left, values = self._strip(grid, columns, rows)
                inside = np.zeros(values.shape[1:], dtype=bool)
                here = (rows >= 0) & (rows < grid.height) & (columns >= 0) & (columns < grid.width)
                inside[rows[here] - top, columns[here] - left] = True
                usable = inside & np.isfinite(values).all(axis=0)
                if before:
                    _leave_out(grid, top, left, usable, before)
                total += values[:, usable].sum(axis=1, dtype=np.float64) / expected
                share += float(usable.sum()) / expected
                before.append((grid, top, left, usable))
        if reached and small:
            (piece,) = box_pieces(box, box[0])
            return np.asarray(self.at(piece.grid()[None, ALONG // 2, ALONG // 2])[0])
        if share < 1 - MOST_MISSING:
            return np.full(self.bands, np.nan, dtype=np.float32)
        return np.asarray(total / share, dtype=np.float32)

    def _reached_by(self, box: Box) -> list[PixelGrid]:
        """Return the rasters that points of a box may reach into, in their order."""
        reached: list[int] = []
        for one, numbers, bounds in self._systems:
            around = one.crs.is_geographic
            meets = np.zeros(len(numbers), dtype=bool)
            pieces = box_pieces(box, box[0] if around else one.cut)
            outlines = [xy for piece in pieces if (xy := one.outline(piece)) is not None]
            for xy in outlines if len(outlines) == len(pieces) else ():
                low, high = xy.min(axis=(0, 1)), xy.max(axis=(0, 1))
                if around:
                    # A raster may lie in the box's turn of 360 degrees or in the next.
                    in_x = (bounds[:, 0] - low[0]) % 360 <= high[0] - low[0]
                    in_x |= (low[0] - bounds[:, 0]) % 360 <= bounds[:, 2] - bounds[:, 0]
                else:
                    in_x = (bounds[:, 0] <= high[0]) & (low[0] <= bounds[:, 2])
                meets |= in_x & (bounds[:, 1] <= high[1]) & (low[1] <= bounds[:, 3])
            reached += [number for number, hit in zip(numbers, meets, strict=True) if hit]
        return [self._grids[number] for number in sorted(reached)]

    def _strip(self, grid: PixelGrid, columns: Array, rows: Array) -> tuple[int, int, NDArray[np.float32]]:
        """Read the part of a raster that holds pixels; return its first row, its first column, and its values."""
        from rasterio.windows import Window

        left, right = max(0, int(columns.min())), min(grid.width, int(columns.max()) + 1)
        top, bottom = max(0, int(rows.min())), min(grid.height, int(rows.max()) + 1)
        if left >= right or top >= bottom:
            return 0, 0, np.empty((self.bands, 0, 0), dtype=np.float32)
        step = max(1, _AT_ONCE // (self.bands * (right - left)))
        with _opened(grid.path) as file:
            parts = [
                self._read(grid, file, Window(left, row, right - left, min(step, bottom - row)))
                for row in range(top, bottom, step)
            ]
        return top, left, np.concatenate(parts, axis=1)


def _centres_in(grid: PixelGrid, piece: BoxPiece, box: Box) -> tuple[Array, Array]:
    """Return columns and rows of the pixels whose centres lie in a part of a box, those beyond the raster's edge too.

    Args:
        grid: The raster.
        piece: The part, between cuts of the raster's system.
        box: The box, for messages.

    Raises:
        DataError: They are too many.
    """
    nothing = np.empty(0, dtype=np.int64)
    xy = grid.outline(piece)
    if xy is None:
        return nothing, nothing
    first, last = grid.around(xy)
    if np.prod(last - first) > _LARGEST_BOX:
        if (last <= 0).any() or (first >= (grid.width, grid.height)).any():
            return nothing, nothing
        raise DataError(
            f"the box {', '.join(f'{value:g}' for value in box)} holds more than {_LARGEST_BOX:,} pixels of"
            f" {grid.path}",
            "correct the box, or use a coarser raster",
        )
    grids = np.meshgrid(*(np.arange(start, stop, dtype=np.int64) for start, stop in zip(first, last, strict=True)))
    columns, rows = (one.ravel() for one in grids)
    inside = piece.holds(grid.centres(columns, rows))
    return columns[inside], rows[inside]


def _leave_out(
    grid: PixelGrid, top: int, left: int, usable: Array, before: Sequence[tuple[PixelGrid, int, int, Array]]
) -> None:
    """Take away the pixels where an earlier raster has data."""
    rows, columns = np.nonzero(usable)
    lonlat = grid.centres(columns + left, rows + top)
    for earlier, first_row, first_column, has_data in before:
        pixels = earlier.positions(lonlat)
        there = np.flatnonzero(np.isfinite(pixels).all(axis=1))
        column, row = (pixels[there].astype(np.int64) - [first_column, first_row]).T
        in_part = (column >= 0) & (row >= 0) & (column < has_data.shape[1]) & (row < has_data.shape[0])
        there, column, row = there[in_part], column[in_part], row[in_part]
        taken = there[has_data[row, column]]
        usable[rows[taken], columns[taken]] = False
