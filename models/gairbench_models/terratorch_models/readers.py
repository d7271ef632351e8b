"""How each architecture of TerraTorch is called, and where its tokens are: one function each."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import torch
from torch import Tensor

from gairbench.batch import Batch
from gairbench_models.terratorch_models.table import MODALITIES
from gairbench_models.torchgeo_models.entries import Entry
from gairbench_models.torchgeo_models.readers import Read, Reader, channels_nm

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _read_prithvi(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:
    (name,) = names
    image = batch.images[name]
    unknown = image.values.new_full((len(image.values), 2), float("nan"))
    # It is given latitude first.
    place = unknown if batch.lonlat is None else batch.lonlat.flip(1).to(unknown)
    date = unknown if image.dates is None else _year_and_day(image.dates).to(unknown)
    parts: list[list[Tensor]] = []
    order: list[Tensor] = []
    # What is not known of one sample, the model takes from none of a batch.
    kinds = torch.stack([place.isnan().any(dim=1), date.isnan().any(dim=1)], dim=1)
    for kind in torch.unique(kinds, dim=0):
        rows = (kinds == kind).all(dim=1).nonzero()[:, 0]
        located, dated = (not bool(lacking) for lacking in kind)
        parts.append(
            model.forward_features(
                image.values[rows],
                temporal_coords=date[rows, None] if dated and "dates" in entry.wants else None,
                location_coords=place[rows] if located and "lonlat" in entry.wants else None,
            )
        )
        order.append(rows)
    back = torch.cat(order).argsort()
    found = {number: torch.cat([part[number] for part in parts])[back] for number in {*layers, len(parts[0]) - 1}}
    tokens = found[len(parts[0]) - 1]
    return Read(tokens[:, 1:].mean(dim=1), tokens, found)


def _year_and_day(dates: Tensor) -> Tensor:
    """Return the year, and the day of the year from 1, of days since 1970-01-01; NaN where not known."""
    pairs = [(float("nan"),) * 2 if day is None else (day.year, day.timetuple().tm_yday) for day in _days(dates)]
    return torch.tensor(pairs, dtype=torch.float64)


def _days(dates: Tensor) -> list[datetime | None]:
    return [None if math.isnan(day) else _EPOCH + timedelta(days=day) for day in dates.flatten().tolist()]


def _read_clay(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:
    (name,) = names
    image, count = batch.images[name], len(batch)
    nothing = image.values.new_zeros(count, 4)
    waves = image.values.new_tensor([wave / 1_000 for wave in channels_nm(entry, name, image)])
    place = nothing if batch.lonlat is None else _circles(batch.lonlat.flip(1).deg2rad()).to(nothing)
    time = nothing if image.dates is None else _circles(_week_and_hour(image.dates)).to(nothing)
    stated = entry.taken(name).image.gsd_m
    assert stated is not None  # noqa: S101  (all of its inputs state one)
    gsd = nothing[:, 0] + stated if image.gsd_m is None else image.gsd_m.nan_to_num(nan=stated)
    parts: dict[int, list[Tensor]] = {}
    # The distance is one for all of a batch.
    for distance in torch.unique(gsd).tolist():
        rows = (gsd == distance).nonzero()[:, 0]
        blocks = model.clay_encoder(
            {
                "pixels": image.values[rows],
                "time": time[rows],
                "latlon": place[rows],
                "gsd": distance,
                "waves": waves,
            }
        )
        for at, row in enumerate(rows.tolist()):
            parts[row] = [block[at] for block in blocks]
    last = len(parts[0]) - 1
    found = {number: torch.stack([parts[row][number] for row in range(count)]) for number in {*layers, last}}
    return Read(found[last][:, 0], found[last], found)


def _circles(angles: Tensor) -> Tensor:
    """Return sine and cosine of two angles ``(batch, 2)`` as ``(batch, 4)``; zeros where one is not known."""
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).where(~angles.isnan().any(1, keepdim=True), 0.0)


def _week_and_hour(dates: Tensor) -> Tensor:
    """Return the ISO week and the hour of days since 1970-01-01 as angles ``(batch, 2)``; NaN where not known."""
    turns = [
        (float("nan"),) * 2 if day is None else (day.isocalendar().week / 52, day.hour / 24) for day in _days(dates)
    ]
    return 2 * torch.pi * torch.tensor(turns, dtype=torch.float64)


def _read_terramind(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:  # noqa: ARG001
    blocks = model({MODALITIES[name]: batch.images[name].values for name in names})
    return Read(blocks[-1].mean(dim=1), blocks[-1], {number: blocks[number] for number in layers})


READERS: Mapping[str, Reader] = {"prithvi": _read_prithvi, "terramind": _read_terramind, "clay": _read_clay}
