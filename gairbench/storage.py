"""Write files and folders so that a kill, a crash or a full disk never leaves half of one.

What is written goes to a hidden scratch ``.NAME.<number>.part`` beside its target, and takes the target's place when
all of it is on the disk. A scratch is locked while its writer lives (the system frees the lock with the process), so
the next writer of the same target recognizes what a killed one left behind, and removes it.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO

from gairbench.errors import StorageError

if sys.platform != "win32":
    import fcntl

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The errors of a disk that is full, or that a quota or a limit of file sizes closes."""

_SLOTS = 1000
"""Most processes that write one target at the same time."""

_LOCK, _NEW, _OLD = "lock", "new", "old"
"""In the scratch of a folder: its lock, what is written, and what is being replaced."""


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a scratch file that takes the target's place when the block ends without an error.

    A library may write to ``file.name`` instead. What it reports late or never is for the block to verify.

    Args:
        path: Target; missing parent folders are made.

    Yields:
        A binary file beside the target.

    Raises:
        StorageError: The folder cannot be written, or the disk is full; the target is left as it was.
    """
    scratch: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch, descriptor = _claim_file(path)
        with open(scratch, "r+b", opener=lambda *_: descriptor) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            # A library may have made the file anew under its name.
            _sync(scratch)
            # While it is locked: a free scratch is another writer's to remove.
            if sys.platform != "win32":
                scratch.replace(path)
        if sys.platform == "win32":
            scratch.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if scratch is not None:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, replacing: Callable[[], AbstractContextManager[None]] = nullcontext) -> Iterator[Path]:
    """Make a scratch folder that takes the target's place when the block ends without an error.

    Args:
        path: Target, a folder or nothing; missing parent folders are made.
        replacing: Makes a context that is held while the target is replaced, for instance a lock of its readers.

    Yields:
        An empty folder beside the target.

    Raises:
        StorageError: The folder cannot be written, or the disk is full; the target is left as it was.
    """
    scratch: Path | None = None
    descriptor = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch, descriptor = _claim_folder(path)
        new = scratch / _NEW
        new.mkdir()
        yield new
        for folder, _, files in os.walk(new):
            for name in files:
                _sync(Path(folder, name))
            _sync_folder(Path(folder))
        with replacing():
            if path.exists():
                path.rename(scratch / _OLD)
            new.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if scratch is not None:
            _remove_folder(scratch, path)
            os.close(descriptor)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or leave everything as it was.

    Args:
        path: Target; missing parent folders are made.
        content: The file's bytes.

    Raises:
        StorageError: The folder cannot be written, or the disk is full.
    """
    with atomic_file(path) as file:
        file.write(content)


