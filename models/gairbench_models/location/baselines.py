"""Features of coordinates as models: what a trained location encoder must beat."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from gairbench import ModelContext
from gairbench.errors import CheckpointError
from gairbench_models.location.config import DEGREES
from gairbench_models.location.encoders import SCALES, SHORTEST
from gairbench_models.location.features import sin_cos, space2vec_grid, spherical_harmonics, xyz


class LocationFeatures:
    """Features that nothing has trained.

    Args:
        features: From coordinates ``(batch, 2)`` in degrees, float64, to features.
    """

    def __init__(self, features: Callable[[Tensor], Tensor]) -> None:
        self._features = features

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to features ``(batch, dim)`` float32."""
        return self._features(lonlat).float()


def _without_weights(context: ModelContext, features: Callable[[Tensor], Tensor]) -> LocationFeatures:
    if context.checkpoint is not None:
        raise CheckpointError(
            f"{context.model} takes no checkpoint, got {context.checkpoint}", "remove --checkpoint for this model"
        )
    return LocationFeatures(features)


def load_sin_cos(context: ModelContext) -> LocationFeatures:
    """Build ``sin-cos``."""
    return _without_weights(context, sin_cos)


def load_xyz(context: ModelContext) -> LocationFeatures:
    """Build ``xyz``."""
    return _without_weights(context, xyz)


def load_space2vec_grid(context: ModelContext) -> LocationFeatures:
    """Build ``space2vec-grid``."""
    return _without_weights(context, lambda lonlat: space2vec_grid(lonlat, SCALES, SHORTEST))


def load_spherical_harmonics(context: ModelContext) -> LocationFeatures:
    """Build ``spherical-harmonics``."""
    return _without_weights(context, lambda lonlat: spherical_harmonics(lonlat, DEGREES))
