"""Where a model's weights come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where a model's weights come from.

    Args:
        identity: ``"file:<sha256>"``, ``"pretrained:<key>"`` or ``"init:<seed>"``; part of every embedding's key.
        path: Checkpoint file or folder; ``None`` for an untrained model.
        ready: The checkpoint exists, or none is needed.
        missing: How to get published weights that are not here.
    """

    identity: str
    path: Path | None
    ready: bool
    missing: str = ""

    @property
    def foreign(self) -> bool:
        """Whether they come from a file and not from a run of ours."""
        return self.identity.startswith("file:")
