"""What longitude and latitude in degrees can be: the one check of their ranges."""

from __future__ import annotations

from typing import Any


def are_degrees(lon: Any, lat: Any) -> Any:
    """Return whether places are on Earth: longitude in -180...180, latitude in -90...90; of NaN it is false.

    Args:
        lon: Longitudes: a number, an array or a tensor.
        lat: Latitudes of the same shape.

    Returns:
        A truth value for each.

    Example:
        >>> are_degrees(180.0, -90.0), are_degrees(48.1, 190.0), are_degrees(float("nan"), 0.0)
        (True, False, False)
    """
    return (abs(lon) <= 180) & (abs(lat) <= 90)
