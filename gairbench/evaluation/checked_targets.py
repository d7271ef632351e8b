"""Targets that a plan has found to be sound, so that the next plan need not read them again."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from gairbench.digests import digest
from gairbench.errors import StorageError
from gairbench.spec import TaskSpec
from gairbench.storage import write_atomically

logger = logging.getLogger("gairbench")

CHECK_VERSION = 1
"""Raised when :func:`gairbench.evaluation.samples.select` refuses more than before."""


@dataclass(frozen=True, slots=True)
class CheckedTargets:
    """Tasks whose targets can be learned and scored, known by their content.

    Only good news is kept: a problem is found, and explained, anew each time. A job checks its targets again when it
    evaluates them, so a dataset that changes without its version or fingerprint costs an early warning, not a number.

    Args:
        folder: The cache folder.
    """

    folder: Path

    def known(self, task: TaskSpec, fingerprint: str, limit: int | None) -> bool:
        """Whether these targets were found to be sound.

        Args:
            task: The task.
            fingerprint: Of its dataset's content.
            limit: The run's ``--limit``, which decides what samples take part.
        """
        return self._file(task, fingerprint, limit).is_file()

    def add(self, task: TaskSpec, fingerprint: str, limit: int | None) -> None:
        """Keep that these targets are sound; where that cannot be written, a warning says so."""
        content = f"targets of {task.name} on {task.dataset.name} were read and can be learned and scored\n"
        try:
            write_atomically(self._file(task, fingerprint, limit), content.encode())
        except StorageError as error:
            logger.warning("the next plan reads the targets of %s again: %s", task.name, error)

    def _file(self, task: TaskSpec, fingerprint: str, limit: int | None) -> Path:
        key = digest(
            check=CHECK_VERSION,
            dataset=[task.dataset.name, task.dataset.version, fingerprint],
            task=[task.version, task.target, task.kind],
            limit=limit,
        )
        return self.folder / "targets" / key[:2] / f"{key}.txt"
