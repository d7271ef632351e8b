"""GAIR's architecture with untrained weights: what training must beat."""

from __future__ import annotations

from gairbench import ModelContext
from gairbench.errors import CheckpointError
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.presets import PRESETS


def load(context: ModelContext) -> Gair:
    """Build a preset of GAIR with initial weights drawn from the seed.

    Raises:
        CheckpointError: A checkpoint was given.
    """
    if context.checkpoint is not None:
        raise CheckpointError(
            f"control 'random' takes no checkpoint, got {context.checkpoint}", "evaluate weights with --model gair"
        )
    return untrained(PRESETS[context.preset].config, context.seed).eval()
