"""Baselines: untrained weights, pixel statistics, raw coordinates."""

from __future__ import annotations

from dataclasses import replace

from gairbench import ANY, ImageInput, LocationInput, Modality, ModelSpec, Normalization, Preset
from gairbench.inputs import EVERY
from gairbench.representation import RS_TOKENS, Representation
from gairbench_models.gair import MODELS as GAIR

_GAIR = GAIR[0]

_LONGEST = 1_000
"""Frames of the longest series that a baseline takes."""


def _every(**more: object) -> ImageInput:
    """Return the input of a baseline that takes whatever overhead images there are."""
    plain = ImageInput(modality=Modality.RS, name=EVERY, bands=ANY, unit=None, frames=(1, _LONGEST))
    return replace(plain, **more)  # type: ignore[arg-type]


def _of_every(offers: tuple[Representation, ...]) -> tuple[Representation, ...]:
    """Return what is offered of RGB images, and the same of any others."""
    return (*offers, *(replace(offer, of=(EVERY,)) for offer in offers if offer.of == ("rs",)))


def _untrained(preset: Preset) -> Preset:
    size = next(i.size for i in preset.inputs if isinstance(i, ImageInput) and i.modality is Modality.RS)
    return replace(
        preset,
        inputs=(*preset.inputs, _every(size=size, normalization=Normalization.NOMINAL)),
        accepts=(("rs",), (EVERY,)),
        offers=_of_every(preset.offers),
        weights=None,
    )


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="random",
        version=_GAIR.version,
        factory="gairbench_models.controls.random:load",
        presets=tuple(map(_untrained, _GAIR.presets)),
        configuration="gairbench_models.controls.configuration:random_configuration",
        # Its spaces are aligned in shape only: its retrieval scores are the chance level.
        aligned=_GAIR.aligned,
        seeded=True,
        description="GAIR's architecture with untrained, random weights; takes any bands, units and series",
        licence="MIT",
        citation="arXiv:2503.16683",
    ),
    ModelSpec(
        name="pixel-stats",
        version="1",
        factory="gairbench_models.controls.pixel_stats:load",
        presets=(
            Preset(
                name="default",
                inputs=(ImageInput(modality=Modality.RS), ImageInput(modality=Modality.SV), _every()),
                accepts=(("rs",), (EVERY,)),
                offers=_of_every((RS_TOKENS,)),
                description="images of any size, bands and unit, and series of them",
            ),
        ),
        aligned=frozenset({Modality.RS, Modality.SV}),
        description="Mean, deviation and quantiles of each band; of RGB images a colour histogram too",
        licence="MIT",
        citation="docs/gair.md",
    ),
    ModelSpec(
        name="rcf",
        version="1",
        factory="gairbench_models.controls.rcf:load",
        presets=(
            Preset(
                name="default",
                inputs=(
                    ImageInput(modality=Modality.RS, normalization=Normalization.NOMINAL),
                    ImageInput(modality=Modality.SV, normalization=Normalization.NOMINAL),
                    _every(normalization=Normalization.NOMINAL),
                ),
                accepts=(("rs",), (EVERY,)),
                offers=_of_every((RS_TOKENS,)),
                description="images of any size, bands and unit, and series of them",
            ),
        ),
        aligned=frozenset({Modality.RS, Modality.SV}),
        seeded=True,
        description="Random convolutional features: mean responses of 256 random filters, above and below a threshold",
        licence="MIT",
        citation="doi:10.1038/s41467-021-24638-z",
    ),
    ModelSpec(
        name="lonlat",
        version="1",
        factory="gairbench_models.controls.lonlat:load",
        presets=(Preset(name="default", inputs=(LocationInput(),), description="longitude and latitude"),),
        description="Longitude and latitude in degrees, as they are",
        licence="MIT",
        citation="docs/gair.md",
    ),
)
