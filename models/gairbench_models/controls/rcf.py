"""Random convolutional features: what an image encoder must learn to beat.

MOSAIKS (Rolf et al., doi 10.1038/s41467-021-24638-z) with filters from a Gaussian in place of patches of the data,
so that no data are needed. 512 features of 3 x 3 pixels are those of Corley et al. (arXiv 2305.13456).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchgeo.models import RCF

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import CheckpointError
from gairbench.inputs import EVERY
from gairbench.representation import Representation
from gairbench_models.controls.frames import mean_of_frames
from gairbench_models.controls.pixel_stats import GRID

_FEATURES = 512
_EDGE = 3
"""Rows and columns of a filter."""

_PIXELS = 4_096
"""Of the images that are filtered at once: 256 responses to each of them stay in a processor's cache."""


class RandomFeatures(nn.Module):
    """How strongly random filters respond, above and below their threshold, on average over the image.

    Args:
        seed: Of the filters; those of images with as many bands are the same.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed
        self.pictures = self._drawn(3)
        # Not submodules: what is recorded must not depend on the data that were seen before.
        self._others: dict[int, RCF] = {}

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Describe images of any bands; images of several inputs follow each other, frames are averaged.

        Args:
            batch: Pictures or photos ``(batch, 3, height, width)``, or series ``(batch, time, band, height, width)``.
            wanted: The vector, or the token grid.

        Returns:
            ``(batch, 512 * inputs)``, or ``(batch, 512 * inputs, 6, 6)``.
        """
        grid = GRID if wanted.form == "tokens" else 1
        if EVERY in wanted.of:
            parts = [
                mean_of_frames(image, lambda images: self._describe(images, grid)) for image in batch.images.values()
            ]
        else:
            parts = [self._describe(batch.images[wanted.of[0]].values, grid)]
        described = torch.cat(parts, dim=1)
        return described if wanted.form == "tokens" else described.flatten(1)

    def _describe(self, images: Tensor, grid: int) -> Tensor:
        """Map images ``(batch, band, height, width)`` to features of each cell ``(batch, 512, grid, grid)``."""
        filters = self._of_bands(images.shape[1]).to(images.device)
        height, width = images.shape[2:]
        if min(height, width) < _EDGE:
            images = functional.interpolate(images, (max(height, _EDGE), max(width, _EDGE)), mode="nearest-exact")
        at_once = max(1, _PIXELS // (height * width))
        starts = range(0, len(images), at_once)
        return torch.cat([_responses(filters, images[start : start + at_once], grid) for start in starts])

    def _of_bands(self, bands: int) -> RCF:
        if bands == self.pictures.weights.shape[1]:
            return self.pictures
        if bands not in self._others:
            self._others[bands] = self._drawn(bands)
        return self._others[bands]

    def _drawn(self, bands: int) -> RCF:
        # TorchGeo takes 0 for no seed.
        return RCF(in_channels=bands, features=_FEATURES, kernel_size=_EDGE, seed=self._seed + 1)


def _responses(filters: RCF, images: Tensor, grid: int) -> Tensor:
    """Return TorchGeo's features, of each cell: the mean response above the threshold, and that below it."""
    response = functional.conv2d(images, filters.weights, filters.biases)
    mean = functional.adaptive_avg_pool2d(response, grid)
    above = functional.adaptive_avg_pool2d(response.clamp_min_(0), grid)
    return torch.cat([above, above - mean], dim=1)


def load(context: ModelContext) -> RandomFeatures:
    """Draw the filters from the seed.

    Raises:
        CheckpointError: A checkpoint was given.
    """
    if context.checkpoint is not None:
        raise CheckpointError(
            f"control 'rcf' takes no checkpoint, got {context.checkpoint}", "remove --checkpoint for this model"
        )
    return RandomFeatures(context.seed)
