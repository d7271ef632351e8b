"""Random changes of training triplets that keep geography true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gairbench.conversion import Converter
from gairbench.inputs import Modality
from gairbench.pretraining.budget import Budget


@dataclass(frozen=True, slots=True)
class View:
    """One random look at images, before the conversion to what a model takes: several models can be given the same.

    Args:
        images: ``(batch, band, height, width)`` float32 in the delivered unit, their colours changed.
        mirrored: ``(batch, 1)`` or ``(batch, 2)`` bool: mirrored east-west, and north-south.
    """

    images: Tensor
    mirrored: Tensor

    def through(self, converter: Converter) -> Tensor:
        """Return what a model takes of it."""
        return mirror(converter(self.images), self.mirrored)

    def delivered(self) -> Tensor:
        """Return it as a dataset would deliver it."""
        return mirror(self.images, self.mirrored)

    def moved(self, position: Tensor) -> Tensor:
        """Return where points ``(batch, 2)`` of :func:`gairbench.georeference.relative_position` are in it."""
        return torch.where(self.mirrored, -position, position)


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
        view = self.view_tiles(images, generator)
        images = view.through(self.converters[Modality.RS])
        return images, images.new_zeros(len(images), 2) if position is None else view.moved(position)

    def photos(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Change photos' colours and mirror them; from delivered photos to what the model takes."""
        return self.view_photos(images, generator).through(self.converters[Modality.SV])

    def view_tiles(self, images: Tensor, generator: torch.Generator) -> View:
        """Look at overhead images ``(batch, band, height, width)`` as delivered, mirrored both ways at random."""
        return self._view(images, generator, axes=2)

    def view_photos(self, images: Tensor, generator: torch.Generator) -> View:
        """Look at photos ``(batch, band, height, width)`` as delivered, mirrored left-right at random."""
        return self._view(images, generator, axes=1)

    def _view(self, images: Tensor, generator: torch.Generator, *, axes: int) -> View:
        images = jitter_colours(images, self.budget.brightness, self.budget.contrast, generator)
        mirrored = torch.rand(len(images), axes, generator=generator) < 0.5
        return View(images, mirrored.to(images.device))


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


def mirror(images: Tensor, mirrored: Tensor) -> Tensor:
    """Mirror some images.

    Args:
        images: ``(batch, band, height, width)``.
        mirrored: ``(batch, 1)`` or ``(batch, 2)`` bool: which ones east-west, and which north-south.

    Returns:
        Of the same shape.
    """
    for axis, some in zip((3, 2), mirrored[:, :, None, None, None].unbind(1), strict=False):
        images = torch.where(some, images.flip(axis), images)
    return images


def random_resized_crop(images: Tensor, smallest: float, generator: torch.Generator) -> Tensor:
    """Zoom into a random square of each image.

    Args:
        images: ``(batch, band, height, width)``.
        smallest: Smallest share of the area that is shown; the largest is all of it.
        generator: On the CPU, so that what is drawn does not depend on the device.

    Returns:
        Of the same shape, bilinearly resampled.
    """
    drawn = torch.rand(3, len(images), generator=generator).to(images.device)
    edge = (smallest + (1 - smallest) * drawn[0]).sqrt()
    shift = (2 * drawn[1:] - 1) * (1 - edge)
    zoom = images.new_zeros(len(images), 2, 3, dtype=torch.float32)
    zoom[:, 0, 0] = zoom[:, 1, 1] = edge
    zoom[:, :, 2] = shift.T
    grid = functional.affine_grid(zoom, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid.to(images.dtype), padding_mode="border", align_corners=False)


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
