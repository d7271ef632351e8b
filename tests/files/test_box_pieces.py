"""Boxes cut at a meridian: every place of a box is in one of its pieces."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench.files.box_pieces import box_pieces

ACROSS = [(179.0, 10.0, 182.0, 9.0), (179.0, 10.0, -178.0, 9.0), (-181.0, 10.0, -178.0, 9.0)]


@pytest.mark.parametrize("box", ACROSS)
@pytest.mark.parametrize("cut", [180.0, -180.0, 540.0])
def test_a_box_across_the_cut_is_two_pieces_and_each_place_is_in_one(
    box: tuple[float, float, float, float], cut: float
) -> None:
    first, second = box_pieces(box, cut)
    assert (first.width, second.width) == (1.0, 2.0)
    assert first.start + first.width == cut + 360
    assert second.start == cut
    # On its edges and on the cut, however longitudes are written.
    places = np.array([(179.0, 9.5), (180.0, 9.5), (-180.0, 9.5), (-179.0, 9.5), (-178.0, 9.5), (178.9, 9.5)])
    assert (first.holds(places).astype(int) + second.holds(places)).tolist() == [1, 1, 1, 1, 1, 0]
    assert not (first.holds(places[:, ::-1]) | second.holds(places[:, ::-1])).any()


def test_other_boxes_are_one_piece() -> None:
    (piece,) = box_pieces((10.0, 50.0, 11.0, 49.0), 180.0)
    assert piece.holds(np.array([(10.0, 49.0), (11.0, 50.0), (11.1, 49.5), (10.5, 50.1)])).tolist() == [
        True,
        True,
        False,
        False,
    ]
    (around,) = box_pieces((-180.0, 90.0, 180.0, -90.0), 180.0)
    assert around.width == 360
