"""Galileo: images and series of several sensors, in patches of any size (Tseng et al., arXiv 2502.09356)."""

from __future__ import annotations

from gairbench import ModelSpec, Preset, Representation, UrlWeights
from gairbench_models.corpora import GALILEO
from gairbench_models.galileo.groups import galileo_inputs
from gairbench_models.galileo.presets import DEFAULT, PATCH4

_INPUTS = galileo_inputs()
_TOGETHER = tuple(image.name for image in _INPUTS)

_NANO = UrlWeights(
    url="https://raw.githubusercontent.com/nasaharvest/galileo/0f0b5b95ac81acef4b74cf4686dc877202f4541b/data/models/nano/encoder.pt",
    sha256="eab6acacf527886a508a555bc24efe4b4a2cf91b162e84cd1c4a1807e942180c",
    size=4_189_406,
    licence="MIT",
    filename="galileo-nano-encoder.pt",
)


def _preset(name: str, description: str) -> Preset:
    return Preset(
        name=name,
        inputs=_INPUTS,
        accepts=(_TOGETHER,),
        offers=(Representation("tokens", _TOGETHER),),
        wants=frozenset({"dates", "lonlat", "gsd"}),
        weights=_NANO,
        description=description,
    )


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="galileo-nano",
        version="1",
        factory="gairbench_models.galileo.encoder:load",
        presets=(
            _preset(
                DEFAULT, "patches of up to 8 pixels; 1 to 24 months, July where the date is unknown; 1 M parameters"
            ),
            _preset(PATCH4, "patches of up to 4 pixels, as the authors evaluate; otherwise the same"),
        ),
        configuration="gairbench_models.galileo.presets:galileo_configuration",
        golden="gairbench_models.galileo.golden:galileo_answers",
        description="Sentinel-1, Sentinel-2, weather, relief, land cover, night lights, people and the place, by month",
        licence="MIT",
        citation="arXiv:2502.09356",
        trained_on=frozenset({GALILEO}),
    ),
)
