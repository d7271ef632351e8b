"""What is remembered is valid while its stamp is, and a cache that cannot be written changes nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from gairbench import memo
from gairbench.digests import file_sha256
from gairbench.memo import content_sha256, remembered


def test_what_was_found_out_is_remembered_by_name_and_stamp(tmp_path: Path) -> None:
    calls: list[int] = []

    def find_out() -> int:
        calls.append(1)
        return len(calls)

    assert [remembered(tmp_path, "a", {"v": 1}, find_out) for _ in range(2)] == [1, 1]
    assert remembered(tmp_path, "b", {"v": 1}, find_out) == 2
    assert remembered(tmp_path, "a", {"v": 2}, find_out) == 3
    assert remembered(tmp_path, "a", {"v": 1}, find_out) == 4
    for file in (tmp_path / "memos").iterdir():
        file.write_text("{")
    assert remembered(tmp_path, "a", {"v": 1}, find_out) == 5


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "memos").write_text("a file in the way")
    assert remembered(tmp_path, "a", {}, lambda: 7) == 7


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file is large; which ones were read."""
    read: list[Path] = []

    def spy(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr(memo, "LARGE", 1)
    monkeypatch.setattr(memo, "file_sha256", spy)
    return read


def test_a_large_file_is_read_once_and_again_when_it_changes(
    hashed: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(b"one")
    monkeypatch.setattr(memo, "SETTLED", 0.05)
    time.sleep(0.1)
    first = content_sha256(file, tmp_path / "cache")
    assert content_sha256(file, tmp_path / "cache") == first
    assert len(hashed) == 1
    # Same length, and the time of modification put back, as archives and rsync do.
    times = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    time.sleep(0.1)
    assert content_sha256(file, tmp_path / "cache") == file_sha256(file) != first
    assert len(hashed) == 2


def test_a_file_that_was_just_written_is_not_trusted_to_stay(hashed: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "w.bin"
    for content in (b"one", b"two"):
        file.write_bytes(content)
        assert content_sha256(file, tmp_path / "cache") == file_sha256(file)
    assert not (tmp_path / "cache").exists()
