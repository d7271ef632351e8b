"""What an encoder is fed with: each of its inputs before and after the sealed conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.batch import Batch, Images
from gairbench.conversion import ImageConverter, in_metres, make_converter
from gairbench.data import Sample, dates_key, mask_key, sample_key
from gairbench.feeding import QUERY, Feed
from gairbench.inputs import ImageInput, LocationInput
from gairbench.inspection.suspicions import (
    date_text,
    suspicious_dates,
    suspicious_delivered,
    suspicious_fed,
    suspicious_wavelengths,
)
from gairbench.inspection.values import ValueSummary, summarize
from gairbench.spec import DatasetSpec
from gairbench.valid_pixels import stacked_masks

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class FedBand:
    """A band that an encoder is fed with.

    Args:
        name: The encoder's name of it.
        wavelength_um: Its centre wavelength in micrometres, if that is known.
        source: The delivered band that it is made from; empty: it is filled with zero.
        before: Its values as the dataset delivers them; ``None`` where it is filled.
        after: Its values as the encoder gets them.
    """

    name: str
    wavelength_um: float | None
    source: str
    before: ValueSummary | None
    after: ValueSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class FedImage:
    """An image, or a series, that an encoder is fed with.

    Args:
        name: The encoder's name of it.
        conversion: What is done, as records state it; its ``"input"`` is the dataset's name of the image.
        about: Shapes, missing pixels, dates and ground sample distances, in words by what it is about.
        bands: Its bands, in the encoder's order.
    """

    name: str
    conversion: dict[str, Any]
    about: dict[str, str]
    bands: tuple[FedBand, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What one representation is computed from.

    Args:
        representation: What is computed.
        images: Its images.
        absent: Images that the dataset lacks, which are zero.
        places: Where the samples are, and whether the encoder knows, in words by what it is about.
        different: How many of the samples differ in what the encoder gets.
        suspicions: What is suspicious, one sentence each.
    """

    representation: str
    images: tuple[FedImage, ...]
    absent: tuple[str, ...]
    places: dict[str, str]
    different: int
    suspicions: tuple[str, ...]


def what_is_fed(feed: Feed, samples: Sequence[Sample], batch: Batch, dataset: DatasetSpec) -> Fed:
    """Return what an encoder is fed with.

    Args:
        feed: How samples are converted.
        samples: As the dataset delivers them.
        batch: What the feed made of them.
        dataset: Where they come from.

    Raises:
        DataError: A sample lacks what the dataset declares.
    """
    images, suspicions = [], []
    for name, converter in feed.images.items():
        image, found = _image(name, converter, samples, batch.images[name], dataset, feed)
        images.append(image)
        suspicions += found
    if problem := feed.gsd_problem():
        suspicions.append(problem)
    return Fed(
        representation=str(feed.representation),
        images=tuple(images),
        absent=tuple(feed.absent),
        places=_places(feed, samples, dataset),
        different=_different(batch),
        suspicions=tuple(suspicions),
    )


def delivered_values(converter: ImageConverter, sample: Sample) -> Tensor:
    """Return an image of a sample as the dataset delivers it, ``(frames, band, height, width)``."""
    raw = sample[sample_key(converter.delivered.name)]
    # Values without a grid are images of one pixel.
    if raw.ndim == (2 if converter.delivered.frames is not None else 1):
        raw = raw[..., None, None]
    return raw if converter.delivered.frames is not None else raw[None]


def fed_values(image: Images) -> Tensor:
    """Return what an encoder gets of an image, ``(images, band, height, width)``, without frames that pad a series."""
    return image.values[image.valid] if image.values.ndim == 5 else image.values


