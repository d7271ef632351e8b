"""One process at a time works on a key: file locks that end with their holder, so that none outlives a killed process.

The operating system holds the locks (``flock``); a lock file that stays behind is not a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from gairbench.errors import BusyError, StorageError

PATIENCE = 1.0
"""Seconds of waiting before it is reported."""

POLL = 0.1
"""Seconds between two attempts while another process holds a lock."""


def lock_beside(target: Path) -> Path:
    """Return the hidden lock file of a file or folder, beside it: deleting the target leaves its lock alone."""
    return target.absolute().parent / f".{target.absolute().name}.lock"


@contextmanager
def locked(path: Path, *, what: str = "", say: Callable[[str], None] | None = None) -> Iterator[None]:
    """Hold a lock while the block runs; wait for a process that has it.

    Args:
        path: The lock file; missing parent folders are made.
        what: What the other process does meanwhile, as ``"pre-trains gair"``.
        say: Called once with a line if the wait lasts longer than a second.

    Raises:
        StorageError: The lock file cannot be written.
    """
    lock = _lock(path)
    try:
        _acquire(lock, path, PATIENCE)
    except Timeout:
        if say is not None and what:
            say(f"waiting for another process that {what}")
        _acquire(lock, path, -1)
    try:
        yield
    finally:
        lock.release()


@contextmanager
def exclusive(path: Path, *, taken: str, hint: str) -> Iterator[None]:
    """Hold a lock while the block runs, and remove its file then; refuse if another process has it.

    Args:
        path: The lock file; missing parent folders are made.
        taken: The error if another process has it, as ``"another process pre-trains into runs/mine"``.
        hint: What to do then.

    Raises:
        BusyError: Another process holds the lock.
        StorageError: The lock file cannot be written.
    """
    while True:
        lock = _lock(path)
        try:
            _acquire(lock, path, 0)
        except Timeout:
            raise BusyError(taken, hint) from None
        if path.exists():
            break
        # Its last holder removed it after we opened it: what we hold is no longer seen by others.
        lock.release()
    try:
        yield
    finally:
        # Where a user looks for results, nothing of ours stays. (Windows does not remove what is open.)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()


def _lock(path: Path) -> FileLock:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return FileLock(path)


def _acquire(lock: FileLock, path: Path, timeout: float) -> None:
    try:
        lock.acquire(timeout=timeout, poll_interval=POLL)
    except Timeout:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"cannot write the lock file {path}: {error.strerror or error}",
        "free space, or choose a folder that can be written",
    )
