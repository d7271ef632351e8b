"""Files and folders are written whole or not at all, and nothing of a killed writer stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import pytest

from gairbench.errors import StorageError
from gairbench.storage import atomic_file, atomic_folder, write_atomically

needs_flock = pytest.mark.skipif(sys.platform == "win32", reason="scratches are locked with flock")

WRITER = """
import os, sys
from pathlib import Path
from gairbench.storage import atomic_file, atomic_folder
target = Path(sys.argv[2])
with (atomic_file if sys.argv[1] == "file" else atomic_folder)(target) as new:
    if sys.argv[1] == "file":
        new.write(b"half"); new.flush()
    else:
        (new / "part").write_bytes(b"half")
    print("writing", flush=True)
    sys.stdin.readline()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hidden(folder: Path) -> list[str]:
    return [name for name in names(folder) if name.startswith(".")]


def fail_in(writer: AbstractContextManager[IO[bytes] | Path]) -> None:
    with writer as new:
        if not isinstance(new, Path):
            new.write(b"half")
        raise ZeroDivisionError


def writer(kind: str, target: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, kind, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_a_file_appears_whole_with_usual_permissions(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    with atomic_file(target) as file:
        file.write(b"new")
        assert not target.exists()
        assert Path(file.name).parent == target.parent
    assert target.read_bytes() == b"new"
    assert names(target.parent) == ["file"]
    other = tmp_path / "other"
    other.touch()
    assert target.stat().st_mode == other.stat().st_mode


def test_an_error_leaves_the_target_and_no_scratch(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError):
        fail_in(atomic_file(target))
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_an_error_that_the_disk_reports_late_leaves_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot write .*file: No space left on device; free space"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_whole_in_place_of_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    for content in ("one", "two"):
        with atomic_folder(target) as new:
            (new / content).mkdir()
            (new / content / "file").write_text(content)
        assert names(target) == [content]
    assert names(tmp_path) == ["folder"]


def test_an_older_folder_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()
    rename = Path.rename

    def fails(self: Path, to: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(StorageError, match="Input/output error"), atomic_folder(target):
        pass
    assert names(target) == ["old"]
    assert names(tmp_path) == ["folder"]


@needs_flock
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_goes_with_the_next_writing(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    first, second = writer(kind, target), writer(kind, target)
    try:
        assert hidden(tmp_path) == [".target.0.part", ".target.1.part"]
        # Both live: a third writer leaves them alone.
        third = writer(kind, target)
        third.communicate("\n", timeout=60)
        assert hidden(tmp_path) == [".target.0.part", ".target.1.part"]
    finally:
        for process in (first, second):
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
    assert len(hidden(tmp_path)) == 2
    process = writer(kind, target)
    process.communicate("\n", timeout=60)
    assert hidden(tmp_path) == []


@needs_flock
def test_a_folder_that_was_being_replaced_when_its_writer_was_killed_comes_back(tmp_path: Path) -> None:
    target = tmp_path / "target"
    scratch = tmp_path / ".target.0.part"
    (scratch / "old").mkdir(parents=True)
    (scratch / "old" / "precious").touch()
    (scratch / "lock").touch()
    with pytest.raises(ZeroDivisionError):
        fail_in(atomic_folder(target))
    assert names(target) == ["precious"]
    assert hidden(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of file sizes")
def test_a_file_that_may_not_grow_leaves_the_older_one(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    script = (
        "import resource, sys; from pathlib import Path; from gairbench.storage import write_atomically;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); write_atomically(Path(sys.argv[1]), bytes(5000))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(target)], capture_output=True, text=True)
    assert "StorageError: cannot write" in done.stderr
    assert "File too large; free space" in done.stderr
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]
