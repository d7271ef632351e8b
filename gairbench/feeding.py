"""Which of a dataset's inputs an encoder is fed with, planned from declarations, and batches made of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gairbench.batch import Batch, Images, concatenate
from gairbench.composition import preset_for
from gairbench.conversion import (
    ImageConverter,
    LocationConverter,
    check_delivered,
    make_converter,
    shares_bands,
    takes_pictures,
)
from gairbench.data import Sample, dates_key, mask_key, sample_key
from gairbench.errors import DataError, InputMismatchError
from gairbench.inputs import ANY, EVERY, ImageInput, Input, LocationInput, Modality, Need, SampleInput
from gairbench.readout import Readout, described_readouts
from gairbench.representation import Form, Representation
from gairbench.sensors import band
from gairbench.spec import DatasetSpec, Preset
from gairbench.valid_pixels import converted_mask, stacked_masks

if TYPE_CHECKING:
    from torch import Tensor

_OWN = Readout()

QUERY = LocationInput()
"""How encoders are given a sample's place: longitude first, whatever order their location input has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How samples of a dataset become what one representation is computed from.

    Args:
        representation: What is computed.
        images: The conversion of each image, by the encoder's name of it.
        absent: Images that the dataset lacks and that are zero.
        coordinates: The conversion for a location encoder.
        place: The conversion of the place that the encoder is given.
        given: What it is given beside the values.
    """

    representation: Representation
    images: Mapping[str, ImageConverter] = field(default_factory=dict)
    absent: Mapping[str, ImageInput] = field(default_factory=dict)
    coordinates: LocationConverter | None = None
    place: LocationConverter | None = None
    given: frozenset[Need] = frozenset()

    @property
    def looks_up(self) -> bool:
        """Whether it is of a model that has embeddings already: nothing is converted."""
        return not self.images and self.coordinates is None

    @property
    def reads_samples(self) -> bool:
        """Whether samples have to be read: not where their identifiers say all."""
        return not self.looks_up or bool(self.given & {"lonlat", "bbox"})

    def describe(self) -> dict[str, Any]:
        """Say what is done to each input, for the record."""
        said: dict[str, Any] = {name: converter.describe() for name, converter in self.images.items()}
        said |= {name: {"filled": list(wanted.bands)} for name, wanted in self.absent.items()}
        for name, converter in (("location", self.coordinates), ("lonlat", self.place)):
            if converter is not None:
                said[name] = converter.describe()
        if self.looks_up:
            said["looked up by"] = sorted(self.given)
        return said

    @property
    def masked(self) -> bool:
        """Whether it gives masks that the data hold."""
        return "mask" in self.given and any(converter.delivered.masked for converter in self.images.values())

    def gsd_problem(self) -> str:
        """Return which image has another ground sample distance than the encoder was trained with; empty if none."""
        problems = {name: converter.gsd_problem() for name, converter in self.images.items()}
        return "; ".join(f"{name}: {problem}" for name, problem in problems.items() if problem)

    @property
    def keys(self) -> frozenset[str]:
        """What it takes of samples, by their keys."""
        names = [converter.delivered.name for converter in self.images.values()]
        masks = map(mask_key, names) if "mask" in self.given else ()
        return frozenset([*map(sample_key, names), *map(dates_key, names), *masks, "lonlat", "bbox"])

    def batch(self, samples: Sequence[Sample], ids: Sequence[str] = ()) -> Batch:
        """Convert samples.

        Args:
            samples: As the dataset delivers them, one at least.
            ids: Their identifiers, where samples are looked up by them.

        Returns:
            What the encoder takes, on the CPU.

        Raises:
            DataError: A sample lacks a declared input, or images differ in size and the encoder takes any.
            InputMismatchError: Values are not as declared.
        """
        keys = [sample_key(converter.delivered.name) for converter in self.images.values()]
        shapes = {tuple(_value(sample, key).shape for key in keys) for sample in samples}
        # Converted at once where they are alike, which is far faster; one by one where images differ in size.
        groups = [samples] if len(shapes) == 1 else [[sample] for sample in samples]
        try:
            batch = concatenate([self._batch(group) for group in groups])
            return replace(batch, ids=tuple(ids)) if "id" in self.given else batch
        except ValueError as error:
            raise DataError(
                f"{error}, and the model takes them as they are", "give the dataset a 'size', or resize its images"
            ) from error

    def _batch(self, samples: Sequence[Sample]) -> Batch:
        import torch

        images = {name: self._images(converter, samples) for name, converter in self.images.items()}
        count = len(samples)
        for name, wanted in self.absent.items():
            size = wanted.size
            values = torch.zeros(count, len(wanted.bands), size, size)  # type: ignore[arg-type]
            images[name] = Images(
                values=values,
                bands=tuple(map(band, wanted.bands)),
                units=wanted.units(),
                valid=torch.zeros(count, dtype=torch.bool),
                mask=torch.zeros_like(values, dtype=torch.bool) if "mask" in self.given else None,
            )
        lonlat = bbox = None
        if "lonlat" in self.given:
            lonlat = torch.full((count, 2), float("nan"), dtype=torch.float64)
            if self.place is not None:
                lonlat = self.place(_stacked(samples, "lonlat"))
        if "bbox" in self.given:
            bbox = self._boxes(samples)
        coordinates = None if self.coordinates is None else self.coordinates(_stacked(samples, "lonlat"))
        return Batch(images=images, coordinates=coordinates, lonlat=lonlat, bbox=bbox)

    def _boxes(self, samples: Sequence[Sample]) -> Tensor:
        import torch

        if self.representation.form != "query" or self.looks_up:
            unknown = torch.full((4,), float("nan"), dtype=torch.float64)
            return torch.stack([sample.get("bbox", unknown).to(torch.float64) for sample in samples])
        return _stacked(samples, "bbox").to(torch.float64)

    def _images(self, converter: ImageConverter, samples: Sequence[Sample]) -> Images:
        import torch

        delivered = converter.delivered
        raw = _stacked(samples, sample_key(delivered.name))
        mask = stacked_masks(samples, converter) if "mask" in self.given and delivered.masked else None
        # Values without a grid are images of one pixel.
        if raw.ndim == (3 if delivered.frames is not None else 2):
            raw = raw[..., None, None]
            mask = None if mask is None else mask[..., None, None]
        dates = self._dates(delivered, samples, raw)
        if delivered.frames is not None:
            kept = _kept_frames(converter, raw.shape[1])
            raw = raw[:, kept]
            dates = None if dates is None else dates[:, kept]
            mask = None if mask is None else mask[:, kept]
        values = converter(raw)
        series = values.ndim == 5
        valid = torch.ones(values.shape[: 2 if series else 1], dtype=torch.bool)
        if dates is not None:
            dates = dates.reshape(valid.shape)
        gsd = torch.full((len(values),), converter.gsd_m(raw.shape[-2])) if "gsd" in self.given else None
        return Images(
            values=values,
            bands=converter.bands,
            units=converter.wanted_units,
            valid=valid,
            dates=dates,
            gsd_m=gsd,
            mask=None if mask is None else converted_mask(converter, mask),
        )

    def _dates(self, delivered: ImageInput, samples: Sequence[Sample], raw: Tensor) -> Tensor | None:
        import torch

        if "dates" not in self.given:
            return None
        frames = raw.shape[1] if delivered.frames is not None else 1
        if not delivered.dated:
            return torch.full((len(samples), frames), float("nan"), dtype=torch.float64)
        dates = _stacked(samples, dates_key(delivered.name)).to(torch.float64).reshape(len(samples), -1)
        if dates.shape[1] != frames:
            raise DataError(
                f"a sample has {dates.shape[1]} dates for {frames} images of {delivered.name!r}",
                f"deliver as many {dates_key(delivered.name)!r} as images",
            )
        return dates


def _value(sample: Sample, key: str) -> Tensor:
    try:
        return sample[key]
    except KeyError:
        raise DataError(
            f"a sample has no {key!r}", "deliver every declared input, named as in gairbench.data"
        ) from None


def _stacked(samples: Sequence[Sample], key: str) -> Tensor:
    import torch

    return torch.stack([_value(sample, key) for sample in samples])


def _kept_frames(converter: ImageConverter, count: int) -> Tensor | slice:
    """Check the number of frames, and return which are kept: of too many some, evenly spaced."""
    import torch

    stated, taken = converter.delivered.frame_range, converter.wanted.frame_range or (1, 1)
    if stated is not None and not stated[0] <= count <= stated[1]:
        raise DataError(
            f"a sample has {count} images of {converter.delivered.name!r}, declared {stated[0]} to {stated[1]}",
            "correct the frames that the dataset declares",
        )
    if count <= taken[1]:
        return slice(None)
    return torch.linspace(0, count - 1, taken[1], dtype=torch.float64).round().long()


def plan_feed(
    model: str,
    preset: Preset,
    dataset: DatasetSpec,
    entry: str,
    *,
    form: Form = "pooled",
    layers: int = 0,
    projected: bool = False,
    readout: Readout = _OWN,
) -> Feed:
    """Decide what a model is fed with for one of a task's inputs, without reading data.

    Args:
        model: Its name, for messages.
        preset: What it takes and offers.
        dataset: Where the samples come from.
        entry: One of the inputs of a task: a modality, or the name of one of the dataset's images.
        form: What is wanted of the model.
        layers: Of how many layers; 0: where the model ends.
        projected: It is to be in the space that the model's modalities share, where the model offers that.
        readout: Which pooling and layers, where the model offers several.

    Returns:
        The feed for the first set of inputs that the preset accepts, that the dataset can serve, and for which the
        model offers what is wanted. A baseline that takes everything (:data:`~gairbench.inputs.EVERY`) is fed with
        everything where RGB pictures would leave out bands or images; what shares a space with photos stays a picture.

    Raises:
        InputMismatchError: There is none; the message says why.
    """
    available = dataset.inputs_of(entry)
    if entry in {*Modality} and entry not in preset.modalities:
        raise InputMismatchError(f"{model} has no {entry} encoder", "")
    if not available:
        raise InputMismatchError(f"dataset {dataset.name!r} delivers no {entry} input", "")
    for image in available:
        # Otherwise a model that accepts less would be fed with the others, without a word.
        if isinstance(image, ImageInput):
            check_delivered(image)
    modality = available[0].modality
    sets = preset.accepted(modality)
    if not sets:
        raise InputMismatchError(f"{model} has no {modality} encoder", "")
    fitting = _fitting(preset, modality, form, layers)
    if readout.default:
        offered = _own(fitting, layers)
    else:
        offered = [o for o in fitting if readout.reads(o) and (o.projected or not projected)]
    serving = [one for one in sets if any(o.of == one for o in offered)]
    if not serving:
        what = f"{_FORMS[form]}{f' of {layers} layers' if layers else ''}"
        known = readouts_offered(preset, entry, dataset, form=form, layers=layers, projected=projected)
        if readout.default or not known:
            raise InputMismatchError(f"{model} has no {what}", "")
        what = "vector" if form == "pooled" else what
        raise InputMismatchError(
            f"{model} has no {what} of {entry} read out as {readout}; it offers {described_readouts(known)}", ""
        )
    feeds: list[Feed] = []
    problems: list[InputMismatchError] = []
    for one in serving:
        choices = [o for o in offered if o.of == one]
        chosen = next((o for o in choices if o.projected == projected), choices[0])
        try:
            feeds.append(feed_for(preset, chosen, available, dataset.delivers))
        except InputMismatchError as error:
            problems.append(error)
    if feeds:
        everything = [feed for feed in feeds if EVERY in feed.representation.of]
        return everything[0] if everything and not projected and _is_part(feeds[0], available) else feeds[0]
    first = problems[0]
    others = "".join(f"; nor {_named(one)}: {e.what}" for one, e in zip(serving[1:], problems[1:], strict=True))
    raise InputMismatchError(first.what + others, first.hint)


def readouts_offered(
    preset: Preset, entry: str, dataset: DatasetSpec, *, form: Form, layers: int = 0, projected: bool = False
) -> list[Readout]:
    """Return how a model can be read out for one of a task's inputs, the default first, each way once.

    Args:
        preset: What it takes and offers.
        entry: One of the inputs of a task.
        dataset: Where the samples come from.
        form: What is wanted of the model.
        layers: Of how many layers; 0: where the model ends, or of any single one.
        projected: Only what the model states to be in the space that its modalities share, beside the default.
    """
    available = dataset.inputs_of(entry)
    fitting = _fitting(preset, available[0].modality, form, layers) if available else []
    own = _own(fitting, layers)
    first = next((o for o in own if o.projected == projected), own[0] if own else None)
    named = (Readout.from_offer(o) for o in fitting if o != first and (o.projected or not projected))
    rest = [one for one in named if first is None or one != Readout.from_offer(first)]
    return list(dict.fromkeys(rest if first is None else [_OWN, *rest]))


def _fitting(preset: Preset, modality: Modality, form: Form, layers: int) -> list[Representation]:
    """Return what is offered of a modality in a form: grids of as many layers as wanted, vectors of any."""
    sets = preset.accepted(modality)
    return [
        offer
        for offer in preset.offered()
        if offer.form == form
        and offer.of in sets
        and (form != "tokens" or len(offer.layers) == layers or (layers == 0 and len(offer.layers) == 1))
    ]


def _own(fitting: Sequence[Representation], layers: int) -> list[Representation]:
    """Return what serves where no readout is asked for."""
    return [offer for offer in fitting if len(offer.layers) == layers]


def _is_part(feed: Feed, available: Sequence[Input]) -> bool:
    """Whether a feed consists of RGB pictures that leave out bands or images of the data."""
    if not feed.images or not all(takes_pictures(converter.wanted) for converter in feed.images.values()):
        return False
    shown = {
        (converter.delivered.name, converter.delivered.bands[position])
        for converter in feed.images.values()
        for position in converter.positions
        if position is not None
    }
    return any(
        (image.name, name) not in shown for image in available if isinstance(image, ImageInput) for name in image.bands
    )


_FORMS: Mapping[Form, str] = {"pooled": "vector of an image", "tokens": "token grid", "query": "lookup at a point"}


def _named(accepted: Sequence[str]) -> str:
    return "all images" if EVERY in accepted else "+".join(accepted)


def feed_for(
    preset: Preset, representation: Representation, available: Sequence[Input], delivers: Sequence[Input]
) -> Feed:
    """Plan the conversions for one representation.

    Args:
        preset: What the encoder takes.
        representation: What is computed.
        available: The dataset's inputs that it may be computed from.
        delivers: All of them, places included.

    Raises:
        InputMismatchError: An input is missing, two could be meant, or one cannot be converted; or the dataset does not
            have what the encoder must be given.
    """
    preset = preset_for(preset, representation)
    looks_up = preset.looks_up(representation)
    given = preset.needs | preset.wants
    if not looks_up:
        given -= {"id"}
        given |= {"lonlat", "bbox"} if representation.form == "query" else frozenset()
    if "mask" not in given:
        # What nobody is given changes no embedding, and must not be in its key.
        available = [replace(i, masked=False) if isinstance(i, ImageInput) and i.masked else i for i in available]
    images: dict[str, ImageConverter] = {}
    absent: dict[str, ImageInput] = {}
    coordinates = None
    if looks_up:
        _check_alone(preset, representation)
    for name in representation.of:
        wanted = preset.input(name)
        if isinstance(wanted, SampleInput):
            continue
        if isinstance(wanted, LocationInput):
            coordinates = make_converter(_the_place(delivers, "a location encoder"), wanted)
        elif name == EVERY:
            images |= {
                image.name: make_converter(image, replace(wanted, name=image.name))
                for image in available
                if isinstance(image, ImageInput)
            }
        elif (found := _match(wanted, available)) is not None:
            images[name] = found
        elif wanted.missing == "zero":
            absent[name] = wanted
    if not images and coordinates is None and not looks_up:
        raise InputMismatchError(
            f"the dataset has none of the images {', '.join(representation.of)} that the encoder takes",
            "name the dataset's images and bands as the model does",
        )
    place = _check_given(preset, images, delivers, representation, given, looks_up=looks_up)
    return Feed(
        representation=representation,
        images=images,
        absent=absent,
        coordinates=coordinates,
        place=place,
        given=frozenset(given) if images or looks_up else frozenset(),
    )


def _check_alone(preset: Preset, representation: Representation) -> None:
    """Refuse a representation that is looked up and computed at once."""
    if not all(isinstance(preset.input(name), SampleInput) for name in representation.of):
        raise InputMismatchError(f"{representation} is looked up and computed at once", "offer the two apart")


def _match(wanted: ImageInput, available: Sequence[Input]) -> ImageConverter | None:
    """Return the conversion from the dataset's image that is meant; ``None`` where there is none and need not be."""
    images = [i for i in available if isinstance(i, ImageInput)]
    named = [i for i in images if i.name == wanted.name]
    if named:
        return make_converter(named[0], wanted)
    fitting, problems, concerning = [], [], []
    for image in images:
        try:
            fitting.append(make_converter(image, wanted))
        except InputMismatchError as error:
            problems.append(error)
            if shares_bands(image, wanted):
                concerning.append(error)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(converter.delivered.name for converter in fitting)
        raise InputMismatchError(
            f"the encoder takes one image ({wanted.name}), and the dataset's {names} would all do",
            "name one of them as the task's input",
        )
    if wanted.missing == "refuse":
        raise problems[0] if problems else InputMismatchError(f"the dataset delivers no image {wanted.name!r}", "")
    if concerning:
        # The dataset has these bands in another unit or number: a declaration is wrong, and no image is missing.
        raise concerning[0]
    if wanted.missing == "zero" and (wanted.size is None or wanted.frames is not None or wanted.bands == ANY):
        raise InputMismatchError(f"the image {wanted.name!r} is missing, and the model states no size of it", "")
    return None


