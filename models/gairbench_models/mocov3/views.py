"""Two views of an image that differ in what they show."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST = 0.4
"""Smallest share of the area that a view shows; MoCo v3 starts at 0.08 for ImageNet's much larger images."""


def random_resized_crop(images: Tensor, generator: torch.Generator) -> Tensor:
    """Zoom into a random square of each image.

    Args:
        images: ``(batch, band, height, width)``.
        generator: On the CPU, so that what is drawn does not depend on the device.

    Returns:
        Of the same shape, bilinearly resampled.
    """
    drawn = torch.rand(3, len(images), generator=generator).to(images.device)
    edge = (SMALLEST + (1 - SMALLEST) * drawn[0]).sqrt()
    shift = (2 * drawn[1:] - 1) * (1 - edge)
    zoom = images.new_zeros(len(images), 2, 3, dtype=torch.float32)
    zoom[:, 0, 0] = zoom[:, 1, 1] = edge
    zoom[:, :, 2] = shift.T
    grid = functional.affine_grid(zoom, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid.to(images.dtype), padding_mode="border", align_corners=False)
