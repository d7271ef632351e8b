"""Embeddings of known answers that are too many to be written into code: ``golden.json`` beside the code, by model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def known_embedding(module: str, model: str) -> Sequence[float]:
    """Return the embedding that a model must give.

    Args:
        module: ``__file__`` of the module that declares the known answer.
        model: The model's name.

    Returns:
        As many numbers as the embedding has.
    """
    found: dict[str, list[float]] = json.loads(Path(module).with_name("golden.json").read_text(encoding="utf-8"))
    return found[model]
