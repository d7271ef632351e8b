"""What the presets of Galileo stand for."""

from __future__ import annotations

from typing import Any

DEFAULT, PATCH4 = "default", "patch4"

PATCHES = {DEFAULT: 8, PATCH4: 4}
"""The greatest edge of a patch in pixels, by preset."""


def galileo_configuration(model: str, preset: str) -> Any:
    """Return what changes embeddings and does not stand in the declarations."""
    del model  # there is one
    return {"patch": PATCHES[preset]}
