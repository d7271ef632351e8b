"""A cache folder for one reproduction: what must be made anew is not in it, and the rest is the user's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gairbench.storage import unwritable


@contextmanager
def scratch_cache(cache: Path, *, trained: bool) -> Iterator[Path]:
    """Make a cache folder without embeddings, and remove it afterwards.

    It lies in the user's, whose disk has room for embeddings, and hidden. What is remembered of files is shared.

    Args:
        cache: The user's cache; made if it is missing.
        trained: Share its checkpoints, too.

    Yields:
        The folder.

    Raises:
        StorageError: It cannot be written.
    """
    shared = ("memos", "checkpoints", "locks") if trained else ("memos",)
    try:
        for name in shared:
            (cache / name).mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".reproduction-", dir=cache, ignore_cleanup_errors=True)
    except OSError as error:
        raise unwritable(cache, error) from error
    with scratch as folder:
        try:
            for name in shared:
                Path(folder, name).symlink_to((cache / name).absolute(), target_is_directory=True)
        except OSError as error:
            raise unwritable(Path(folder), error) from error
        yield Path(folder)
