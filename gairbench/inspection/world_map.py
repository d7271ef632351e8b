"""Places on a map of characters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gairbench.geography import on_land

DEGREES_EAST, DEGREES_NORTH = 5.0, 10.0
"""Size of a character, which is about twice as high as wide."""

SEA, LAND, PLACE = " ", ".", "#"


def world_map(lonlat: NDArray[np.float64]) -> str:
    """Return the world in 18 lines of 72 characters, with a mark wherever there are places.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.

    Example:
        >>> lines = world_map(np.array([[2.35, 48.86], [18.42, -33.92]])).splitlines()
        >>> len(lines), lines[4][36], lines[12][39]
        (18, '#', '#')
    """
    west = np.arange(-180, 180, DEGREES_EAST)
    north = np.arange(90, -90, -DEGREES_NORTH)
    centres = np.stack(np.meshgrid(west + DEGREES_EAST / 2, north - DEGREES_NORTH / 2), axis=-1)
    drawn = np.where(on_land(centres.reshape(-1, 2)).reshape(centres.shape[:2]), LAND, SEA)
    column = np.clip((lonlat[:, 0] + 180) // DEGREES_EAST, 0, len(west) - 1).astype(np.int64)
    row = np.clip((90 - lonlat[:, 1]) // DEGREES_NORTH, 0, len(north) - 1).astype(np.int64)
    drawn[row, column] = PLACE
    return "\n".join("".join(line).rstrip() for line in drawn)
