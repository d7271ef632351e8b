"""Weights inside installed distributions, found through their metadata: nothing of them is imported."""

from __future__ import annotations

import importlib.metadata as md
from pathlib import Path

from gairbench.errors import CheckpointError
from gairbench.published import PackageWeights


def find_packaged_file(weights: PackageWeights) -> Path | None:
    """Return the file, or ``None`` where the distribution is not installed.

    Raises:
        CheckpointError: The distribution is installed and holds no such file.
    """
    try:
        distribution = md.distribution(weights.distribution)
    except md.PackageNotFoundError:
        return None
    path = Path(str(distribution.locate_file(weights.path)))
    if not path.is_file():
        raise CheckpointError(
            f"{weights.distribution} {distribution.version} holds no file {weights.path}",
            "install the version that the model was declared for",
        )
    return path
