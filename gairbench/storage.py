"""Write files so that a kill, a crash or a full disk never leaves half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from gairbench.errors import StorageError


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a scratch file that takes the target's place when the block ends without an error.

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
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            scratch = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        scratch.chmod(0o666 & ~_umask())
        scratch.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}", "free space, or choose a folder that can be written"
        ) from error
    finally:
        if scratch is not None:
            scratch.unlink(missing_ok=True)


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


def _umask() -> int:
    # The only way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
