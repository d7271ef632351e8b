"""Splits: each sample in exactly one, drawn the same way every time, nothing shared where nothing may be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gairbench.split_policy import SPLITS
from gairbench.splitting import block_split, division_problem, group_split, random_split

SHARES = (0.6, 0.15, 0.25)


def sizes(names: np.ndarray) -> list[int]:
    return [int((names == split).sum()) for split in SPLITS]


def test_random_split_has_the_shares_and_depends_on_the_seed_only() -> None:
    names = random_split(1000, SHARES, 3)
    assert sizes(names) == [600, 150, 250]
    np.testing.assert_array_equal(names, random_split(1000, SHARES, 3))
    assert (names != random_split(1000, SHARES, 4)).any()


def test_stratified_split_divides_every_class_alike() -> None:
    strata = np.repeat(["rare", "common"], [20, 200])
    names = random_split(220, SHARES, 0, strata)
    assert sizes(names[strata == "rare"]) == [12, 3, 5]
    assert sizes(names[strata == "common"]) == [120, 30, 50]


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.integers(0, 30), min_size=1, max_size=200),
    seed=st.integers(0, 1000),
)
def test_groups_are_never_torn_apart(groups: list[int], seed: int) -> None:
    names = group_split(groups, SHARES, seed)
    for group in set(groups):
        assert len({name for name, g in zip(names, groups, strict=True) if g == group}) == 1


def test_many_groups_come_near_the_shares() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 300, 5000)
    for seed in range(5):
        np.testing.assert_allclose(np.array(sizes(group_split(groups, SHARES, seed))) / 5000, SHARES, atol=0.01)


def test_no_cell_of_the_grid_is_in_two_splits_whatever_side_of_the_meridians_it_is_on() -> None:
    rng = np.random.default_rng(1)
    lonlat = np.stack([rng.uniform(-180, 180, 4000), rng.uniform(-90, 90, 4000)], axis=1)
    names = block_split(lonlat, 10, SHARES, 0)
    cells = [tuple(cell) for cell in np.floor(lonlat / 10).astype(int)]
    seen: dict[tuple[int, ...], str] = {}
    assert all(seen.setdefault(cell, name) == name for cell, name in zip(cells, names, strict=True))
    assert set(names) == set(SPLITS)


@pytest.mark.parametrize("degrees", [10, 0.5, 1e-4])
def test_the_cells_of_the_grid_and_no_others_are_the_groups(degrees: float) -> None:
    """In the order of longitude, then latitude: another one would change the numbers of published runs."""
    rng = np.random.default_rng(2)
    columns, rows = rng.integers(0, 18, 3000), rng.integers(0, 18, 3000)
    # Also cells that a number made of column and row would take for one another.
    columns, rows = np.append(columns, [3, 4]), np.append(rows, [0, 10**6])
    lonlat = np.stack([(columns + 0.5) * degrees - 180, (rows + 0.5) * degrees - 90], axis=1)
    lonlat = lonlat[lonlat[:, 1] < 90]
    cells = [*map(tuple, np.floor((lonlat + np.array([180, 90])) / degrees).astype(int).tolist())]
    number = {cell: n for n, cell in enumerate(sorted({*cells}))}
    groups = [number[cell] for cell in cells]
    for seed in range(3):
        np.testing.assert_array_equal(block_split(lonlat, degrees, SHARES, seed), group_split(groups, SHARES, seed))


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["train", "val", "test"], "it returned a list"),
        (np.array(["train", "val"]), r"shape \(2,\), wanted one name for each of 3 samples"),
        (np.array(["train", "val", "Test"]), "it returned 'Test', wanted train, val, test, or an empty text"),
        (np.array([0, 1, 2]), "it returned '0'"),
    ],
)
def test_what_are_not_the_names_of_splits_is_refused(names: object, why: str) -> None:
    assert re.search(why, division_problem(names, 3))


def test_samples_may_take_no_part() -> None:
    assert division_problem(np.array(["train", "", "test"]), 3) == ""
