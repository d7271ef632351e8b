"""MoCo v3: two views of an image agree (arXiv 2104.02057), for overhead images and photos apart."""

from __future__ import annotations

from gairbench import ModelSpec
from gairbench_models.image_pair.specs import rival_specs

MODELS: tuple[ModelSpec, ...] = rival_specs(
    "mocov3",
    recipe_version=3,
    description="Momentum contrast of two views, RS and SV apart; GAIR's image encoders",
    citation="arXiv:2104.02057",
)
