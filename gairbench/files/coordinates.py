"""The one check of coordinates and boxes that users state."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gairbench.degrees import are_degrees
from gairbench.errors import DataError


def out_of_range(lonlat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of ``(n, 2)`` longitudes and latitudes in degrees are outside -180...180 or -90...90."""
    return np.asarray(~are_degrees(lonlat[:, 0], lonlat[:, 1]))


def range_hint(lon: float, lat: float) -> str:
    """Say what is probably wrong with coordinates that are out of range."""
    if abs(lon) <= 90 < abs(lat) <= 180:
        return "longitude and latitude look swapped; exchange them"
    if 180 < lon <= 360 and abs(lat) <= 90:
        return "longitudes run from 0 to 360; subtract 360 from those above 180"
    return "give degrees in EPSG:4326"


def check_coordinates(lonlat: NDArray[np.float64], where: Callable[[int], str]) -> NDArray[np.float64]:
    """Return coordinates that are in range.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        where: ``where(row)`` says where a row stands.

    Raises:
        DataError: One is outside -180...180 or -90...90; if the two look swapped, that is said.
    """
    bad = np.flatnonzero(out_of_range(lonlat))
    if len(bad):
        row = int(bad[0])
        lon, lat = lonlat[row]
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        raise DataError(
            f"{where(row)}: longitude {lon:g}, latitude {lat:g} is out of range{more}", range_hint(lon, lat)
        )
    return lonlat


def no_box(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which of ``(n, 4)`` boxes (lon_min, lat_max, lon_max, lat_min) are invalid: no area, or turned."""
    return ~((boxes[:, 0] < boxes[:, 2]) & (boxes[:, 3] < boxes[:, 1]))
