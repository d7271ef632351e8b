"""MoCo v3: two views of an image agree (arXiv 2104.02057), for overhead images and photos apart."""

from __future__ import annotations

from gairbench import ModelSpec, Pretraining
from gairbench_models.gair.presets import DATASET, VERSION
from gairbench_models.image_pair.config import pair_preset_specs

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="mocov3",
        version=VERSION,
        factory="gairbench_models.mocov3.model:load",
        presets=pair_preset_specs(
            Pretraining(
                recipe="gairbench_models.mocov3.pretraining:pretrain_mocov3",
                version=3,
                dataset=DATASET,
                inputs="gairbench_models.mocov3.recipe:encoder_inputs",
            )
        ),
        configuration="gairbench_models.mocov3.recipe:mocov3_configuration",
        read_checkpoint="gairbench_models.image_pair.checkpoint:read_checkpoint",
        seeded=True,
        description="Momentum contrast of two views, RS and SV apart; GAIR's image encoders",
        licence="MIT",
        citation="arXiv:2104.02057",
        trained_on=frozenset({DATASET}),
    ),
)
