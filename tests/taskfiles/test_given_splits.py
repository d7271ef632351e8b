"""Splits that are given: by words of the samples, and by lists of identifiers."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.errors import DataError
from gairbench.split_policy import SPLITS
from gairbench.taskfiles.given_splits import given_split, listed_split


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
