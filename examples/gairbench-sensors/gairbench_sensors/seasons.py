"""A series with dates, and the place."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gairbench import ModelContext, Representation
from gairbench.batch import Batch

YEAR = 365.25


class Seasons:
    """Mean, cosine and sine of the year of each band, and the place; in the south, summer is in January."""

    def __init__(self, context: ModelContext) -> None:
        del context

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Return ``(batch, 3 * band + 3)``."""
        (name,) = wanted.of
        image = batch.images[name]
        assert image.dates is not None  # because the preset needs them
        assert batch.lonlat is not None
        values = image.values.mean((3, 4)).double()
        # Shorter series are padded; and a dataset may not know the date of an image.
        known = image.valid & image.dates.isfinite()
        lon, lat = torch.deg2rad(batch.lonlat).unbind(1)
        year = 2 * math.pi * image.dates.nan_to_num() / YEAR + math.pi * (lat < 0)[:, None]
        cycle = torch.stack([torch.ones_like(year), year.cos(), year.sin()], dim=1) * known[:, None]
        seasons = cycle @ values / known.sum(1).clamp(min=1)[:, None, None]
        place = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=1)
        return torch.cat([seasons.flatten(1), place], dim=1).float()
