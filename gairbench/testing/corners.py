"""Where in an output a change in one corner of an input shows."""

from __future__ import annotations

import math
from collections.abc import Sequence

MISPLACED = math.log(2)
"""A corner's change is in the wrong place if it shows there by this factor (its logarithm) more than where it belongs,
beyond what place and change alone explain. Networks that see the whole image at each token stay far below it, flipped
grids far above."""

CORNERS = tuple((south, east) for south in (False, True) for east in (False, True))


def misplaced(changes: Sequence[Sequence[float]]) -> tuple[str, str] | None:
    """Find a corner whose change shows elsewhere.

    Args:
        changes: For each corner that was changed, how much each corner of the output did.

    Returns:
        The corner of the input and that of the output; ``None`` where everything is in its place, or nothing has one:
        each token of some networks depends on the whole image.
    """
    least = max(map(max, changes)) * 1e-6
    if not least:
        return corner_name(*CORNERS[0]), "no corner"
    logs = [[math.log(max(value, least)) for value in row] for row in changes]
    # Some corners change more than others, and some places react more than others; neither says where a change belongs.
    rows = [sum(row) / len(row) for row in logs]
    columns = [sum(column) / len(logs) for column in zip(*logs, strict=True)]
    mean = sum(rows) / len(rows)
    for here, row in enumerate(logs):
        beyond = [value - rows[here] - columns[there] + mean for there, value in enumerate(row)]
        there = max(range(len(beyond)), key=lambda place: beyond[place])
        if beyond[there] - beyond[here] > MISPLACED:
            return corner_name(*CORNERS[here]), corner_name(*CORNERS[there])
    return None


def corner_name(south: bool, east: bool) -> str:
    """Return what a corner is called, as ``"north-west"``."""
    return f"{'south' if south else 'north'}-{'east' if east else 'west'}"
