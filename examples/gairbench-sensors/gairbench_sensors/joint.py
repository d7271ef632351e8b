"""Two sensors together, or either."""

from __future__ import annotations

import torch
from torch import Tensor

from gairbench import ModelContext, Representation
from gairbench.batch import Batch


class Joint:
    """Means of the four quarters of each band: those of Sentinel-2, then those of Sentinel-1."""

    def __init__(self, context: ModelContext) -> None:
        del context  # there is one preset, and nothing is random

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Return ``(batch, dim)`` of the images that are there: ``wanted.of`` names them, in this order."""
        return torch.cat([quarters(batch.images[name].values) for name in wanted.of], dim=1)


def quarters(values: Tensor) -> Tensor:
    """Return the means of north-west, north-east, south-west and south-east of each band ``(batch, 4 * band)``."""
    return torch.nn.functional.adaptive_avg_pool2d(values, 2).flatten(1)
