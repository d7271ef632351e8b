"""From a batch of named series to groups of bands, and the encodings that Presto and Galileo share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from gairbench import Unit
from gairbench.batch import Batch, Images
from gairbench.errors import InputMismatchError
from gairbench.sensors import band

_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Group:
    """A group of bands of one image of a batch, in which every sample has the same frames.

    Args:
        values: ``(batch, time, band, height, width)``.
        months: ``(batch, time)``, January is 0; ``None`` where the batch holds no dates.
        gsd_m: ``(batch,)`` metres per pixel; NaN where unknown, ``None`` where the batch does not say.
        steps: ``(time,)``, the number of each frame in its series, those that were left out included.
    """

    values: Tensor
    months: Tensor | None
    gsd_m: Tensor | None
    steps: Tensor


Steps = Mapping[str, Tensor]
"""The numbers of the frames that are there, by image."""


def encode_alike(batch: Batch, encode: Callable[[Batch, Steps], Tensor]) -> Tensor:
    """Encode samples that have the same frames together, so that no frame is there to be masked.

    Args:
        batch: Images whose ``valid`` says which frames are there, and places that may be unknown.
        encode: Embeds a batch of which all frames are there, and all places known or none (``lonlat=None``); it is
            given the numbers of these frames, too.

    Returns:
        The embeddings in the order of the batch.
    """
    columns = [image.valid.reshape(len(batch), -1) for image in batch.images.values()]
    if batch.lonlat is not None:
        columns.append(batch.lonlat.isfinite().all(dim=1, keepdim=True))
    patterns, member = torch.unique(torch.cat(columns, dim=1), dim=0, return_inverse=True)
    rows = [(member == number).nonzero()[:, 0] for number in range(len(patterns))]
    parts = [encode(*_without_absent(batch.map(lambda tensor, own=own: tensor[own]))) for own in rows]  # type: ignore[misc]
    return torch.cat(parts)[torch.cat(rows).argsort()]


def _without_absent(batch: Batch) -> tuple[Batch, Steps]:
    """Leave out the frames and the places that no sample of the batch has."""
    images, steps = {}, {}
    for name, image in batch.images.items():
        there = image.valid[0]
        steps[name] = there.nonzero()[:, 0]
        images[name] = replace(
            image,
            values=image.values[:, there],
            valid=image.valid[:, there],
            dates=None if image.dates is None else image.dates[:, there],
        )
    known = batch.lonlat is not None and bool(batch.lonlat[0].isfinite().all())
    return replace(batch, images=images, lonlat=batch.lonlat if known else None), steps


def whole_groups(
    batch: Batch, steps: Steps, groups: Mapping[str, tuple[str, ...]], unknown_month: int = 0
) -> dict[str, Group]:
    """Return the groups of which a batch has every band and a frame.

    Args:
        batch: Images by name.
        steps: The numbers of their frames.
        groups: Bands of each group, all of one image.
        unknown_month: What stands for the month of a frame without a date.

    Raises:
        InputMismatchError: There is none.
    """
    found: dict[str, Group] = {}
    for key, image in batch.images.items():
        names = [known.name for known in image.bands]
        months = None if image.dates is None else month_of_year(image.dates, unknown_month)
        for group, bands in groups.items():
            if image.values.shape[1] and set(bands) <= {*names}:
                chosen = image.values[:, :, [names.index(name) for name in bands]]
                found[group] = Group(chosen, months, image.gsd_m, steps[key])
    if not found:
        shown = sorted({known.name for image in batch.images.values() for known in image.bands})
        raise InputMismatchError(
            f"of bands {', '.join(shown)} alone the encoder has no token",
            f"use images with all bands of one of {', '.join('+'.join(bands) for bands in groups.values())}",
        )
    return found


def with_ndvi(image: Images) -> Images:
    """Add NDVI as a band where an image has Sentinel-2's B8 and B4; where both are zero it is 0.

    Args:
        image: Reflectance or a multiple of it, so that their ratio means something.
    """
    names = [known.name for known in image.bands]
    if not {"B8", "B4"} <= {*names}:
        return image
    infrared, red = (image.values[..., names.index(name), :, :] for name in ("B8", "B4"))
    total = infrared + red
    ratio = torch.where(total > 0, (infrared - red) / total.where(total > 0, 1), 0)
    return replace(
        image,
        values=torch.cat([image.values, ratio[..., None, :, :]], dim=-3),
        bands=(*image.bands, band("NDVI")),
        units=(*image.units, Unit.RAW),
    )


def month_of_year(dates: Tensor, unknown: int = 0) -> Tensor:
    """Return the month of dates, January is 0.

    Args:
        dates: Days since 1970-01-01; NaN where unknown.
        unknown: What stands for the month of an unknown date.

    Returns:
        int64, of the same shape.
    """
    days = np.floor(dates.nan_to_num().cpu().numpy()).astype("datetime64[D]")
    months = torch.from_numpy(days.astype("datetime64[M]").astype(np.int64) % _MONTHS).to(dates.device)
    return torch.where(dates.isfinite(), months, unknown)


def month_embedding(width: int) -> nn.Embedding:
    """Return the encoding of the twelve months: half of it the same sine of the year, half the same cosine."""
    angle = 2 * math.pi * torch.arange(_MONTHS)[:, None] / _MONTHS
    table = torch.cat([angle.sin().expand(-1, width // 2), angle.cos().expand(-1, width // 2)], dim=1)
    embedding = nn.Embedding(_MONTHS, width)
    embedding.weight = nn.Parameter(table, requires_grad=False)
    return embedding
