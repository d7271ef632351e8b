"""Records of earlier runs: whether one can be reused."""

from __future__ import annotations

from pathlib import Path

from gairbench.errors import StorageError
from gairbench.results import Result, read_result


def recorded(blank: Result, folder: Path, since: float = 0.0) -> Result | None:
    """Return the finished record of the same key, with its predictions, if there is one.

    Args:
        blank: A record with the cell's names and key.
        folder: The results folder.
        since: It was written at this time or later, in seconds by the clock of the file system.
    """
    path = blank.path(folder)
    try:
        if path.stat().st_mtime < since:
            return None
        record = read_result(path)
    except (OSError, StorageError):
        # A broken record is not a record: the cell runs again and writes a complete one.
        return None
    finished = record.status == "ok" and record.key == blank.key
    return record if finished and (path.parent / record.predictions).is_file() else None
