"""Generate what an encoder takes, for any declaration, through the same sealed conversion as real data."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gairbench.batch import Batch
from gairbench.data import Sample, dates_key, mask_key, sample_key
from gairbench.feeding import Feed, feed_for
from gairbench.inputs import ANY, RGB, ImageInput, Input, LocationInput, Modality, Normalization, SampleInput, Unit
from gairbench.representation import Representation
from gairbench.spec import Preset

if TYPE_CHECKING:
    from torch import Tensor

ANY_SIZE = 64
"""Height and width generated for an encoder that takes any."""

FRAMES = 4
"""Frames generated for an encoder of series, where it takes so few and so many."""

TILE = 0.5
"""Width and height in degrees of a generated tile."""

GSD = 10.0
"""Metres per pixel of images for an encoder that does not say what it was trained with."""

SPAN: Mapping[Unit, tuple[float, float]] = {
    Unit.UINT8: (0.0, 255.0),
    Unit.REFLECTANCE: (0.0, 1.0),
    Unit.S2_DN: (0.0, 10_000.0),
    Unit.S2_DN_OFFSET: (1_000.0, 11_000.0),
    Unit.LANDSAT_C2_DN: (7_273.0, 43_636.0),
    Unit.DB: (-30.0, 5.0),
    Unit.POWER: (0.001, 3.0),
    Unit.AMPLITUDE: (0.03, 1.8),
    Unit.KELVIN: (240.0, 320.0),
    Unit.METRES: (0.0, 3_000.0),
    Unit.RAW: (0.0, 1.0),
}
"""Least and greatest value of generated images."""

_WHOLE = frozenset({Unit.UINT8, Unit.S2_DN, Unit.S2_DN_OFFSET, Unit.LANDSAT_C2_DN})

# Where formulas break: both poles, both sides of the date line, and the origin.
_EDGES = ((0.0, 90.0), (0.0, -90.0), (180.0, 0.0), (-180.0, 0.0), (0.0, 0.0))

Fill = Callable[[ImageInput, int], "Tensor"]
"""Makes images ``(batch, band, height, width)`` of a declaration, for the number of an image among the inputs."""


def delivered_for(wanted: Input) -> Input:
    """Return the declaration of data that an input can be fed with as they are."""
    if isinstance(wanted, LocationInput):
        return wanted
    bands = ("B2", "B3", "B4", "B8") if wanted.bands == ANY and wanted.modality is Modality.RS else wanted.bands
    bands = RGB if bands == ANY else bands
    unit = wanted.unit
    if unit is None:
        unit = Unit.UINT8 if bands == RGB else Unit.REFLECTANCE
    return replace(
        wanted,
        bands=bands,
        unit=unit,
        size=wanted.size or ANY_SIZE,
        gsd_m=wanted.gsd_m or (GSD if wanted.modality is Modality.RS else None),
        dated=True,
        masked=True,
        normalization=Normalization.NONE,
        mean=(),
        std=(),
        missing="refuse",
        resampling="size",
        surplus_frames="refuse",
    )


def feed_of(preset: Preset, view: Representation) -> Feed:
    """Return how a representation is fed from generated data.

    Raises:
        unittest.SkipTest: It is looked up, and no generated sample is among those that the model has.
    """
    taken = [preset.input(name) for name in view.of]
    if any(isinstance(wanted, SampleInput) for wanted in taken):
        raise unittest.SkipTest(f"{view} is looked up, and no generated sample is among those that the model has")
    delivers: list[Input] = [delivered_for(wanted) for wanted in taken if not isinstance(wanted, SampleInput)]
    if not any(isinstance(i, LocationInput) for i in delivers):
        return feed_for(preset, view, delivers, [*delivers, LocationInput()])
    return feed_for(preset, view, delivers, delivers)


def generate(preset: Preset, view: Representation, batch: int, seed: int, frames: int = FRAMES) -> Batch:
    """Generate a batch for one representation.

    Args:
        preset: Whose declared inputs to meet.
        view: What is to be computed.
        batch: Number of samples.
        seed: Other seeds give other samples.
        frames: Of series, as near to it as the preset takes.

    Returns:
        What the runner would hand to the model.
    """
    order = _order(preset, view)
    return made_of(
        preset,
        view,
        lambda declared, number: raw_images(declared, batch, seed + 1_000 * number),
        places=points_in_tiles(batch, seed) if _has_images(preset, view) else None,
        lonlat=_ordered(order, locations(batch, seed)),
        frames=frames,
    )


def extremes(preset: Preset, view: Representation) -> Batch:
    """Return flat images of the lowest and the highest value, at the tile's corners; or the poles and the date line."""
    import torch

    corners = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    places = place(torch.tensor([[10.0, 50.0]] * 2, dtype=torch.float64), corners)
    edges = _ordered(_order(preset, view), torch.tensor(_EDGES, dtype=torch.float64))
    return made_of(
        preset,
        view,
        lambda declared, _: flat_images(declared),
        places=places if _has_images(preset, view) else None,
        lonlat=edges,
    )


