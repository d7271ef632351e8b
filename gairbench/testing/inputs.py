"""Generate what an encoder takes, for any declaration, through the same sealed conversion as real data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gairbench.conversion import make_converter
from gairbench.spec import VIEW_MODALITY, ImageInput, Input, LocationInput, Modality, Normalization, Preset, Unit, View

if TYPE_CHECKING:
    from torch import Tensor

ANY_SIZE = 64
"""Height and width generated for an encoder that takes any."""

TILE = 0.5
"""Width and height in degrees of a generated tile."""

_TOP = {Unit.UINT8: 255.0, Unit.REFLECTANCE: 1.0, Unit.S2_DN: 10_000.0}

# Where formulas break: both poles, both sides of the date line, and the origin.
_EDGES = ((0.0, 90.0), (0.0, -90.0), (180.0, 0.0), (-180.0, 0.0), (0.0, 0.0))


def declared_input(preset: Preset, modality: Modality) -> Input:
    """Return what a preset takes of one modality."""
    return next(i for i in preset.inputs if i.modality == modality)


def generate(preset: Preset, view: View, batch: int, seed: int) -> tuple[Tensor, ...]:
    """Generate a batch for one view.

    Args:
        preset: Whose declared input to meet.
        view: The method to feed.
        batch: Number of samples.
        seed: Other seeds give other samples.

    Returns:
        The view's arguments, as the runner would pass them.
    """
    declared = declared_input(preset, VIEW_MODALITY[view])
    if isinstance(declared, LocationInput):
        return (locations(declared, batch, seed),)
    images = convert(declared, raw_images(declared, batch, seed))
    return (images, *points_in_tiles(batch, seed)) if view is View.RS_QUERY else (images,)


def raw_images(declared: ImageInput, batch: int, seed: int) -> Tensor:
    """Generate smooth images with fine noise in the declared unit.

    Returns:
        ``(batch, band, height, width)`` float32, before normalization, spanning the unit's range.
    """
    import torch
    from torch.nn.functional import interpolate

    generator = torch.Generator().manual_seed(seed)
    size = declared.size or ANY_SIZE
    coarse = torch.rand(batch, len(declared.bands), 4, 4, generator=generator)
    fine = torch.rand(batch, len(declared.bands), size, size, generator=generator)
    smooth = interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    images = (0.8 * smooth + 0.2 * fine) * _TOP[declared.unit]
    return images.round() if declared.unit is not Unit.REFLECTANCE else images


def flat_images(declared: ImageInput) -> Tensor:
    """Return one image of the lowest and one of the highest value of the unit: no variance to divide by."""
    import torch

    size = declared.size or ANY_SIZE
    levels = torch.tensor([0.0, _TOP[declared.unit]])
    return levels.view(2, 1, 1, 1).expand(2, len(declared.bands), size, size).clone()


def convert(declared: ImageInput, images: Tensor) -> Tensor:
    """Pass images in the declared unit and size through the runner's conversion."""
    delivered = replace(
        declared, size=images.shape[-1], normalization=Normalization.NONE, mean=(), std=(), fill_missing=False
    )
    return make_converter(delivered, declared)(images)


def locations(declared: LocationInput, batch: int, seed: int) -> Tensor:
    """Generate coordinates over the whole globe.

    Returns:
        ``(batch, 2)`` float64 degrees in the declared order.
    """
    import torch

    random = torch.rand(batch, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    lonlat = random * torch.tensor([360.0, 180.0]) - torch.tensor([180.0, 90.0])
    return _ordered(declared, lonlat)


def edge_locations(declared: LocationInput) -> Tensor:
    """Return the poles, the date line and the origin, ``(5, 2)`` float64 degrees in the declared order."""
    import torch

    return _ordered(declared, torch.tensor(_EDGES, dtype=torch.float64))


def _ordered(declared: LocationInput, lonlat: Tensor) -> Tensor:
    return lonlat if declared.order == "lonlat" else lonlat.flip(1)


def points_in_tiles(batch: int, seed: int) -> tuple[Tensor, Tensor]:
    """Generate one tile and one point inside it per sample.

    Returns:
        ``lonlat (batch, 2)`` and ``bbox (batch, 4)`` as (lon_min, lat_max, lon_max, lat_min), float64 degrees.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, 2, dtype=torch.float64, generator=generator) * 100 - 50
    inside = 0.1 + 0.8 * torch.rand(batch, 2, dtype=torch.float64, generator=generator)
    return place(corner, inside)


def place(corner: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Put points into tiles.

    Args:
        corner: North-west corners ``(batch, 2)`` as longitude and latitude.
        inside: Shares of the way east and south ``(batch, 2)``, 0 ... 1.

    Returns:
        ``lonlat`` and ``bbox`` as :func:`points_in_tiles` returns them.
    """
    import torch

    step = torch.tensor([TILE, -TILE], dtype=torch.float64)
    far = corner + step
    bbox = torch.stack([corner[:, 0], corner[:, 1], far[:, 0], far[:, 1]], dim=1)
    return corner + inside * step, bbox


def spread_indices(count: int, n: int) -> Sequence[int]:
    """Return up to ``n`` indices into ``count`` samples, first and last among them."""
    if count <= n:
        return range(count)
    return [round(i * (count - 1) / (n - 1)) for i in range(n)]
