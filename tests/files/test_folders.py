"""Which files a pattern takes: all that match, hidden ones only if named, and no link or folder dropped in silence."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from gairbench.errors import DataError
from gairbench.files.folders import NamedFiles, check_pattern, find_files, is_hidden, require_folder


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(folder: Path, pattern: str, **options: Any) -> list[str]:
    files = find_files(folder, pattern, root=folder, **options)
    return [path.relative_to(folder).as_posix() for path in files.paths]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["0.png"]),
        ("*/*.png", ["a/1.png", "b/2.png"]),
        ("**/*.png", ["0.png", "a/1.png", "a/deep/3.png", "b/2.png"]),
        ("a/**/*.png", ["a/1.png", "a/deep/3.png"]),
        ("**/deep/*.png", ["a/deep/3.png"]),
        ("**/a/**/*.png", ["a/1.png", "a/deep/3.png"]),
        ("a/**", ["a/1.png", "a/4.tif", "a/deep/3.png"]),
        ("[ab]/?.png", ["a/1.png", "b/2.png"]),
        ("./a/*.tif", ["a/4.tif"]),
    ],
)
def test_pattern_matches_part_by_part(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "0.png", "a/1.png", "a/4.tif", "a/deep/3.png", "b/2.png")
    assert found(tmp_path, pattern) == expected


@pytest.mark.parametrize(
    "name",
    [
        ".ipynb_checkpoints/1.png",
        "a/._1.png",
        "@eaDir/1.png",
        "a/@eaDir/1.png/SYNOPHOTO.png",
        "__MACOSX/a/1.png",
        "#recycle/1.png",
        "lost+found/1.png",
        ".git/a/1.png",
    ],
)
def test_hidden_files_and_those_of_the_system_are_counted_and_left_out(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a/1.png", name)
    files = find_files(tmp_path, "**/*.png", root=tmp_path)
    assert files.paths == [tmp_path / "a/1.png"]
    assert files.hidden == [tmp_path / name]


def test_names_of_windows_are_hidden_too(tmp_path: Path) -> None:
    touch(tmp_path, "a/1", "a/Thumbs.db", "a/desktop.ini", "a/.DS_Store")
    assert found(tmp_path, "*/*") == ["a/1"]
    assert not is_hidden("thumbs")


def test_hidden_files_are_taken_if_the_pattern_names_them(tmp_path: Path) -> None:
    touch(tmp_path, ".cache/1.png", ".cache/.2.png", "@eaDir/3.png", "a/4.png")
    assert found(tmp_path, ".cache/*.png") == [".cache/1.png"]
    assert found(tmp_path, ".*/*.png") == [".cache/1.png"]
    assert found(tmp_path, ".cache/.*.png") == [".cache/.2.png"]
    assert found(tmp_path, "@eaDir/*.png") == ["@eaDir/3.png"]


def test_hidden_folder_that_is_the_images_folder_is_no_reason_to_leave_out(tmp_path: Path) -> None:
    touch(tmp_path, ".data/1.png")
    assert [path.name for path in find_files(tmp_path / ".data", "*.png", root=tmp_path).paths] == ["1.png"]


def test_folder_that_matches_is_not_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b.png/2.png")
    files = find_files(tmp_path, "*.png", root=tmp_path)
    assert (files.paths, files.folders) == ([], [tmp_path / "b.png"])


def test_names_of_another_case_are_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "a/2.PNG", "B/3.png")
    files = find_files(tmp_path, "[ab]/*.png", root=tmp_path)
    assert files.paths == [tmp_path / "a/1.png"]
    assert files.other_case == [tmp_path / "B/3.png", tmp_path / "a/2.PNG"]


def test_pattern_and_names_are_compared_in_one_unicode_form(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Café")
    touch(tmp_path, f"{decomposed}/1.png")
    assert found(tmp_path, "Café/*.png") == [f"{decomposed}/1.png"]


@pytest.mark.parametrize("pattern", ["**/*.png", "*/*.png"])
def test_links_inside_the_root_are_followed(tmp_path: Path, pattern: str) -> None:
    touch(tmp_path, "store/1.png", "data/a/2.png")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "store")
    (tmp_path / "data" / "a" / "3.png").symlink_to(tmp_path / "store" / "1.png")
    files = find_files(tmp_path / "data", pattern, root=tmp_path)
    assert [path.relative_to(tmp_path / "data").as_posix() for path in files.paths] == ["a/2.png", "a/3.png", "b/1.png"]


@pytest.mark.parametrize("link", ["file", "folder", "images' folder"])
def test_links_out_of_the_root_are_followed_only_when_asked(tmp_path: Path, link: str) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "elsewhere/1.png", "root/data/a/2.png")
    if link == "file":
        (root / "data" / "a" / "3.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    elif link == "folder":
        (root / "data" / "b").symlink_to(tmp_path / "elsewhere")
    else:
        (tmp_path / "moved").mkdir()
        (root / "data").rename(tmp_path / "moved" / "data")
        (root / "data").symlink_to(tmp_path / "moved" / "data")
    with pytest.raises(DataError, match=r"leads out of .*, to .*; allow such links \(--follow-links"):
        find_files(root / "data", "*/*.png", root=root)
    assert find_files(root / "data", "*/*.png", root=root, follow_links=True).paths


def test_root_may_itself_be_a_link(tmp_path: Path) -> None:
    touch(tmp_path, "real/data/1.png")
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert len(find_files(tmp_path / "root" / "data", "*.png", root=tmp_path / "root").paths) == 1


def test_links_that_lead_nowhere_or_in_a_circle_are_errors(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "2.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"the link .*2\.png leads nowhere"):
        find_files(tmp_path, "*/*.png", root=tmp_path)
    (tmp_path / "a" / "2.png").unlink()
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"the link .*back leads to a folder that contains it"):
        find_files(tmp_path, "**/*.png", root=tmp_path)
    (tmp_path / "a" / "back").unlink()
    (tmp_path / "a" / "self.png").symlink_to("self.png")
    with pytest.raises(DataError, match=r"self\.png"):
        find_files(tmp_path, "**/*.png", root=tmp_path)
    # What does not match, and what is hidden, may be broken.
    assert found(tmp_path, "*/1.png") == ["a/1.png"]


def test_two_links_to_each_other_s_folders_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="leads to a folder that contains it"):
        find_files(tmp_path, "**/*.png", root=tmp_path)


@pytest.fixture
def forbidden(monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """Folders that cannot be listed, also for root."""
    folders: set[Path] = set()
    scandir = os.scandir

    def guarded(folder: Any) -> Any:
        if Path(folder) in folders:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    return folders


@pytest.mark.parametrize("pattern", ["*/*.png", "**/*.png"])
def test_unreadable_subfolder_is_an_error(tmp_path: Path, forbidden: set[Path], pattern: str) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    forbidden.add(tmp_path / "b")
    with pytest.raises(DataError, match=r"cannot read .*/b: Permission denied; fix its permissions"):
        find_files(tmp_path, pattern, root=tmp_path)
    # A folder in which nothing is looked for may be unreadable.
    assert found(tmp_path, "a/*.png") == ["a/1.png"]


def test_name_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/for\xeat"
    os.mkdir(folder)  # noqa: PTH102
    with open(folder + b"/1.png", "wb"):  # noqa: PTH123
        pass
    with pytest.raises(DataError, match=r"the name of .*for\\xeat/1\.png is not UTF-8; rename") as caught:
        find_files(tmp_path, "*/*.png", root=tmp_path)
    str(caught.value).encode()
    # A data root that is called so is no matter: it is part of no name.
    assert find_files(Path(os.fsdecode(folder)), "*.png", root=tmp_path).paths


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_that_matches_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.png")
    with pytest.raises(DataError, match=r"1\.png is neither a file nor a folder"):
        find_files(tmp_path, "*.png", root=tmp_path)


def test_patterns_that_mean_nothing_are_told_apart() -> None:
    assert check_pattern("**/*.png") == ""
    assert check_pattern("a**/*.png") == "has 'a**': '**' stands alone between slashes"
    assert check_pattern(".") == "is empty"


def test_files_are_found_by_name_in_another_unicode_form(tmp_path: Path) -> None:
    touch(tmp_path, unicodedata.normalize("NFD", "Café/é.png"))
    files = NamedFiles(tmp_path, root=tmp_path)
    path = files.find("Café/é.png")
    assert path is not None
    assert path.is_file()
    assert files.find("Café/è.png") is None
    assert files.find("gone/1.png") is None
    assert files.find("x" * 300) is None


@pytest.mark.parametrize("link", ["file", "folder"])
def test_named_files_outside_are_found_only_when_asked(tmp_path: Path, link: str) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "elsewhere/1.png", "root/a/2.png")
    if link == "file":
        (root / "a" / "1.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    else:
        (root / "b").symlink_to(tmp_path / "elsewhere")
    name = "a/1.png" if link == "file" else "b/1.png"
    assert NamedFiles(root, root=root).find("a/2.png") == root / "a/2.png"
    with pytest.raises(DataError, match="that leads out of"):
        NamedFiles(root, root=root).find(name)
    assert NamedFiles(root, root=root, follow_links=True).find(name) == root / name


def test_folder_that_is_not_there_or_not_to_be_entered_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_folder(tmp_path, "image folder")
    with pytest.raises(DataError, match=r"no image folder .*/gone; correct the folder or --data-root"):
        require_folder(tmp_path / "gone", "image folder")

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(DataError, match=r"cannot read .*: Permission denied; fix its permissions"):
        require_folder(tmp_path, "image folder")


def test_named_file_that_may_not_be_looked_at_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(DataError, match=r"cannot read .*1\.png: Permission denied"):
        NamedFiles(tmp_path, root=tmp_path).find("1.png")
