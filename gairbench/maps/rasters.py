"""Write a map as GeoTIFF or Zarr, block by block, and read it back; a map is there whole or not at all."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.windows import Window

from gairbench.errors import StorageError, UsageError
from gairbench.maps.formats import map_format
from gairbench.maps.tiling import BLOCK, Block
from gairbench.storage import atomic_file, atomic_folder, unwritable

Values = NDArray[np.float32]

_CHUNK = 32
"""Edge of a Zarr chunk in pixels, a divisor of BLOCK; all bands are in one chunk, for maps are read by the pixel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGrid:
    """The pixels of a map.

    Args:
        dim: Bands, the numbers of an embedding.
        height: Rows from north to south.
        width: Columns from west to east.
        crs: Coordinate reference system.
        transform: From (column, row) to the CRS's coordinates.
        tags: What the map is of, by name.
    """

    dim: int
    height: int
    width: int
    crs: CRS
    transform: Affine
    tags: Mapping[str, str]


class RasterFormat(Protocol):
    """A file format of maps."""

    def write(self, path: Path, grid: MapGrid) -> AbstractContextManager[Callable[[Block, Values], None]]:
        """Open a map for writing blocks ``(dim, height, width)``; it appears when the context ends without an error."""
        ...

    def read(self, path: Path) -> AbstractContextManager[Callable[[Block], Values]]:
        """Open a map for reading blocks."""
        ...


class GeoTiff:
    """A tiled, compressed GeoTIFF of one band per number of the embedding; NaN is nodata."""

    @contextmanager
    def write(self, path: Path, grid: MapGrid) -> Iterator[Callable[[Block, Values], None]]:
        """Open a map for writing.

        Raises:
            StorageError: It cannot be written.
        """
        profile = {
            "driver": "GTiff",
            "dtype": "float32",
            "count": grid.dim,
            "height": grid.height,
            "width": grid.width,
            "crs": grid.crs,
            "transform": grid.transform,
            "nodata": float("nan"),
            "tiled": True,
            "blockxsize": BLOCK,
            "blockysize": BLOCK,
            "interleave": "band",
            "photometric": "minisblack",
            "compress": "deflate",
            "predictor": 3,
            "zlevel": 1,  # embeddings hardly compress further
            "bigtiff": "if_safer",
            "num_threads": "all_cpus",
        }
        checksums: dict[Block, int] = {}

        with atomic_file(path) as scratch:
            with _writing(path):
                file = rasterio.open(scratch.name, "w", **profile)

            def write(block: Block, values: Values) -> None:
                with _writing(path):
                    file.write(values, window=_window(block))
                checksums[block] = _checksum(values)

            try:
                with _writing(path):
                    file.update_tags(**grid.tags)
                    file.descriptions = tuple(f"embedding_{band}" for band in range(grid.dim))
                yield write
            except BaseException:
                # What went wrong first is what is reported.
                with suppress(Exception):
                    file.close()
                raise
            with _writing(path):
                file.close()
            with _writing(path), self.read(Path(scratch.name)) as read:
                _compare(path, checksums, read)

    @contextmanager
    def read(self, path: Path) -> Iterator[Callable[[Block], Values]]:
        """Open a map for reading."""
        with rasterio.open(path) as file:

            def read(block: Block) -> Values:
                values: Values = file.read(window=_window(block))
                return values

            yield read


class Zarr:
    """A Zarr group (format 2) with ``embedding`` (band, y, x), its coordinates, and a CF grid mapping."""

    @contextmanager
    def write(self, path: Path, grid: MapGrid) -> Iterator[Callable[[Block, Values], None]]:
        """Open a map for writing.

        Raises:
            UsageError: The package ``zarr`` is not installed, or there is something else at the path.
            StorageError: It cannot be written.
        """
        import zarr

        if path.exists() and not (path / ".zgroup").is_file():
            raise UsageError(f"{path} exists and is not a Zarr group", "choose another --out")
        checksums: dict[Block, int] = {}

        with atomic_folder(path) as scratch:
            with _writing(path):
                group = zarr.open_group(str(scratch), mode="w", zarr_format=2)
                embedding = _describe(group, grid)

            def write(block: Block, values: Values) -> None:
                with _writing(path):
                    for part in _by_chunk(block):
                        rows, columns = _slices(part)
                        embedding[:, rows, columns] = _cut(values, block, part)
                checksums[block] = _checksum(values)

            yield write
            with _writing(path):
                zarr.consolidate_metadata(str(scratch), zarr_format=2)
            with _writing(path), self.read(scratch) as read:
                _compare(path, checksums, read)

    @contextmanager
    def read(self, path: Path) -> Iterator[Callable[[Block], Values]]:
        """Open a map for reading."""
        import zarr

        embedding: Any = zarr.open_group(str(path), mode="r")["embedding"]

        def read(block: Block) -> Values:
            values = np.empty((embedding.shape[0], block.height, block.width), dtype=np.float32)
            for part in _by_chunk(block):
                rows, columns = _slices(part)
                _cut(values, block, part)[:] = embedding[:, rows, columns]
            return values

        yield read


