"""SatCLIP's location encoders (Klemmer et al., arXiv 2311.17179), as released."""

from __future__ import annotations

from gairbench import HubWeights, LocationInput, ModelSpec, Preset
from gairbench_models.corpora import S2_100K

_RELEASED = ("ViT16-L40", "ViT16-L10", "ResNet50-L40", "ResNet50-L10", "ResNet18-L40", "ResNet18-L10")
"""The image encoder that each was trained with, and degrees of its harmonics; the one that TorchGeo has is first."""


def _preset(released: str) -> Preset:
    image, _, degrees = released.partition("-L")
    return Preset(
        name=released.lower(),
        inputs=(LocationInput(),),
        description=f"harmonics of {degrees} degrees, trained with images through a {image}",
        weights=HubWeights(
            repo=f"microsoft/SatCLIP-{released}", filename=f"satclip-{released.lower()}.ckpt", licence="MIT"
        ),
    )


MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="satclip-location",
        version="1",
        factory="gairbench_models.satclip.encoder:load",
        presets=tuple(map(_preset, _RELEASED)),
        description="SatCLIP's location encoder: spherical harmonics and a network of sines, trained with Sentinel-2",
        licence="MIT",
        citation="arXiv:2311.17179",
        trained_on=frozenset({S2_100K}),
    ),
)
