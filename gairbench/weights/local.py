"""Weights in a file of this machine, at the place that a preset states."""

from __future__ import annotations

from pathlib import Path

from gairbench.errors import CheckpointError
from gairbench.published import FileWeights


def find_local_file(weights: FileWeights) -> Path | None:
    """Return the file, or ``None`` where there is nothing at its place.

    Raises:
        CheckpointError: Its place does not say where it is, or holds a folder, or cannot be looked at.
    """
    path = local_place(weights)
    try:
        if path.is_file():
            return path
        if path.is_dir():
            raise CheckpointError(f"{path} is a folder", "declare a file in it, or give the folder with --checkpoint")
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}", "fix its permissions") from error
    return None


def local_place(weights: FileWeights) -> Path:
    """Return where the file has to be; the same wherever a command is started.

    Raises:
        CheckpointError: The path is relative, or names an unknown user's home folder.
    """
    try:
        path = Path(weights.path).expanduser()
    except RuntimeError as error:
        raise CheckpointError(f"weights at {str(weights.path)!r}: {error}", "declare an absolute path") from error
    if not path.is_absolute():
        raise CheckpointError(
            f"weights at {str(weights.path)!r}: the path must be absolute",
            "declare an absolute path or one that begins with ~; beside the code it is Path(__file__).with_name(...)",
        )
    return path