def raster_format_of(path: Path) -> RasterFormat:
    """Return the format that a path's suffix names.

    Raises:
        UsageError: It names none, or one whose package is not installed.
    """
    return GeoTiff() if map_format(path) == ".tif" else Zarr()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Report whatever a library raises while it writes, or reads back, a map as one kind of error.

    Raises:
        StorageError: In place of it.
    """
    try:
        yield
    except StorageError:
        raise
    # GDAL's errors have no common base but Exception, and a full disk comes as any of them.
    except Exception as error:
        raise unwritable(path, error) from error


def _checksum(values: Values) -> int:
    return zlib.crc32(np.ascontiguousarray(values, dtype=np.float32).data)


def _compare(path: Path, checksums: Mapping[Block, int], read: Callable[[Block], Values]) -> None:
    """Find out whether every block reads back as it was written.

    Raises:
        StorageError: One does not: GDAL reports errors of its compression threads late or never, and reads a block that
            is missing as a block without data.
    """
    for block, written in checksums.items():
        if _checksum(read(block)) != written:
            reason = f"output row {block.row}, column {block.column} does not read back as written"
            raise unwritable(path, OSError(reason))


def _describe(group: Any, grid: MapGrid) -> Any:
    """Create the arrays of a group and return the embedding's."""
    wkt = grid.crs.to_wkt()
    group.attrs.update({"Conventions": "CF-1.8", **grid.tags})
    geographic = grid.crs.is_geographic
    axes = {
        "y": (np.arange(grid.height) + 0.5) * grid.transform.e + grid.transform.f,
        "x": (np.arange(grid.width) + 0.5) * grid.transform.a + grid.transform.c,
    }
    names = {"y": ("latitude", "degrees_north"), "x": ("longitude", "degrees_east")}
    for name, centres in axes.items():
        standard, units = names[name] if geographic else (f"projection_{name}_coordinate", grid.crs.linear_units)
        attributes = {"_ARRAY_DIMENSIONS": [name], "axis": name.upper(), "standard_name": standard, "units": units}
        group.create_array(name, data=centres, attributes=attributes)
    band = {"_ARRAY_DIMENSIONS": ["band"], "long_name": "position in the embedding"}
    group.create_array("band", data=np.arange(grid.dim), attributes=band)
    # rioxarray and GDAL read crs_wkt and GeoTransform from here; the array's own _CRS is GDAL's older way.
    reference = {
        "_ARRAY_DIMENSIONS": [],
        "crs_wkt": wkt,
        "spatial_ref": wkt,
        "GeoTransform": " ".join(repr(float(number)) for number in grid.transform.to_gdal()),
    }
    group.create_array("spatial_ref", data=np.array(0), attributes=reference)
    return group.create_array(
        "embedding",
        shape=(grid.dim, grid.height, grid.width),
        chunks=(grid.dim, min(_CHUNK, grid.height), min(_CHUNK, grid.width)),
        dtype="float32",
        fill_value=float("nan"),
        attributes={
            "_ARRAY_DIMENSIONS": ["band", "y", "x"],
            "grid_mapping": "spatial_ref",
            "_CRS": {"wkt": wkt},
        },
    )


def _window(block: Block) -> Window:
    return Window(block.column, block.row, block.width, block.height)


def _by_chunk(block: Block) -> Iterator[Block]:
    """Yield the parts of a block, each in one chunk.

    Of several chunks, Zarr leaves tasks behind when one fails, and Python complains about them after our own error.
    """
    for row in range(block.row // _CHUNK * _CHUNK, block.row + block.height, _CHUNK):
        for column in range(block.column // _CHUNK * _CHUNK, block.column + block.width, _CHUNK):
            top, left = max(row, block.row), max(column, block.column)
            height = min(row + _CHUNK, block.row + block.height) - top
            width = min(column + _CHUNK, block.column + block.width) - left
            yield Block(top, left, height, width)


def _cut(values: Values, block: Block, part: Block) -> Values:
    """Return the values of a part of a block."""
    row, column = part.row - block.row, part.column - block.column
    return values[:, row : row + part.height, column : column + part.width]


def _slices(block: Block) -> tuple[slice, slice]:
    return slice(block.row, block.row + block.height), slice(block.column, block.column + block.width)
