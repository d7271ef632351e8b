"""Boxes in longitude and latitude, cut where a raster's system is cut: each piece has one outline in that system."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.georeference import ALONG, Box

Array = NDArray[Any]

_BESIDE_CUT = 1e-7
"""Degrees, about a centimetre: how far from a cut a place is for certain on its own side of it."""


@dataclass(frozen=True, slots=True)
class BoxPiece:
    """A part of a box that does not cross the meridian at which a system is cut.

    Args:
        west: Its western edge, degrees.
        width: Degrees from there to the east.
        south: Its southern edge, degrees.
        north: Its northern edge, degrees.
        start: ``west``, in the turn of 360 degrees that begins at the cut.
        from_cut: It begins at the cut, where the other piece ends: what lies on that meridian is the other's.
    """

    west: float
    width: float
    south: float
    north: float
    start: float
    from_cut: bool = False

    def grid(self) -> Array:
        """Return points of the piece, ``(n, n, 2)`` longitude and latitude, from south to north and west to east.

        Those of its western and eastern edge lie a hair inside.
        """
        # What lies on the cut itself is projected to either side.
        inwards = min(_BESIDE_CUT, self.width / 4)
        lon = np.linspace(self.start + inwards, self.start + self.width - inwards, ALONG)
        return np.stack(np.meshgrid(lon, np.linspace(self.south, self.north, ALONG)), axis=-1)

    def holds(self, lonlat: Array) -> NDArray[np.bool_]:
        """Return which points ``(n, 2)`` lie in it or on its edges."""
        with np.errstate(invalid="ignore"):
            # Beyond the edge of the Earth they are infinite.
            east_of = (lonlat[:, 0] - self.west) % 360
        inside = (east_of <= self.width) & (lonlat[:, 1] >= self.south) & (lonlat[:, 1] <= self.north)
        return np.asarray(inside & (east_of > 0) if self.from_cut else inside)


def box_pieces(box: Box, cut: float) -> list[BoxPiece]:
    """Return a box as the one or two pieces that a meridian cuts it into.

    Args:
        box: (lon_min, lat_max, lon_max, lat_min) in degrees. Across the antimeridian ``lon_max`` may be above 180, or
            less than ``lon_min``.
        cut: Longitude of the meridian, degrees.

    Example:
        >>> [(piece.start, piece.width) for piece in box_pieces((179.0, 10.0, -178.0, 9.0), 180.0)]
        [(539.0, 1.0), (180.0, 2.0)]
    """
    west, north, east, south = box
    width = min(east - west if east >= west else east - west + 360, 360.0)
    start = cut + (west - cut) % 360
    beyond = start + width - (cut + 360)
    if beyond <= 0:
        return [BoxPiece(west, width, south, north, start)]
    return [
        BoxPiece(west, width - beyond, south, north, start),
        BoxPiece(cut, beyond, south, north, cut, from_cut=True),
    ]
