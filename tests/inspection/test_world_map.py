"""Places are drawn where they are."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench.inspection.world_map import LAND, PLACE, world_map


@pytest.mark.parametrize(
    ("lonlat", "row", "column"),
    [
        ((-180.0, 90.0), 0, 0),
        ((180.0, -90.0), 17, 71),
        ((0.0, 0.0), 9, 36),
        ((-0.1, 0.1), 8, 35),
        ((13.4, 52.5), 3, 38),
        ((-70.7, -33.4), 12, 21),
    ],
)
def test_a_place_is_in_its_row_and_column(lonlat: tuple[float, float], row: int, column: int) -> None:
    lines = world_map(np.array([lonlat])).splitlines()
    assert [(y, line.index(PLACE)) for y, line in enumerate(lines) if PLACE in line] == [(row, column)]


def test_land_is_drawn_and_the_sea_is_not() -> None:
    lines = [line.ljust(72) for line in world_map(np.empty((0, 2))).splitlines()]
    # Brazil, the Sahara, Siberia, Antarctica; the middle of the Pacific.
    assert {lines[y][x] for y, x in ((9, 24), (6, 38), (2, 56), (17, 40))} == {LAND}
    assert lines[9][6] == " "
