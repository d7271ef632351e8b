"""Look at a dataset's samples once, and note what is wrong with each and what all of them have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gairbench.data import Sample, Split, dates_key, mask_key, sample_key
from gairbench.degrees import are_degrees
from gairbench.errors import GairbenchError
from gairbench.inputs import ImageInput, LocationInput
from gairbench.spec import DatasetSpec
from gairbench.testing.inputs import spread_indices
from gairbench.units import range_problem
from gairbench.valid_pixels import mask_problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

LOOKED_AT = 12
"""Samples read per split where not every one is, spread over it, first and last among them."""

BATCH = 64

MANY_ZEROS = 0.2
"""Share of pixels that are 0 in every band from which on they may be missing data that nothing marks."""


@dataclass(slots=True)
class BandsSeen:
    """The bands of all images of one modality.

    Args:
        images: How many were seen.
        low: Least value of each band.
        high: Greatest value of each band.
        constant: For each band the images in which it has one value only.
        zeros: Images of which many pixels are 0 in every band and others are not, with the share of those pixels; not
            those that a mask marks as missing.
        held: Some pixel has a value; false only if the masks of all images say otherwise.
    """

    images: int
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    constant: list[list[str]]
    zeros: list[tuple[str, float]]
    held: bool


@dataclass(slots=True)
class Seen:
    """What the samples that were looked at show.

    Args:
        problems: What is wrong with single samples, one sentence each.
        ranges: Least and greatest value, of images by sample key, and of ``longitude`` and ``latitude`` in degrees.
        bands: The bands of sound images by modality.
        duplicates: Pairs of samples with equal images in different splits, as ``split/id``.
        lonlat: Longitude and latitude of samples whose coordinates are in range.
        places: Those samples, as ``split/id``.
    """

    problems: list[str] = field(default_factory=list)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    bands: dict[ImageInput, BandsSeen] = field(default_factory=dict)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    lonlat: list[tuple[float, float]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)

    def widen(self, key: str, low: float, high: float) -> None:
        """Note values."""
        before = self.ranges.get(key, (low, high))
        self.ranges[key] = (min(low, before[0]), max(high, before[1]))


def look(spec: DatasetSpec, splits: Mapping[str, Split], *, every: bool) -> Seen:
    """Read samples of every split.

    Args:
        spec: The dataset.
        splits: Its splits.
        every: Read all samples, or only :data:`LOOKED_AT` of each split.
    """
    seen = Seen()
    first: dict[bytes, tuple[str, str]] = {}
    for name, split in splits.items():
        indices = range(len(split)) if every else spread_indices(len(split), LOOKED_AT)
        for identifier, sample in _samples(split, indices):
            where = f"{name}/{identifier}"
            if isinstance(sample, str):
                seen.problems.append(f"{where}: {sample}")
                continue
            content = _look_at(sample, spec, where, seen)
            # Points alone may well coincide; equal pictures in two splits leak.
            if content is not None:
                other = first.setdefault(content, (name, where))
                if other[0] != name:
                    seen.duplicates.append((other[1], where))
    return seen


def read_many(split: Split, indices: Sequence[int]) -> list[Sample]:
    """Read samples the way the runner does: many at once where the split can."""
    together = getattr(split, "__getitems__", None)
    return list(together(list(indices))) if together else [split[i] for i in indices]


def _samples(split: Split, indices: Sequence[int]) -> Iterator[tuple[str, Sample | str]]:
    """Yield samples, or what is wrong with them; in batches where the split can, which may be far faster."""
    for start in range(0, len(indices), BATCH):
        chosen = indices[start : start + BATCH]
        batch: Sequence[Sample | str]
        try:
            batch = read_many(split, chosen)
        # Whatever one sample raises, the others are looked at too.
        except Exception:
            batch = [_one(split, i) for i in chosen]
        yield from zip((split.ids[i] for i in chosen), batch, strict=True)


def _one(split: Split, index: int) -> Sample | str:
    try:
        return split[index]
    except GairbenchError as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _look_at(sample: Sample, spec: DatasetSpec, where: str, seen: Seen) -> bytes | None:
    """Look at one sample, and return the hash of its images if it has sound ones."""
    content, sound = hashlib.sha256(), False
    for declared in spec.delivers:
        key = sample_key(declared.name)
        if key not in sample:
            problem = f"no {key!r}, only {', '.join(sample)}"
        elif isinstance(declared, LocationInput):
            problem = _problem_of_location(sample[key], declared)
            if not problem:
                _note_place(sample[key], declared, where, seen)
        else:
            problem = (
                _problem_of_image(sample[key], declared, key)
                or _problem_of_dates(sample, declared)
                or _problem_of_mask(sample, declared)
            )
            if not problem:
                _note_bands(sample, declared, where, seen)
                content.update(sample[key].contiguous().numpy().tobytes())
                sound = True
        if problem:
            seen.problems.append(f"{where}: {problem}")
    if "bbox" in sample and (problem := _problem_of_box(sample, spec)):
        seen.problems.append(f"{where}: {problem}")
    return content.digest() if sound else None


def _problem_of_image(value: Tensor, declared: ImageInput, key: str) -> str:
    shape = tuple(value.shape)
    frames = declared.frame_range
    axes = ("time", "band", "height", "width") if frames else ("band", "height", "width")
    # A single pixel needs no height and width.
    if not value.numel() or len(shape) not in {len(axes), len(axes) - 2}:
        return f"{key} of shape {shape} is not ({', '.join(axes)})"
    if frames and not frames[0] <= shape[0] <= frames[1]:
        return f"{key} has {shape[0]} images, declared {declared.frames}"
    bands, grid = (shape[1], shape[2:]) if frames else (shape[0], shape[1:])
    if bands != len(declared.bands):
        return f"{key} has {bands} bands, declared {', '.join(declared.bands)}"
    if declared.size is not None and (grid or (1, 1)) != (declared.size, declared.size):
        return f"{key} has size {grid or (1, 1)}, declared {declared.size}"
    if not bool(value.isfinite().all()):
        return f"{key} has values that are not finite"
    low, high = (limit.tolist() for limit in _limits(value, declared))
    for unit in dict.fromkeys(declared.units()):
        of_unit = [i for i, other in enumerate(declared.units()) if other is unit]
        problem = range_problem(min(low[i] for i in of_unit), max(high[i] for i in of_unit), unit)
        if problem:
            several = f" band {declared.bands[of_unit[0]]}" if len(of_unit) < len(low) else ""
            return f"{key}{several} {problem}"
    return ""


def _by_band(value: Tensor, declared: ImageInput) -> Tensor:
    """Return an image or a series as ``(band, values)``."""
    import torch

    # PyTorch holds these types and finds no least value of them.
    if value.dtype in {torch.uint16, torch.uint32, torch.uint64}:
        value = value.to(torch.float64)
    return value.transpose(0, 1).flatten(1) if declared.frame_range else value.reshape(len(value), -1)


def _limits(value: Tensor, declared: ImageInput) -> tuple[Tensor, Tensor]:
    flat = _by_band(value, declared)
    return flat.amin(dim=1), flat.amax(dim=1)


def _problem_of_dates(sample: Sample, declared: ImageInput) -> str:
    key = dates_key(declared.name)
    if not declared.dated:
        return ""
    if key not in sample:
        return f"no {key!r}, and {declared.name} is declared dated"
    frames = len(sample[sample_key(declared.name)]) if declared.frame_range else 1
    dates = sample[key]
    if dates.numel() != frames:
        return f"{key} has {dates.numel()} dates for {frames} images"
    known = dates[dates.isfinite()].reshape(-1)
    # 1950 to 2100: years, milliseconds and nanoseconds are far outside.
    wrong = known[(known < -7_305) | (known > 47_482)]
    if len(wrong):
        return f"{key} holds {float(wrong[0]):g}, which is not a date in days since 1970-01-01"
    if bool((known[1:] < known[:-1]).any()):
        return f"{key} are not in the order of time"
    return ""


def _problem_of_mask(sample: Sample, declared: ImageInput) -> str:
    key = mask_key(declared.name)
    if not declared.masked:
        return ""
    if key not in sample:
        return f"no {key!r}, and {declared.name} is declared masked"
    problem = mask_problem(sample[key], sample[sample_key(declared.name)], 1 if declared.frame_range else 0)
    return f"{key} {problem}" if problem else ""


def _problem_of_location(value: Tensor, declared: LocationInput) -> str:
    import torch

    if tuple(value.shape) != (2,):
        return f"lonlat of shape {tuple(value.shape)} is not (2,)"
    if value.dtype != torch.float64:
        return f"lonlat is {value.dtype}, wanted float64 (float32 is off by metres)"
    lon, lat = _lonlat(value, declared)
    if are_degrees(lon, lat):
        return ""
    return f"longitude {lon:g}, latitude {lat:g} is out of range: {value.tolist()} is not {declared.order} in degrees"


def _lonlat(value: Tensor, declared: LocationInput) -> tuple[float, float]:
    lon, lat = value.tolist() if declared.order == "lonlat" else reversed(value.tolist())
    return lon, lat


def _note_place(value: Tensor, declared: LocationInput, where: str, seen: Seen) -> None:
    lon, lat = _lonlat(value, declared)
    seen.widen("longitude", lon, lon)
    seen.widen("latitude", lat, lat)
    seen.lonlat.append((lon, lat))
    seen.places.append(where)


def _note_bands(sample: Sample, declared: ImageInput, where: str, seen: Seen) -> None:
    import numpy as np
    import torch

    value = sample[sample_key(declared.name)]
    held = torch.ones((), dtype=torch.bool)
    if declared.masked:
        held = _by_band(sample[mask_key(declared.name)].expand(value.shape), declared)
    flat = _by_band(value, declared)
    low, high = flat.amin(dim=1).double().numpy(), flat.amax(dim=1).double().numpy()
    seen.widen(sample_key(declared.name), float(low.min()), float(high.max()))
    bands = seen.bands.get(declared)
    if bands is None:
        bands = seen.bands[declared] = BandsSeen(0, low, high, [[] for _ in declared.bands], [], held=False)
    bands.images += 1
    bands.held |= bool(held.any())
    bands.low, bands.high = np.minimum(bands.low, low), np.maximum(bands.high, high)
    share = float(((flat == 0) & held).all(dim=0).double().mean())
    if MANY_ZEROS < share < 1:
        bands.zeros.append((where, share))
    # A single pixel is not a constant band.
    if flat.shape[1] > 1:
        for band in np.flatnonzero(low == high):
            bands.constant[band].append(where)


def _problem_of_box(sample: Sample, spec: DatasetSpec) -> str:
    bbox = sample["bbox"].tolist()
    wrong = f"bbox {bbox} is not (lon_min, lat_max, lon_max, lat_min)"
    if len(bbox) != 4:
        return wrong
    west, north, east, south = bbox
    if not (west < east and south < north):
        return wrong
    declared = next((i for i in spec.delivers if isinstance(i, LocationInput)), None)
    if declared is None or sample_key("location") not in sample:
        return ""
    lon, lat = _lonlat(sample[sample_key("location")], declared)
    inside = west <= lon <= east and south <= lat <= north
    return "" if inside else f"bbox {bbox} does not contain its point {lon, lat} (lon, lat)"
