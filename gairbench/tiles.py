"""Where points lie in their tiles."""

from __future__ import annotations

from torch import Tensor


def relative_position(lonlat: Tensor, bbox: Tensor) -> Tensor:
    """Place points in their tiles.

    Args:
        lonlat: ``(batch, 2)`` or ``(batch, points, 2)`` longitude and latitude in degrees.
        bbox: ``(batch, 4)`` as (lon_min, lat_max, lon_max, lat_min). A mirrored tile has its edges swapped.

    Returns:
        Of ``lonlat``'s shape: x from west (-1) to east (1), y from north (-1) to south (1).

    Raises:
        ValueError: A box has no area, or a point lies outside its tile.
    """
    if lonlat.ndim == 3:
        bbox = bbox[:, None]
    origin, extent = bbox[..., :2], bbox[..., 2:] - bbox[..., :2]
    position = (lonlat - origin) / extent
    # Rounding of the corners themselves is no mistake; a point a thousandth of a tile outside is.
    inside = ((position >= -1e-3) & (position <= 1 + 1e-3)).all(-1)
    if not bool(inside.all()):
        first = int((~inside).flatten().nonzero()[0])
        point = lonlat.reshape(-1, 2)[first].tolist()
        box = bbox.expand(*inside.shape, 4).reshape(-1, 4)[first].tolist()
        raise ValueError(f"point {point} (lon, lat) lies outside its tile {box} (lon_min, lat_max, lon_max, lat_min)")
    return 2 * position.clamp(0, 1) - 1
