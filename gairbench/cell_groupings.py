"""Groupings that need no more than places: cells of a longitude-latitude grid, named ``"blocks:5"``."""

from __future__ import annotations

_CELLS = "blocks:"


def cells_grouping(degrees: float) -> str:
    """Return the name of the grouping by cells that are so many degrees wide.

    Example:
        >>> cells_grouping(5.0)
        'blocks:5'
    """
    return f"{_CELLS}{degrees:.12g}"


def cell_width(grouping: str) -> float | None:
    """Return the width in degrees of the cells that a grouping's name means, or ``None`` where it means no cells.

    Example:
        >>> cell_width("blocks:2.5"), cell_width("city")
        (2.5, None)
    """
    try:
        degrees = float(grouping.removeprefix(_CELLS)) if grouping.startswith(_CELLS) else 0.0
    except ValueError:
        return None
    return degrees if 0 < degrees <= 360 else None
