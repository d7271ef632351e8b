"""Random changes of training triplets that keep geography true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gairbench.conversion import Converter
from gairbench.inputs import Modality
from gairbench.pretraining.budget import Budget


@dataclass(frozen=True, slots=True)
class Augmentation:
    """The random changes that every model sees alike, and the conversion to what it takes.

    Args:
        converters: From delivered to taken inputs, by modality.
        budget: How strongly colours are changed.
    """

    converters: Mapping[Modality, Converter]
    budget: Budget

    def tiles(self, images: Tensor, position: Tensor | None, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Change overhead images' colours and mirror them, with the points in them.

        Args:
            images: ``(batch, band, height, width)`` as delivered.
            position: ``(batch, 2)`` points from :func:`gairbench.georeference.relative_position`; ``None``:
                the centres.
            generator: On the CPU.

        Returns:
            Images as the model takes them, and positions.
        """
        images = jitter_colours(images, self.budget.brightness, self.budget.contrast, generator)
        images = self.converters[Modality.RS](images)
        if position is None:
            position = images.new_zeros(len(images), 2)
        return mirror_tiles(images, position, generator)

    def photos(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change photos' colours and mirror them; from delivered photos to what the model takes."""
        images = jitter_colours(images, self.budget.brightness, self.budget.contrast, generator)
        return mirror_photos(self.converters[Modality.SV](images), generator)


def jitter_colours(images: Tensor, brightness: float, contrast: float, generator: torch.Generator) -> Tensor:
    """Change each image's brightness and contrast, all bands alike, as camera and illumination do.

    Args:
        images: ``(batch, band, height, width)`` in any unit.
        brightness: Images are multiplied by a factor drawn uniformly from 1 +- this.
        contrast: Deviations from each image's mean are multiplied by a factor from 1 +- this.
        generator: On the CPU, so that what is drawn does not depend on the device.

    Returns:
        float32 of the same shape; nothing is clipped.
    """
    factors = torch.rand(2, len(images), 1, 1, 1, generator=generator).to(images.device) * 2 - 1
    values = images.float()
    mean = values.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (values - mean) * (1 + contrast * factors[1])) * (1 + brightness * factors[0])


def mirror_tiles(images: Tensor, position: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror tiles east-west and north-south at random, and the points in them alike.

    Args:
        images: ``(batch, band, height, width)``.
        position: ``(batch, 2)`` from :func:`gairbench.georeference.relative_position`.
        generator: On the CPU.

    Returns:
        Images and positions of the same shapes; every point is still on its pixel.
    """
    mirrored = (torch.rand(len(images), 2, generator=generator) < 0.5).to(images.device)
    east_west, north_south = mirrored[:, :, None, None, None].unbind(1)
    images = torch.where(east_west, images.flip(3), images)
    images = torch.where(north_south, images.flip(2), images)
    return images, torch.where(mirrored, -position, position)


def mirror_photos(images: Tensor, generator: torch.Generator) -> Tensor:
    """Mirror photos ``(batch, band, height, width)`` left-right at random."""
    flipped = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(flipped[:, None, None, None], images.flip(3), images)


def jitter_coordinates(lonlat: Tensor, degrees: float, generator: torch.Generator) -> Tensor:
    """Move points by Gaussian noise of equal distance in all directions.

    Args:
        lonlat: ``(batch, 2)`` in degrees.
        degrees: Standard deviation along a meridian.
        generator: On the CPU.

    Returns:
        ``(batch, 2)``, longitudes wrapped into -180 ... 180, latitudes clamped into -90 ... 90.
    """
    noise = torch.randn(len(lonlat), 2, generator=generator).to(lonlat) * degrees
    latitude = (lonlat[:, 1] + noise[:, 1]).clamp(-90, 90)
    # Meridians converge; the floor keeps points near a pole on the map.
    narrowing = torch.cos(torch.deg2rad(lonlat[:, 1])).clamp(min=0.05)
    longitude = torch.remainder(lonlat[:, 0] + noise[:, 0] / narrowing + 180, 360) - 180
    return torch.stack([longitude, latitude], dim=1)
