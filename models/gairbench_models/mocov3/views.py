"""MoCo v3's two views of an image (arXiv 2104.02057, appendix A): crops, colours, blur, for images of any bands."""

from __future__ import annotations

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor

from gairbench.pretraining.augmentation import jitter_colours, random_resized_crop

JITTERED, GREY = 0.8, 0.2
"""Shares of the views whose colours are changed, and that lose their colours."""

SATURATION = 0.2
"""Deviations of the bands from their mean are multiplied by a random factor in 1 +- this."""

BLURRED, SOLARIZED = (1.0, 0.1), (0.0, 0.2)
"""Shares of first and second views that are blurred and solarized: the two are not alike."""

SIGMA, PAPERS_EDGE = (0.1, 2.0), 224
"""Of the blur in pixels, and of the images that it is meant for; smaller images are blurred less."""


def augment_view(
    images: Tensor,
    *,
    second: bool,
    smallest: float,
    brightness: float,
    contrast: float,
    generator: torch.Generator,
) -> Tensor:
    """Change images as MoCo v3 does; hues, which only pictures in red, green and blue have, stay.

    Args:
        images: ``(batch, band, height, width)`` in any unit.
        second: It is the second of the two views.
        smallest: Smallest share of the area that a crop shows.
        brightness: Images are multiplied by a random factor in 1 +- this.
        contrast: Deviations from an image's mean are multiplied by a random factor in 1 +- this.
        generator: On the CPU, so that what is drawn does not depend on the device.

    Returns:
        float32 of the same shape.
    """
    views = random_resized_crop(images.float(), smallest, generator)
    coloured = saturate(jitter_colours(views, brightness, contrast, generator), generator)
    views = torch.where(_some(views, JITTERED, generator), coloured, views)
    views = torch.where(_some(views, GREY, generator), views.mean(dim=1, keepdim=True).expand_as(views), views)
    views = torch.where(_some(views, BLURRED[second], generator), blur(views, generator), views)
    return torch.where(_some(views, SOLARIZED[second], generator), solarize(views), views)


def _some(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Draw which images are changed, ``(batch, 1, 1, 1)`` bool."""
    return (torch.rand(len(images), 1, 1, 1, generator=generator) < share).to(images.device)


def saturate(images: Tensor, generator: torch.Generator) -> Tensor:
    """Multiply the deviations of each pixel's bands from their mean."""
    factors = 1 + SATURATION * (2 * torch.rand(len(images), 1, 1, 1, generator=generator) - 1)
    grey = images.mean(dim=1, keepdim=True)
    return grey + (images - grey) * factors.to(images.device)


def blur(images: Tensor, generator: torch.Generator) -> Tensor:
    """Blur each image with a Gaussian whose width is drawn from :data:`SIGMA`, scaled by the image's edge."""
    least, most = (sigma * images.shape[-1] / PAPERS_EDGE for sigma in SIGMA)
    sigma = least + (most - least) * torch.rand(len(images), 1, generator=generator)
    edge = 2 * max(1, round(2 * most)) + 1
    blurred: Tensor = gaussian_blur2d(images, (edge, edge), sigma.expand(-1, 2).to(images), border_type="replicate")
    return blurred


def solarize(images: Tensor) -> Tensor:
    """Turn values above the middle of each image's range into as much below its top, as of display values above 128."""
    low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
    return torch.where(images > (low + high) / 2, low + high - images, images)
