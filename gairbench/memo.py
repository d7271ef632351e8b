"""What is slow to find out and need not be found out twice: kept in the cache folder, valid while its stamp is."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gairbench.digests import digest, file_sha256
from gairbench.errors import StorageError
from gairbench.storage import write_atomically

LARGE = 16 << 20
"""Bytes from which a file's hash is remembered; reading less takes no longer than the memo."""

SETTLED = 2.0
"""Seconds after a change of a file from which the file system's clock separates it from a later one."""


def default_cache() -> Path:
    """Return the cache folder: ``$GAIRBENCH_CACHE``, else ``gairbench`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if folder := os.environ.get("GAIRBENCH_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gairbench"


def remembered(cache: Path, name: str, stamp: Mapping[str, Any], find_out: Callable[[], Any]) -> Any:
    """Return what was found out before under the same stamp, or find it out.

    Args:
        cache: The cache folder.
        name: What it is about.
        stamp: All that its validity depends on, JSON types.
        find_out: Returns JSON types.

    Raises:
        Exception: Whatever ``find_out`` raises; nothing is remembered then.
    """
    file = cache / "memos" / f"{digest(name=name)[:32]}.json"
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        if known["name"] == name and known["stamp"] == stamp:
            return known["value"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # there is no memo, or a broken one, which is replaced
    value = find_out()
    with suppress(StorageError):  # a cache that cannot be written costs time, and nothing else
        write_atomically(file, json.dumps({"name": name, "stamp": stamp, "value": value}).encode())
    return value


def content_sha256(path: Path, cache: Path) -> str:
    """Return the SHA-256 of a file's content; that of a large file is remembered by what the file system says of it.

    A write changes the time of change (``ctime``), which no program can set, and a replaced file has another number
    (``inode``): equal stamps mean equal content. A file that was changed a moment ago is not remembered, because a
    second change within one tick of the file system's clock would leave its stamp as it is.

    Args:
        path: The file.
        cache: The cache folder.

    Raises:
        OSError: The file cannot be read.
    """
    found = path.stat()
    if found.st_size < LARGE or time.time() - max(found.st_ctime, found.st_mtime) < SETTLED:
        return file_sha256(path)
    stamp = {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
        "device": found.st_dev,
        "inode": found.st_ino,
    }
    value: str = remembered(cache, f"sha256 of {path.resolve()}", stamp, lambda: file_sha256(path))
    return value
