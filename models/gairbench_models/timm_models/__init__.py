"""Every model of timm by its own name: ``timm:<name>`` untrained, ``timm:<name>.<tag>`` with published weights."""

from __future__ import annotations

from gairbench import ModelPattern, ModelSpec
from gairbench_models.timm_models.packaged import PACKAGED, make_packaged_spec

MODELS: tuple[ModelSpec, ...] = tuple(map(make_packaged_spec, PACKAGED))

PATTERNS = (
    ModelPattern(
        prefix="timm",
        factory="gairbench_models.timm_models.declaration:make_timm_spec",
        listed="gairbench_models.timm_models.declaration:list_timm",
        rest="NAME[.TAG]",
        description="A model of timm for RGB images, as timm:resnet18 (untrained) or timm:resnet18.a1_in1k (weights)",
    ),
)
