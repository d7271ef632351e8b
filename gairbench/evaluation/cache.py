"""Embeddings on disk, found by key and trusted only if their checksum agrees."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.digests import file_sha256
from gairbench.storage import atomic_file, write_atomically

logger = logging.getLogger("gairbench")


def default_cache() -> Path:
    """Return the cache folder: ``$GAIRBENCH_CACHE``, else ``gairbench`` below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if folder := os.environ.get("GAIRBENCH_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gairbench"


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

    def __contains__(self, key: str) -> bool:
        """Whether an array seems to be there; :meth:`load` may still find it broken."""
        return all(file.is_file() for file in self._files(key))

    def load(self, key: str) -> tuple[NDArray[np.float32], dict[str, Any]] | None:
        """Return an array and its description.

        Returns:
            ``None`` if there is none, or if its file was cut short or changed, which is logged; store it anew then.
        """
        array, description = self._files(key)
        if key not in self:
            return None
        try:
            about: dict[str, Any] = json.loads(description.read_text(encoding="utf-8"))
            if file_sha256(array) != about["sha256"]:
                raise ValueError("its checksum differs")
            return np.load(array, allow_pickle=False), about
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("cached embedding %s is broken (%s) and is computed again", array, error)
            return None

    def store(self, key: str, values: NDArray[np.float32], about: dict[str, Any]) -> None:
        """Store an array, then its description, which makes it count.

        Args:
            key: Its key.
            values: The embeddings, samples along the first axis.
            about: Whatever the record needs that cannot be told from the array.

        Raises:
            StorageError: The disk is full or the folder cannot be written.
        """
        array, description = self._files(key)
        with atomic_file(array) as file:
            np.save(file, values, allow_pickle=False)
        content = json.dumps(about | {"sha256": file_sha256(array)}, indent=1, sort_keys=True)
        write_atomically(description, content.encode())
