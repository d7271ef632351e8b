"""Write the checkpoints that a run is resumed from: whole or not at all, also on a full disk."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from gairbench.storage import atomic_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, written beside their place and moved there.

    Lightning itself writes to the temporary folder. Where that is on another file system, moving from there is copying,
    and a full disk or a kill in the middle of it leaves half a checkpoint in place of the older one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: What Lightning collected.
            path: Its file.
            storage_options: Not for files.

        Raises:
            StorageError: It cannot be written; the older one is left as it was.
            TypeError: There are storage options.
        """
        if storage_options is not None:
            raise TypeError("checkpoints are files, and files take no storage options")
        # torch reports a file that cannot be written with errors of its own, and half of them as crashes.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_file(Path(path)) as file:
            file.write(content.getbuffer())
