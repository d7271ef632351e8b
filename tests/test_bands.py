"""Bands are named by the file or its user; only one nameless order is taken for granted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.bands import canonical, stack_bands
from gairbench.errors import DataError

PATH = Path("tile.tif")
TWELVE = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")


@pytest.mark.parametrize(
    ("written", "spelled"),
    [("B02", "B2"), ("b8a", "B8A"), ("B08A", "B8A"), (" Red ", "red"), ("B12", "B12"), ("nir", "nir"), ("B22", "B22")],
)
def test_other_spellings_of_a_band_are_the_same_band(written: str, spelled: str) -> None:
    assert canonical(written) == spelled


def test_the_files_descriptions_name_its_bands() -> None:
    assert stack_bands(PATH, 3, ("B04", "B3", "B2"), None) == ("B4", "B3", "B2")
    assert stack_bands(PATH, 2, ("B4", "cloud mask"), None) == ("B4", "cloud mask")


def test_a_nameless_stack_of_twelve_is_sentinel_2_by_position() -> None:
    assert stack_bands(PATH, 12, (None,) * 12, None) == TWELVE


@pytest.mark.parametrize("count", [1, 3, 4, 10, 13])
def test_other_nameless_stacks_are_refused(count: int) -> None:
    with pytest.raises(DataError, match=f"tile.tif has {count} bands? without names.*--bands"):
        stack_bands(PATH, count, (None,) * count, None)


def test_declared_names_settle_a_nameless_stack() -> None:
    assert stack_bands(PATH, 3, (None,) * 3, ("Red", "green", "blue")) == ("red", "green", "blue")


@pytest.mark.parametrize("descriptions", [("Band 1",) * 12, ("B1", *(None,) * 11)], ids=["free text", "some unnamed"])
def test_descriptions_that_do_not_name_every_band_are_refused_and_quoted(descriptions: tuple[str | None, ...]) -> None:
    with pytest.raises(DataError, match=descriptions[0] or ""):
        stack_bands(PATH, 12, descriptions, None)


def test_declared_names_may_not_contradict_the_file() -> None:
    with pytest.raises(DataError, match="says that its band 1 is B4, and it is declared as B2"):
        stack_bands(PATH, 3, ("B4", "B3", "B2"), ("B2", "B3", "B4"))
    assert stack_bands(PATH, 2, ("Band 1", "B3"), ("B2", "B03")) == ("B2", "B3")


def test_declared_names_must_be_one_per_band_and_differ() -> None:
    with pytest.raises(DataError, match="has 3 bands, and 2 are declared"):
        stack_bands(PATH, 3, (None,) * 3, ("B2", "B3"))
    with pytest.raises(DataError, match="more than one band is called B2"):
        stack_bands(PATH, 2, (None, None), ("B2", "B02"))
