"""Location encoders: what GAIR can be trained with, and their untrained features as baselines."""

from __future__ import annotations

from gairbench import LocationInput, ModelSpec, Preset

_BASELINES = {
    "sin-cos": ("Sine and cosine of longitude and latitude", "arXiv:1906.05272"),
    "xyz": ("Unit vector from the centre of the Earth", "docs/location-encoders.md"),
    "space2vec-grid": ("Sines and cosines of longitude and latitude at many scales", "arXiv:2003.00824"),
    "spherical-harmonics": ("Real spherical harmonics up to degree 19", "arXiv:2310.06743"),
}

MODELS: tuple[ModelSpec, ...] = tuple(
    ModelSpec(
        name=name,
        version="1",
        factory=f"gairbench_models.location.baselines:load_{name.replace('-', '_')}",
        presets=(Preset(name="default", inputs=(LocationInput(),), description=description),),
        description=f"{description}, untrained",
        licence="MIT",
        citation=citation,
    )
    for name, (description, citation) in _BASELINES.items()
)
