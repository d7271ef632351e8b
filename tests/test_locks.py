"""Locks: one process at a time, a killed holder frees its lock, and whoever waits says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from gairbench import locks
from gairbench.errors import BusyError, StorageError
from gairbench.locks import exclusive, lock_beside, locked

HOLD = """
import sys, time
from pathlib import Path
from gairbench.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Start a process that holds a lock until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_is_held_by_one_process_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    path = lock_beside(tmp_path / "out")
    process = holder(path)
    try:
        with (
            pytest.raises(BusyError, match="another process trains into out; wait"),
            exclusive(path, taken="another process trains into out", hint="wait"),
        ):
            raise AssertionError("two holders")
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert path.exists(), "the file stays, the lock does not"
    with exclusive(path, taken="taken", hint=""):
        pass


def test_waiting_is_reported_once_and_ends_with_the_holder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE", 0.1)
    path = tmp_path / "a" / "key.lock"
    process = holder(path)
    lines: list[str] = []
    timer = threading.Timer(0.5, process.kill)
    timer.start()
    with locked(path, what="embeds earth", say=lines.append):
        assert process.wait() == -signal.SIGKILL
    assert lines == ["waiting for another process that embeds earth"]


def test_a_lock_is_freed_by_an_error_in_the_block(tmp_path: Path) -> None:
    path = tmp_path / "key.lock"
    with pytest.raises(ValueError, match="boom"), locked(path):
        raise ValueError("boom")
    with exclusive(path, taken="taken", hint=""):
        pass


def test_a_lock_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the lock file"), locked(tmp_path / "file" / "key.lock"):
        pass


def test_the_lock_of_a_folder_is_beside_it(tmp_path: Path) -> None:
    assert lock_beside(tmp_path / "runs") == tmp_path / ".runs.lock"


def test_an_exclusive_lock_leaves_no_file_where_results_are(tmp_path: Path) -> None:
    path = lock_beside(tmp_path / "out")
    with exclusive(path, taken="taken", hint=""):
        assert path.exists()
        with pytest.raises(BusyError, match="taken"), exclusive(path, taken="taken", hint=""):
            raise AssertionError("two holders")
        assert path.exists(), "who is refused removes nothing"
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.lock"
    acquire, calls = locks._acquire, []

    def removed_after(lock: FileLock, at: Path, timeout: float) -> None:
        acquire(lock, at, timeout)
        if not calls:
            at.unlink()
        calls.append(at)

    monkeypatch.setattr(locks, "_acquire", removed_after)
    with exclusive(path, taken="taken", hint=""):
        assert len(calls) == 2
        assert path.exists()
