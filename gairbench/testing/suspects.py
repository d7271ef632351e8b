"""What may be wrong where a model does not give a known answer: each mistake is undone, and the model asked again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from gairbench.batch import Batch
from gairbench.inputs import ANY, ImageInput, LocationInput, SampleInput, Unit
from gairbench.sensors import band
from gairbench.spec import Preset
from gairbench.testing.question import Question, changed_image, frames_of, mask_of, values_of
from gairbench.units import convertible

if TYPE_CHECKING:
    from torch import Tensor


def suspects(question: Question) -> Iterator[tuple[str, Question]]:
    """Yield mistakes that models and declarations have made before: what would have to be otherwise, and the question.

    Args:
        question: What was not answered rightly.
    """
    yield from _of_order(question)
    yield from _of_declaration(question)
    yield from _of_bands(question)
    yield from _of_axes(question)
    yield from _of_series(question)
    yield from _of_batch(question)
    yield from _of_readout(question)


def _of_order(question: Question) -> Iterator[tuple[str, Question]]:
    yield (
        "the data had their bands, and the coordinates, in the order of the answer: it goes by position, not by name",
        replace(question, in_order=True),
    )


def _of_declaration(question: Question) -> Iterator[tuple[str, Question]]:
    """Units, bands and coordinates that the preset declares."""
    preset = question.preset
    for wanted in preset.inputs:
        if isinstance(wanted, LocationInput):
            other = LocationInput(order="latlon" if wanted.order == "lonlat" else "lonlat")
            yield (
                f"longitude and latitude were exchanged: the model declares {wanted.order}, and not {other.order}",
                replace(question, preset=_with(preset, wanted, other)),
            )
            continue
        if isinstance(wanted, SampleInput):
            continue
        for unit in _other_units(wanted):
            changed = _with(preset, wanted, replace(wanted, unit=unit))
            yield (
                f"{wanted.name!r} were in unit {unit}: the model declares {wanted.unit}",
                replace(question, preset=changed),
            )
        if wanted.bands == ANY:
            continue
        for one, two in itertools.combinations(range(len(wanted.bands)), 2):
            names = f"{wanted.bands[one]} and {wanted.bands[two]}"
            changed = _with(preset, wanted, replace(wanted, bands=_exchanged(wanted.bands, one, two)))
            yield (
                f"bands {names} of {wanted.name!r} were declared the other way round",
                replace(question, preset=changed),
            )
        # Of two or three bands that is an exchange of two.
        if len(wanted.bands) > 3:
            yield (
                f"the bands of {wanted.name!r} were declared in reverse order",
                replace(question, preset=_with(preset, wanted, replace(wanted, bands=wanted.bands[::-1]))),
            )


def _other_units(wanted: ImageInput) -> Iterator[Unit]:
    if not isinstance(wanted.unit, Unit):
        return
    quantities = {band(name).quantity for name in wanted.bands} if wanted.bands != ANY else {None}
    for other in Unit:
        if other is not wanted.unit and all(convertible(wanted.unit, other, quantity) for quantity in quantities):
            yield other


def _of_bands(question: Question) -> Iterator[tuple[str, Question]]:
    """Bands of a model that takes any: there is nothing to exchange but the values."""
    if not any(isinstance(wanted, ImageInput) and wanted.bands == ANY for wanted in question.preset.inputs):
        return
    for name, image in question.answer.images.items():
        for one, two in itertools.combinations(image.bands, 2):
            bands = {**image.bands, one: image.bands[two], two: image.bands[one]}
            changed = changed_image(question.answer, name, bands=bands)
            yield f"bands {one} and {two} of {name!r} were exchanged", replace(question, answer=changed)


def _of_axes(question: Question) -> Iterator[tuple[str, Question]]:
    turns: dict[str, Callable[[Tensor], Tensor]] = {
        "rows and columns of {} were exchanged": lambda values: values.mT,
        "{} were upside down": lambda values: values.flip(-2),
        "{} were mirrored": lambda values: values.flip(-1),
    }
    images = question.answer.images
    grids = [name for name, image in images.items() if values_of(image, tuple(image.bands)).dim() > 2]
    # A mistake of the code is one of all images, or of one.
    for names in [grids] if len(grids) == 1 else [grids, *([name] for name in grids)]:
        for says, turn in turns.items():
            answer = question.answer
            for name in names:
                bands = {one: turn(values_of(images[name], (one,)).squeeze(-3)).numpy() for one in images[name].bands}
                mask = turn(mask_of(images[name]).squeeze(-3)).numpy()
                answer = changed_image(answer, name, bands=bands, mask=mask)
            yield says.format(" and ".join(map(repr, names))), replace(question, answer=answer)


def _of_series(question: Question) -> Iterator[tuple[str, Question]]:
    for name, image in question.answer.images.items():
        if frames_of(image) is None:
            continue
        series: dict[str, Any] = {one: values_of(image, (one,)).squeeze(1).flip(0).numpy() for one in image.bands}
        mask = mask_of(image).squeeze(1).flip(0).numpy()
        backwards = changed_image(question.answer, name, bands=series, mask=mask)
        yield f"the images of {name!r} were in reverse order", replace(question, answer=backwards)
        if image.dates is not None:
            both = changed_image(backwards, name, dates=tuple(image.dates)[::-1])
            yield f"images and dates of {name!r} were in reverse order", replace(question, answer=both)


def _of_batch(question: Question) -> Iterator[tuple[str, Question]]:
    """What only the model itself reads, and may read wrongly."""
    yield (
        "longitude and latitude of the place that the model is given were exchanged",
        replace(question, change=_with_exchanged_place),
    )
    yield (
        "the mask that the model is given were false where a pixel has a value, and it is true there",
        replace(question, change=_with_inverted_mask),
    )
    for says, factor in (("nanometres", 1e3), ("millimetres", 1e-3)):
        yield (
            f"wavelengths were in {says}, and they are in micrometres",
            replace(question, change=partial(_with_wavelengths, factor=factor)),
        )


def _of_readout(question: Question) -> Iterator[tuple[str, Question]]:
    """Another layer or pooling of the same inputs, of as many layers."""
    wanted = question.feed().representation
    for offer in question.preset.offered():
        alike = (offer.form, offer.of, len(offer.layers) > 1) == (wanted.form, wanted.of, len(wanted.layers) > 1)
        if alike and offer != wanted:
            yield (
                f"'{wanted}' were what the model returns as '{offer}'",
                replace(question, answer=replace(question.answer, representation=offer)),
            )


def _with_exchanged_place(batch: Batch) -> Batch:
    return batch if batch.lonlat is None else replace(batch, lonlat=batch.lonlat.flip(1))


def _with_inverted_mask(batch: Batch) -> Batch:
    images = {
        name: image if image.mask is None else replace(image, mask=~image.mask) for name, image in batch.images.items()
    }
    return replace(batch, images=images)


def _with_wavelengths(batch: Batch, *, factor: float) -> Batch:
    images = {}
    for name, image in batch.images.items():
        bands = tuple(
            one if one.wavelength_um is None else replace(one, wavelength_um=one.wavelength_um * factor)
            for one in image.bands
        )
        images[name] = replace(image, bands=bands)
    return replace(batch, images=images)


def _with(preset: Preset, wanted: ImageInput | LocationInput, other: ImageInput | LocationInput) -> Preset:
    return replace(preset, inputs=tuple(other if i == wanted else i for i in preset.inputs))


def _exchanged(bands: tuple[str, ...], one: int, two: int) -> tuple[str, ...]:
    order = list(bands)
    order[one], order[two] = order[two], order[one]
    return tuple(order)
