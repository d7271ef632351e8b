"""Sample the Earth and not the crowd: equal probability for every occupied cell."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import UsageError


def balance_weights(lonlat: NDArray[np.float64], cells: str) -> NDArray[np.float64]:
    """Return how likely each sample is drawn when every occupied cell is equally likely.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        cells: ``"grid:<degrees>"``, rows of that height cut into cells of about equal area, or ``"h3:<resolution>"``,
            the hexagons of H3 (https://h3geo.org), resolution 0 to 15.

    Returns:
        ``(n,)`` probabilities that sum to 1.

    Raises:
        UsageError: ``cells`` is neither, or the package h3 is not installed.
    """
    kind, _, size = cells.partition(":")
    cell: NDArray[Any]
    try:
        if kind == "grid":
            cell = _grid(lonlat, float(size))
        elif kind == "h3":
            cell = _hexagons(lonlat, int(size))
        else:
            raise ValueError(f"no cells of kind {kind!r}")
    except ValueError as error:
        raise UsageError(f"--balance {cells!r}: {error}", "write for instance grid:5 or h3:3") from error
    _, index, count = np.unique(cell, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / (count[index] * len(count))
    return weights


def _grid(lonlat: NDArray[np.float64], degrees: float) -> NDArray[np.int64]:
    if not 0 < degrees <= 180:
        raise ValueError("cells have between 0 and 180 degrees")
    row = np.floor((lonlat[:, 1] + 90) / degrees).astype(np.int64)
    middle = np.clip((row + 0.5) * degrees - 90, -89.9, 89.9)
    columns = np.maximum(1, np.round(360 / degrees * np.cos(np.radians(middle))))
    column = np.floor((lonlat[:, 0] + 180) % 360 / 360 * columns).astype(np.int64)
    cell: NDArray[np.int64] = row * 1_000_000 + column
    return cell


def _hexagons(lonlat: NDArray[np.float64], resolution: int) -> NDArray[np.str_]:
    try:
        import h3
    except ModuleNotFoundError as error:
        raise UsageError("--balance h3 needs the package h3", "pip install 'gairbench[h3]', or use grid:5") from error
    if not 0 <= resolution <= 15:
        raise ValueError("H3's resolutions are 0 to 15")
    return np.array([h3.latlng_to_cell(lat, lon, resolution) for lon, lat in lonlat.tolist()])