@contextmanager
def unnamed_file(folder: Path, size: int) -> Iterator[IO[bytes]]:
    """Open a file that no one else sees, for what does not fit in memory: its space is free when nothing uses it.

    All of its space is taken at once, since a program that writes to a mapped file on a full disk is killed.

    Args:
        folder: Where it lies; made if it is missing.
        size: Its bytes, all 0.

    Yields:
        A binary file; what is mapped of it stays when the block ends.

    Raises:
        StorageError: The disk has no room for it, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (it is closed below)
    except OSError as error:
        raise unwritable(folder, error) from error
    with file:
        try:
            _reserve(file, size)
        except OSError as error:
            raise StorageError(
                f"cannot write {size / 2**30:.2g} GiB in {folder}: {error.strerror or error}",
                "free space, or set GAIRBENCH_CACHE to a folder with more",
            ) from error
        yield file


def _reserve(file: IO[bytes], size: int) -> None:
    if sys.platform == "linux":
        os.posix_fallocate(file.fileno(), 0, size)
        return
    zeros = bytes(min(size, 1 << 20))
    for start in range(0, size, len(zeros)):
        file.write(zeros[: size - start])
    file.flush()


@contextmanager
def full_disk_reported(folder: Path) -> Iterator[None]:
    """Report a full disk that a library runs into, which writes into a folder by itself.

    Args:
        folder: Where it writes.

    Raises:
        StorageError: The disk is full; any other error passes as it is.
    """
    previous = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        # A library that writes in a thread raises the error again where it is called: nobody needs its traceback.
        if not _is_full(arguments.exc_value):
            previous(arguments)

    threading.excepthook = hook
    try:
        yield
    except OSError as error:
        if _is_full(error):
            raise unwritable(folder if error.filename is None else Path(error.filename), error) from error
        raise
    finally:
        threading.excepthook = previous


def _is_full(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno in FULL


def unwritable(path: Path, error: BaseException) -> StorageError:
    """Return the error for a file or folder that cannot be written.

    Args:
        path: The target.
        error: The system's error, or that of the library that writes.
    """
    # Libraries wrap what the system said, or say "see previous exception".
    while not (isinstance(error, OSError) and error.strerror) and error.__cause__ is not None:
        error = error.__cause__
    reason = (isinstance(error, OSError) and error.strerror) or str(error).strip() or type(error).__name__
    return StorageError(
        f"cannot write {path}: {reason.splitlines()[0]}", "free space, or choose a folder that can be written"
    )


def _claim_file(path: Path) -> tuple[Path, int]:
    """Make a scratch that no other process uses, and remove those that dead ones left."""
    for number in range(_SLOTS):
        scratch = _slot(path, number)
        if scratch.exists():
            _remove_abandoned_file(scratch)
        try:
            descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        except FileExistsError:
            continue
        if _hold(descriptor, scratch):
            # A writer that was killed beside another one has left the next number.
            if (following := _slot(path, number + 1)).exists():
                _remove_abandoned_file(following)
            return scratch, descriptor
        os.close(descriptor)
    raise OSError(f"{_SLOTS} other processes write it")


def _claim_folder(path: Path) -> tuple[Path, int]:
    for number in range(_SLOTS):
        scratch = _slot(path, number)
        if scratch.exists():
            _remove_abandoned_folder(scratch, path)
        try:
            scratch.mkdir()
            descriptor = os.open(scratch / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except (FileExistsError, FileNotFoundError):
            continue
        if _hold(descriptor, scratch / _LOCK):
            if (following := _slot(path, number + 1)).exists():
                _remove_abandoned_folder(following, path)
            return scratch, descriptor
        os.close(descriptor)
    raise OSError(f"{_SLOTS} other processes write it")


def _slot(path: Path, number: int) -> Path:
    return path.with_name(f".{path.name}.{number}.part")


def _hold(descriptor: int, path: Path) -> bool:
    """Lock what was just made; ``False`` if another process took it for abandoned before it was locked."""
    if sys.platform != "win32":
        # File systems without locks: nothing can be recognized as abandoned there, and nothing is removed.
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    """Whether no living process holds a file's lock; while the block runs, we do."""
    if sys.platform == "win32":  # a file that is open cannot be removed there
        yield True
        return
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(descriptor)


def _remove_abandoned_file(scratch: Path) -> None:
    with _abandoned(scratch) as free, suppress(OSError):
        if free:
            scratch.unlink()


def _remove_abandoned_folder(scratch: Path, path: Path) -> None:
    with suppress(OSError):
        scratch.rmdir()  # its writer was killed before it had a lock, or will try once more
        return
    with _abandoned(scratch / _LOCK) as free:
        if free:
            _remove_folder(scratch, path)


def _remove_folder(scratch: Path, path: Path) -> None:
    """Remove a scratch folder; what was moved into it to be replaced goes back if nothing has replaced it."""
    with suppress(OSError):
        if (scratch / _OLD).exists() and not path.exists():
            (scratch / _OLD).rename(path)
    shutil.rmtree(scratch, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    # Some file systems, and Windows, do not take folders.
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
