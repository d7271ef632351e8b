"""Baselines: untrained weights, pixel statistics, raw coordinates."""

from __future__ import annotations

from gairbench import ImageInput, LocationInput, Modality, ModelSpec, Preset, View
from gairbench_models.gair import MODELS as GAIR
from gairbench_models.gair.presets import MODEL, preset_specs

_GAIR = GAIR[0]

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="random",
        version=_GAIR.version,
        factory="gairbench_models.controls.random:load",
        presets=preset_specs(MODEL, None),
        configuration="gairbench_models.controls.configuration:random_configuration",
        views=_GAIR.views,
        # Its spaces are aligned in shape only: its retrieval scores are the chance level.
        aligned=_GAIR.aligned,
        seeded=True,
        description="GAIR's architecture with untrained, random weights",
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
                inputs=(ImageInput(modality=Modality.RS), ImageInput(modality=Modality.SV)),
                description="RGB images of any size",
            ),
        ),
        views=frozenset({View.RS_TOKENS}),
        aligned=frozenset({Modality.RS, Modality.SV}),
        description="Mean, deviation, quantiles and a colour histogram of the pixels",
        licence="MIT",
        citation="docs/gair.md",
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
