"""Masked autoencoders: rebuild what was masked (arXiv 2111.06377), for overhead images and photos apart."""

from __future__ import annotations

from gairbench import ModelSpec
from gairbench_models.image_pair.specs import rival_specs

MODELS: tuple[ModelSpec, ...] = rival_specs(
    "mae",
    recipe_version=3,
    description="Masked autoencoder, RS and SV apart; GAIR's image encoders",
    citation="arXiv:2111.06377",
)
