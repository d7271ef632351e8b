"""Splits: each sample in exactly one, drawn the same way every time, nothing shared where nothing may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gairbench.errors import DataError
from gairbench.taskfiles.splitting import SPLITS, block_split, given_split, group_split, listed_split, random_split

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


def test_given_words_decide_and_an_unknown_one_is_told_with_its_sample() -> None:
    words = ["kenya", "togo", "mali", "kenya"]
    names = given_split(["a", "b", "c", "d"], words, [["kenya"], ["togo"], ["mali"]], "column 'country'")
    assert names.tolist() == ["train", "val", "test", "train"]
    with pytest.raises(DataError, match=r"sample 'c' is in no split: column 'country' is 'mali', which means none of"):
        given_split(["a", "b", "c", "d"], words, [["kenya"], ["togo"], []], "column 'country'")


def test_lists_decide_and_every_slip_in_them_is_told(tmp_path: Path) -> None:
    lists = [[tmp_path / f"{split}.txt"] for split in SPLITS]
    for (path,), content in zip(lists, ("a\nb\n\n", " c \n", "d\n"), strict=True):
        path.write_text(content)
    ids = ["d", "c", "b", "a"]
    assert listed_split(ids, lists).tolist() == ["test", "val", "train", "train"]
    with pytest.raises(DataError, match="sample 'e' is in none of the lists"):
        listed_split([*ids, "e"], lists)
    with pytest.raises(DataError, match=r"train\.txt, line 1: there is no sample 'a'; write identifiers like 'd'"):
        listed_split(["d", "c", "b"], lists)
    lists[2][0].write_text("d\nb\n")
    with pytest.raises(DataError, match=r"test\.txt, line 2: sample 'b' is in train too"):
        listed_split(ids, lists)
    lists[1][0].unlink()
    with pytest.raises(DataError, match=r"cannot read the list .*val\.txt"):
        listed_split(ids, lists)