def _the_place(delivers: Sequence[Input], whom: str) -> LocationInput:
    place = next((i for i in delivers if isinstance(i, LocationInput)), None)
    if place is None:
        raise InputMismatchError(f"{whom} needs coordinates, and the dataset delivers none", "")
    return place


def _check_given(
    preset: Preset,
    images: Mapping[str, ImageConverter],
    delivers: Sequence[Input],
    representation: Representation,
    given: frozenset[Need] | set[Need],
    *,
    looks_up: bool,
) -> LocationConverter | None:
    """Refuse datasets that do not have what an encoder must be given; return how it is given the place, if it is."""
    needs = preset.needs | ({"lonlat"} if representation.form == "query" and not looks_up else set())
    place = None
    known = any(isinstance(i, LocationInput) for i in delivers)
    if (images or looks_up) and "lonlat" in given and (known or "lonlat" in needs):
        place = make_converter(_the_place(delivers, "the encoder"), QUERY)
    for name, image in images.items():
        if "dates" in needs and name not in preset.static and not image.delivered.dated:
            raise InputMismatchError(f"the encoder needs the dates of {name}, and the dataset has none", "")
        if "gsd" in needs and image.delivered.gsd_m is None:
            raise InputMismatchError(
                f"the encoder needs the ground sample distance of {name}, and the dataset does not state it",
                "declare gsd_m",
            )
        if "mask" in needs and not image.delivered.masked:
            raise InputMismatchError(
                f"the encoder needs to know which pixels of {name} are missing, and the dataset does not say it",
                f"deliver {mask_key(image.delivered.name)!r}, and declare masked=True",
            )
        unknown = [band.name for band in image.bands if band.wavelength_um is None]
        if "wavelengths" in needs and unknown:
            raise InputMismatchError(
                f"the encoder needs the wavelengths of all bands, and that of {', '.join(unknown)} is not known",
                "name the bands as gairbench.sensors does, or register the sensor",
            )
    return place
