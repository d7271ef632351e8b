"""The hash of files that fingerprints are made of, and splits in memory."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from gairbench.data import ArraySplit, Split, hash_files
from gairbench.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("a.csv", "1"), ("deep/er/b.tif", "2"), ("deep/c.tif", "3"), (".hidden", "4")):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "data"


def test_names_and_content_count(folder: Path) -> None:
    before = hash_files(folder)
    (folder / "a.csv").write_text("x")
    assert hash_files(folder) != before
    (folder / "a.csv").write_text("1")
    assert hash_files(folder) == before
    (folder / "a.csv").rename(folder / "d.csv")
    assert hash_files(folder) != before


def test_exchanged_contents_count(folder: Path) -> None:
    before = hash_files(folder)
    (folder / "deep" / "er" / "b.tif").write_text("3")
    (folder / "deep" / "c.tif").write_text("2")
    assert hash_files(folder) != before


def test_times_place_and_hidden_files_do_not_count(folder: Path, tmp_path: Path) -> None:
    before = hash_files(folder)
    os.utime(folder / "a.csv", (1, 1))
    (folder / ".hidden").write_text("other")
    folder.rename(tmp_path / "elsewhere")
    assert hash_files(tmp_path / "elsewhere") == before


def test_patterns_choose_and_leave_out(folder: Path) -> None:
    tables, tiles = hash_files(folder, ["*.csv"]), hash_files(folder, ["**/*.tif"])
    (folder / "deep" / "c.tif").write_text("x")
    assert hash_files(folder, ["*.csv"]) == tables
    assert hash_files(folder, ["**/*.tif"]) != tiles
    assert hash_files(folder, ["**/*", "!deep/**"]) == tables
    assert hash_files(folder, ["*.csv", "**/*.csv"]) == tables


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_folders_are_followed(folder: Path, tmp_path: Path) -> None:
    before = hash_files(folder)
    (folder / "deep").rename(tmp_path / "deep")
    (folder / "deep").symlink_to(tmp_path / "deep")
    assert hash_files(folder) == before


def test_names_in_another_unicode_form_are_the_same(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, name in ((one, "caf\u00e9"), (other, "cafe\u0301")):
        folder.mkdir()
        (folder / name).write_text("x")
    assert hash_files(one) == hash_files(other)


def test_nothing_found_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no folder"):
        hash_files(folder / "none")
    with pytest.raises(DataError, match=r"matches '\*\.jpg'"):
        hash_files(folder, ["*.csv", "*.jpg"])


def test_an_unreadable_file_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def broken(path: Path, *arguments: str) -> object:
        if path.name == "c.tif":
            raise OSError(5, "Input/output error")
        return opened(path, *arguments)

    monkeypatch.setattr(Path, "open", broken)
    with pytest.raises(DataError, match=r"c\.tif: Input/output error"):
        hash_files(folder)


def test_a_split_in_memory_says_groups_and_places() -> None:
    lonlat = np.array([[1.0, 2.0], [3.0, 4.0]])
    split = ArraySplit(["a", "b"], {"lonlat": lonlat}, {}, {"city": np.array(["x", "y"])})
    assert isinstance(split, Split)
    assert split.groups("city").tolist() == ["x", "y"]
    assert split.places() is lonlat
    assert ArraySplit(["a"], {"image": np.zeros((1, 3, 2, 2))}, {}).places() is None
    with pytest.raises(KeyError):
        split.groups("country")
