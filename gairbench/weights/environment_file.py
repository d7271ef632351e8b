"""The note beside a checkpoint that says where it was trained: what can move its numbers without being a setting."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.environment import computing, versions
from gairbench.errors import CheckpointError
from gairbench.protocols import TrainerOptions
from gairbench.storage import write_atomically

if TYPE_CHECKING:
    import torch

ENVIRONMENT = "gairbench-environment.json"
"""Its name in a checkpoint's folder."""


def write_training_environment(folder: Path, device: torch.device, trainer: TrainerOptions) -> None:
    """Write the note of a training that has just ended in this process.

    Args:
        folder: The checkpoint.
        device: Where it was trained.
        trainer: What the recipe was called with.

    Raises:
        StorageError: The folder cannot be written.
    """
    about = computing(device)
    about["precision"] = trainer.precision or ("bf16-mixed" if device.type == "cuda" else "32-true")
    about["devices"] = f"{trainer.num_nodes} x {trainer.devices}"
    write_atomically(folder / ENVIRONMENT, json.dumps(versions() | about, indent=1, sort_keys=True).encode())


def read_training_environment(path: Path | None) -> dict[str, str]:
    """Return the note of a checkpoint; empty where there is none, as for files of others.

    Raises:
        CheckpointError: It is broken.
    """
    file = path / ENVIRONMENT if path is not None else None
    if file is None or not file.is_file():
        return {}
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
        return {str(name): str(value) for name, value in about.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"cannot read {file}: {error}", "remove it; no weights are in it") from error
