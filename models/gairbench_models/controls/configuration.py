"""What the presets of ``random`` stand for; light enough for a plan to read."""

from __future__ import annotations

from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.presets import PRESETS


def random_configuration(model: str, preset: str) -> GairConfig:
    """Return the architecture of a preset; named by ``ModelSpec.configuration``."""
    del model
    return PRESETS[preset].config