def _image(
    name: str,
    converter: ImageConverter,
    samples: Sequence[Sample],
    image: Images,
    dataset: DatasetSpec,
    feed: Feed,
) -> tuple[FedImage, list[str]]:
    delivered = converter.delivered
    raw = [delivered_values(converter, sample) for sample in samples]
    after = fed_values(image).numpy()
    bands = []
    for number, (known, position) in enumerate(zip(image.bands, converter.positions, strict=True)):
        before = None
        if position is not None:
            before = summarize(np.concatenate([values[:, position].reshape(-1).numpy() for values in raw]))
        bands.append(
            FedBand(
                name=known.name,
                wavelength_um=known.wavelength_um,
                source="" if position is None else delivered.bands[position],
                before=before,
                after=summarize(after[:, number]),
            )
        )
    about, suspicions = _dates(delivered, samples, given="dates" in feed.given)
    about = {
        "shape": f"{_shapes([tuple(s[sample_key(delivered.name)].shape) for s in samples])} -> "
        f"{tuple(image.values.shape[1:])}",
        "missing pixels": _missing(converter, samples, dataset, given="mask" in feed.given),
        **about,
        "ground": _ground(converter, raw[0].shape[-2]),
    }
    suspicions += suspicious_delivered(
        delivered.name,
        [
            (one.source, delivered.units()[position], one.before)
            for one, position in zip(bands, converter.positions, strict=True)
            if position is not None and one.before is not None
        ],
    )
    suspicions += suspicious_fed(
        name,
        converter.wanted.normalization,
        " -> ".join(", ".join(dict.fromkeys(map(str, units))) for units in (delivered.units(), image.units)),
        [(one.name, one.after) for one in bands if one.source],
    )
    suspicions += suspicious_wavelengths(
        name,
        [
            (known.name, known.wavelength_um, known.quantity, unit)
            for known, unit in zip(image.bands, image.units, strict=True)
        ],
        given="wavelengths" in feed.given,
    )
    fed = FedImage(
        name=name,
        conversion=converter.describe(),
        about={what: text for what, text in about.items() if text},
        bands=tuple(bands),
    )
    return fed, suspicions


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    different = list(dict.fromkeys(shapes))
    return str(different[0]) + (f" and {len(different) - 1} others" if len(different) > 1 else "")


def _missing(converter: ImageConverter, samples: Sequence[Sample], dataset: DatasetSpec, *, given: bool) -> str:
    name = converter.delivered.name
    # What nobody is given is not part of a feed.
    declared = next(i for i in dataset.delivers if isinstance(i, ImageInput) and i.name == name)
    if not declared.masked or not all(mask_key(name) in sample for sample in samples):
        return "not declared"
    missing = [float((~stacked_masks([sample], converter)).float().mean()) for sample in samples]
    knows = "the encoder is given the mask" if given else "the encoder does not know which"
    return f"{np.mean(missing):.1%} of all, {max(missing):.0%} of one image at most; {knows}"


def _dates(delivered: ImageInput, samples: Sequence[Sample], *, given: bool) -> tuple[dict[str, str], list[str]]:
    key = dates_key(delivered.name)
    if not delivered.dated or not all(key in sample for sample in samples):
        return {"dates": "the encoder takes them, and the dataset has none" if given else ""}, []
    days = np.concatenate([np.asarray(sample[key], dtype=np.float64).reshape(-1) for sample in samples])
    known = days[np.isfinite(days)]
    knows = "the encoder is given them" if given else "the encoder is not given them"
    if not len(known):
        return {"dates": f"none of {len(days)} is known; {knows}"}, []
    unknown = f"; {len(days) - len(known)} of {len(days)} unknown" if len(known) < len(days) else ""
    said = f"{date_text(float(known.min()))} to {date_text(float(known.max()))}{unknown}; {knows}"
    return {"dates": said}, suspicious_dates(delivered.name, known.tolist())


def _ground(converter: ImageConverter, height: int) -> str:
    delivered, wanted = converter.delivered.gsd_m, converter.wanted.gsd_m
    made_for = "" if wanted is None else f"; made for {in_metres(wanted)}"
    if delivered is None:
        return made_for and f"not declared{made_for}"
    return f"{in_metres(delivered)} -> {in_metres(converter.gsd_m(height))} per pixel{made_for}"


def _places(feed: Feed, samples: Sequence[Sample], dataset: DatasetSpec) -> dict[str, str]:
    import torch

    declared = next((i for i in dataset.delivers if isinstance(i, LocationInput)), None)
    if declared is None or not all("lonlat" in sample for sample in samples):
        return {}
    lonlat = make_converter(declared, QUERY)(torch.stack([sample["lonlat"] for sample in samples]))
    (west, south), (east, north) = lonlat.min(dim=0).values.tolist(), lonlat.max(dim=0).values.tolist()
    knows = "not given to the encoder"
    if feed.coordinates is not None:
        knows = f"encoded, as {feed.coordinates.wanted.order} ({declared.order} in the data)"
    elif feed.place is not None:
        knows = "given to the encoder beside the images"
    return {
        "longitude": f"{west:.4f} to {east:.4f}",
        "latitude": f"{south:.4f} to {north:.4f}",
        "places are": knows,
    }


def _different(batch: Batch) -> int:
    """Return how many samples of a batch differ."""
    tensors: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    batch.map(note)
    names = batch.ids or ("",) * len(batch)
    return len({(name, *(tensor[row].numpy().tobytes() for tensor in tensors)) for row, name in enumerate(names)})
