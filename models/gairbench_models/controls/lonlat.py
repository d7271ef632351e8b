"""Plain coordinates: what a location encoder must beat."""

from __future__ import annotations

from torch import Tensor

from gairbench import ModelContext
from gairbench.errors import CheckpointError


class LonLat:
    """Longitude and latitude as two features."""

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Return coordinates ``(batch, 2)`` in degrees as they are, in float32."""
        return lonlat.float()


def load(context: ModelContext) -> LonLat:
    """Build it.

    Raises:
        CheckpointError: A checkpoint was given.
    """
    if context.checkpoint is not None:
        raise CheckpointError(
            f"control 'lonlat' takes no checkpoint, got {context.checkpoint}", "remove --checkpoint for this model"
        )
    return LonLat()
