"""GeoCLIP's location encoder (Vivanco Cepeda et al., arXiv 2309.16020), with the weights of its package on PyPI."""

from __future__ import annotations

from gairbench import LocationInput, ModelSpec, PackageWeights, Preset
from gairbench_models.corpora import MP_16

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="geoclip-location",
        version="1",
        factory="gairbench_models.geoclip.encoder:load",
        presets=(
            Preset(
                name="default",
                inputs=(LocationInput(),),
                weights=PackageWeights(
                    distribution="geoclip",
                    path="geoclip/model/weights/location_encoder_weights.pth",
                    sha256="94b80ae3af89fca78539e129dd2929d321247f5ceeeb0a31bc2c31041a253394",
                    licence="MIT",
                ),
            ),
        ),
        golden="gairbench_models.geoclip.golden:geoclip_answers",
        description="GeoCLIP's location encoder: random Fourier features at three scales, trained with photos",
        licence="MIT",
        citation="arXiv:2309.16020",
        trained_on=frozenset({MP_16}),
    ),
)
