"""Coordinates are in range, or refused with the likely reason."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench.errors import DataError
from gairbench.files.coordinates import check_coordinates, no_box


@pytest.mark.parametrize(
    ("lonlat", "hint"),
    [
        ([[45.0, 170.0], [10.0, 20.0]], "longitude and latitude look swapped; exchange them"),
        ([[359.0, 10.0], [2.0, 20.0]], "longitudes run from 0 to 360; subtract 360"),
        ([[-500000.0, 4000000.0]], "give degrees in EPSG:4326"),
        ([[-170.0, 95.0]], "give degrees in EPSG:4326"),
    ],
)
def test_coordinates_out_of_range_are_refused_with_the_likely_reason(lonlat: list[list[float]], hint: str) -> None:
    with pytest.raises(DataError, match=r"row 0: longitude .* is out of range") as caught:
        check_coordinates(np.array(lonlat), lambda row: f"row {row}")
    assert caught.value.hint.startswith(hint)


def test_coordinates_at_the_very_edge_are_in_range() -> None:
    edge = np.array([[-180.0, -90.0], [180.0, 90.0]])
    np.testing.assert_array_equal(check_coordinates(edge, str), edge)


def test_a_coordinate_that_is_no_number_is_out_of_range() -> None:
    with pytest.raises(DataError, match="row 0: longitude nan"):
        check_coordinates(np.array([[np.nan, 1.0]]), lambda row: f"row {row}")


def test_a_box_has_an_area_and_its_edges_in_order() -> None:
    boxes = np.array([[0.0, 2, 1, 1], [1, 2, 0, 1], [0, 1, 1, 2], [0, 2, 0, 1], [np.nan, 2, 1, 1]])
    assert no_box(boxes).tolist() == [False, True, True, True, True]
