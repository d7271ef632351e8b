"""Embeddings on disk, found by key and trusted only if their checksum agrees."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.digests import file_sha256
from gairbench.errors import StorageError
from gairbench.locks import lock_beside
from gairbench.storage import atomic_file, write_atomically

logger = logging.getLogger("gairbench")

REQUIRED = frozenset({"sha256", "checkpoint", "weights"})
"""What every description holds: the array's checksum, and the weights that it was computed with."""


@dataclass(frozen=True, slots=True)
class EmbeddingCache:
    """Arrays by key, each with a description beside it.

    Args:
        folder: Where they live; made when the first array is stored.
    """

    folder: Path

    def _files(self, key: str) -> tuple[Path, Path]:
        stem = self.folder / "embeddings" / key[:2] / key
        return stem.with_suffix(".npy"), stem.with_suffix(".json")

    def has(self, key: str, since: float = 0.0) -> bool:
        """Whether an array seems to be there; :meth:`load` may still find it broken.

        Args:
            key: Its key.
            since: It was stored at this time or later, in seconds by the clock of the file system.
        """
        array, description = self._files(key)
        try:
            return array.is_file() and description.stat().st_mtime >= since
        except OSError:
            return False

    def about(self, key: str) -> dict[str, Any] | None:
        """Return an array's description, ``None`` where there is no array, or no whole description."""
        _, description = self._files(key)
        if not self.has(key):
            return None
        try:
            about: dict[str, Any] = json.loads(description.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return about if about.keys() >= REQUIRED else None

    def lock(self, key: str) -> Path:
        """Return the lock file of a key; whoever stores an array holds it."""
        return lock_beside(self._files(key)[0])

    def load(self, key: str) -> tuple[NDArray[np.float32], dict[str, Any]] | None:
        """Return an array and its description.

        Returns:
            ``None`` if there is none, or if its file was cut short or changed, which is logged; store it anew then.
        """
        array, _ = self._files(key)
        if not self.has(key):
            return None
        try:
            about = self.about(key)
            if about is None:
                raise ValueError("its description is broken")
            if file_sha256(array) != about["sha256"]:
                raise ValueError("its checksum differs")
            return np.load(array, allow_pickle=False), about
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("cached embedding %s is broken (%s) and is computed again", array, error)
            return None

    def drop(self, key: str) -> None:
        """Forget an array that is broken, so that it is computed again.

        Raises:
            StorageError: The folder cannot be written.
        """
        _, description = self._files(key)
        try:
            description.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"cannot replace {description}: {error.strerror}", "fix its permissions") from error

    def store(self, key: str, values: NDArray[np.float32], about: dict[str, Any]) -> None:
        """Store an array, then its description, which makes it count.

        Args:
            key: Its key.
            values: The embeddings, samples along the first axis.
            about: Whatever the record needs that the array does not show; ``checkpoint`` and ``weights`` among it.

        Raises:
            StorageError: The disk is full or the folder cannot be written.
        """
        array, description = self._files(key)
        with atomic_file(array) as file:
            np.save(file, values, allow_pickle=False)
        content = json.dumps(about | {"sha256": file_sha256(array)}, indent=1, sort_keys=True)
        write_atomically(description, content.encode())
