"""Masked autoencoders: rebuild what was masked (arXiv 2111.06377), for overhead images and photos apart."""

from __future__ import annotations

from gairbench import ModelSpec, Pretraining
from gairbench_models.gair.presets import DATASET, VERSION
from gairbench_models.image_pair.config import pair_preset_specs

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="mae",
        version=VERSION,
        factory="gairbench_models.mae.model:load",
        presets=pair_preset_specs(
            Pretraining(
                recipe="gairbench_models.mae.pretraining:pretrain_mae",
                version=3,
                dataset=DATASET,
                inputs="gairbench_models.mae.recipe:encoder_inputs",
            )
        ),
        configuration="gairbench_models.mae.recipe:mae_configuration",
        read_checkpoint="gairbench_models.image_pair.checkpoint:read_checkpoint",
        seeded=True,
        description="Masked autoencoder, RS and SV apart; GAIR's image encoders",
        licence="MIT",
        citation="arXiv:2111.06377",
        trained_on=frozenset({DATASET}),
    ),
)
