"""The sizes of the supervised baselines; light enough for a plan to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedConfig:
    """An architecture.

    Args:
        kind: ``"unet"``: a U-Net on a ResNet (segmentation_models_pytorch). ``"vit"``: a plain vision transformer
            (timm). ``"cnn"``: a ResNet (timm).
        backbone: timm's name of the transformer, or the name of the ResNet, of which only the layout is taken.
        size: Height and width in pixels of what it takes; ``None``: any.
        patch: Of a transformer: height and width in pixels of its patches.
        description: One line for the listings.
    """

    kind: Literal["unet", "vit", "cnn"]
    backbone: str
    size: int | None
    patch: int = 0
    description: str


PRESETS: Mapping[str, Mapping[str, SupervisedConfig]] = {
    "unet": {
        "small": SupervisedConfig(
            kind="unet", backbone="resnet18", size=None, description="encoder ResNet-18, images of any size, 14 M"
        ),
        "base": SupervisedConfig(
            kind="unet", backbone="resnet50", size=None, description="encoder ResNet-50, images of any size, 33 M"
        ),
    },
    "vit": {
        "small": SupervisedConfig(
            kind="vit",
            backbone="vit_tiny_patch16_224",
            size=128,
            patch=8,
            description="12 blocks, 192 wide, patches of 8 px, 128 px, 5.8 M",
        ),
        "base": SupervisedConfig(
            kind="vit",
            backbone="vit_base_patch16_224",
            size=224,
            patch=16,
            description="12 blocks, 768 wide, patches of 16 px, 224 px, 92 M",
        ),
    },
    "cnn": {
        "small": SupervisedConfig(kind="cnn", backbone="resnet18", size=128, description="ResNet-18, 128 px, 11 M"),
        "base": SupervisedConfig(kind="cnn", backbone="resnet50", size=224, description="ResNet-50, 224 px, 24 M"),
    },
}
"""By model and preset, the default first."""


def supervised_configuration(model: str, preset: str) -> SupervisedConfig:
    """Return the architecture of a preset; named by ``ModelSpec.configuration``."""
    return PRESETS[model][preset]
