"""Files and folders are written whole or not at all, and nothing of a killed writer stays."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch
from records import make_result

from gairbench.embed_table.geoparquet import join_parts, write_part
from gairbench.errors import StorageError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.maps.quicklook import Palette, draw
from gairbench.maps.tiling import Block
from gairbench.predictions import Predictions, save_predictions
from gairbench.results import write_result
from gairbench.storage import FULL, atomic_file, atomic_folder, full_disk_reported, unwritable, write_atomically
from gairbench.weights.card import save_checkpoint

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


def test_a_library_on_a_full_disk_is_reported_once_and_other_errors_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: printed.append(arguments.exc_value))

    def fails(number: int) -> None:
        raise OSError(number, os.strerror(number))

    def run(number: int) -> None:
        with full_disk_reported(tmp_path):
            thread = threading.Thread(target=fails, args=(number,))
            thread.start()
            thread.join()
            fails(number)

    for number in FULL:
        with pytest.raises(StorageError, match=re.escape(f"cannot write {tmp_path}: {os.strerror(number)}; free")):
            run(number)
    assert not printed
    with pytest.raises(InterruptedError):
        run(errno.EINTR)
    assert len(printed) == 1


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_reason_is_the_one_at_the_bottom(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for error, reason in (
        (full, "No space left on device"),
        (caused(RuntimeError("torch failed"), full), "No space left on device"),
        (
            caused(OSError("See previous exception for details."), ValueError("band 1: block 3 failed")),
            "band 1: block 3",
        ),
        (ValueError(), "ValueError"),
    ):
        assert f"cannot write {tmp_path}: {reason}" in str(unwritable(tmp_path, error))


def save_picture(folder: Path) -> None:
    values = np.random.default_rng(0).random((3, 4, 4), dtype=np.float32)
    palette = Palette(values.reshape(3, -1).T)
    draw(folder / "map.tif.png", 4, 4, [Block(0, 0, 4, 4)], lambda _: values, palette)


def save_part(folder: Path) -> None:
    write_part(folder / "0.parquet", ["a"], None, {"rs": np.zeros((1, 2), np.float32)}, {})


def save_joined(folder: Path) -> None:
    part = folder.parent / "part.parquet"
    if not part.exists():
        write_part(part, ["a"], None, {"rs": np.zeros((1, 2), np.float32)}, {})
    join_parts([part], folder / "joined.parquet", {})


WRITERS: dict[str, Callable[[Path], object]] = {
    "record": lambda folder: write_result(make_result(), folder),
    "predictions": lambda folder: save_predictions(
        folder / "cell.json", Predictions(np.array(["a"]), np.zeros(1), np.zeros(1))
    ),
    "cached embedding": lambda folder: EmbeddingCache(folder).store("key", np.zeros((2, 3), np.float32), {}),
    "quick-look": save_picture,
    "part": save_part,
    "joined parts": save_joined,
    "checkpoint": lambda folder: save_checkpoint(
        {"w": torch.zeros(3)}, folder, model="m", version="1", preset="p", config=Point(1), inputs=(), provenance={}
    ),
}


@dataclass
class Point:
    x: int


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS.keys())
def test_every_writer_leaves_what_was_there_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], object]
) -> None:
    folder = tmp_path / "out"
    write(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert before
    inodes = {path: path.stat().st_ino for path in before}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=f"cannot write {re.escape(str(folder))}.*No space left on device"):
        write(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert {path: path.stat().st_ino for path in before} == inodes


WRITES = re.compile(
    r"\.write_text\(|\.write_bytes\(|open\([^)]*[\"'][wax]b?\+?[\"']|\bmkstemp\b|NamedTemporaryFile|os\.replace|"
    r"shutil\.(move|copy)|\.to_parquet\(|save_file\("
)
ALLOWED = {
    "gairbench/storage.py": "the place",
    "gairbench/download.py": "appends to a part that the next call continues, and moves it into place when whole",
    "gairbench/maps/rasters.py": "writes the scratch of atomic_file by name",
    "gairbench/triplets/shards.py": "writes into the file of atomic_file",
    "gairbench/record_folders/merging.py": "copies into the folder of atomic_folder",
    "gairbench/commands/output.py": "opens the null device",
    "gairbench/evaluation/runner.py": "tries whether the folder can be written, and keeps nothing",
}


def test_every_file_is_written_through_storage() -> None:
    root = Path(__file__).parents[1]
    found = {
        str(path.relative_to(root))
        for folder in ("gairbench", "models", "tasks", "leaderboard")
        for path in (root / folder).rglob("*.py")
        if WRITES.search(path.read_text(encoding="utf-8"))
    }
    assert found <= ALLOWED.keys(), "write with gairbench.storage: whole or not at all"
