"""The encoders that MoCo v3 has trained."""

from __future__ import annotations

from gairbench import ModelContext
from gairbench_models.image_pair.checkpoint import load_pair
from gairbench_models.image_pair.model import VisionPair


def load(context: ModelContext) -> VisionPair:
    """Build a preset, from its checkpoint where one is given; the photo embedding is the pooled class token, as GAIR's.

    Raises:
        CheckpointError: The checkpoint is missing, broken, or of another model or preset.
    """
    return load_pair(context, "pooler")