def made_of(
    preset: Preset,
    view: Representation,
    fill: Fill,
    *,
    places: tuple[Tensor, Tensor] | None,
    lonlat: Tensor,
    frames: int = FRAMES,
) -> Batch:
    """Convert images and places as the runner would.

    Args:
        preset: Whose declared inputs to meet.
        view: What is to be computed.
        fill: Makes the images.
        places: Points and boxes of images, as :func:`points_in_tiles` returns them; ``None`` for a location encoder.
        lonlat: Coordinates for a location encoder, in its order.
        frames: Of series, as near to it as the preset takes.
    """
    feed = feed_of(preset, view)
    columns = image_columns([converter.delivered for converter in feed.images.values()], fill, frames)
    if places is not None:
        columns["lonlat"], columns["bbox"] = places
    else:
        columns["lonlat"] = lonlat
    batch = min(len(column) for column in columns.values())
    samples: list[Sample] = [{key: column[i] for key, column in columns.items()} for i in range(batch)]
    return feed.batch(samples)


def image_columns(delivered: Sequence[ImageInput], fill: Fill, frames: int = FRAMES) -> dict[str, Tensor]:
    """Return images of several declarations with dates and masks, by their keys in samples.

    Args:
        delivered: Declarations of data.
        fill: Makes the images.
        frames: Of series, as near to it as the declarations allow.
    """
    import torch

    columns: dict[str, Tensor] = {}
    for number, declared in enumerate(delivered):
        images = fill(declared, number)
        if declared.frame_range is not None:
            least, most = declared.frame_range
            count = max(least, min(most, frames))
            # Other seasons of the same places: brighter and darker.
            images = torch.stack([images * (1 - 0.05 * (frame % 5)) for frame in range(count)], dim=1)
            dates = 18_262.0 + 30 * torch.arange(count, dtype=torch.float64)
            columns[dates_key(declared.name)] = dates.expand(len(images), -1)
        else:
            columns[dates_key(declared.name)] = torch.full((len(images),), 18_262.0, dtype=torch.float64)
        columns[sample_key(declared.name)] = images
        columns[mask_key(declared.name)] = _holed(images)
    return columns


def _holed(images: Tensor) -> Tensor:
    """Return masks of images of which every second one lacks its north-western quarter."""
    import torch

    mask = torch.ones(images.shape, dtype=torch.bool)
    height, width = images.shape[-2:]
    mask[1::2, ..., : height // 2, : width // 2] = False
    return mask


def _has_images(preset: Preset, view: Representation) -> bool:
    return any(isinstance(preset.input(name), ImageInput) for name in view.of)


def _order(preset: Preset, view: Representation) -> str:
    return next((i.order for i in map(preset.input, view.of) if isinstance(i, LocationInput)), "lonlat")


def raw_images(declared: ImageInput, batch: int, seed: int) -> Tensor:
    """Generate smooth images with fine noise in the declared units.

    Returns:
        ``(batch, band, height, width)`` float32, before normalization, spanning the units' ranges.
    """
    import torch
    from torch.nn.functional import interpolate

    generator = torch.Generator().manual_seed(seed)
    size = declared.size or ANY_SIZE
    coarse = torch.rand(batch, len(declared.bands), 4, 4, generator=generator)
    fine = torch.rand(batch, len(declared.bands), size, size, generator=generator)
    smooth = interpolate(coarse, size=(size, size), mode="bilinear", align_corners=False)
    return _spread(declared, 0.8 * smooth + 0.2 * fine)


def flat_images(declared: ImageInput) -> Tensor:
    """Return one image of the lowest and one of the highest value of the units: no variance to divide by."""
    import torch

    size = declared.size or ANY_SIZE
    levels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, len(declared.bands), size, size)
    return _spread(declared, levels)


def _spread(declared: ImageInput, shares: Tensor) -> Tensor:
    """Map shares 0 ... 1 to values of the declared units."""
    import torch

    low, high = zip(*(SPAN[unit] for unit in declared.units()), strict=True)
    least, most = torch.tensor(low).view(1, -1, 1, 1), torch.tensor(high).view(1, -1, 1, 1)
    values = least + shares * (most - least)
    whole = torch.tensor([unit in _WHOLE for unit in declared.units()]).view(1, -1, 1, 1)
    return torch.where(whole, values.round(), values)


def locations(batch: int, seed: int) -> Tensor:
    """Generate coordinates over the whole globe.

    Returns:
        ``(batch, 2)`` float64 degrees, longitude first.
    """
    import torch

    random = torch.rand(batch, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return random * torch.tensor([360.0, 180.0]) - torch.tensor([180.0, 90.0])


def _ordered(order: str, lonlat: Tensor) -> Tensor:
    return lonlat if order == "lonlat" else lonlat.flip(1)


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
