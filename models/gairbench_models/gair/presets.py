"""GAIR's presets: ``tiny`` and ``small`` for the embedded RGB data, ``base`` as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gairbench import ImageInput, LocationInput, Modality, Normalization, Preset, Unit
from gairbench.inputs import Input
from gairbench.pretraining.budget import Budget
from gairbench.published import PublishedWeights
from gairbench.spec import Pretraining
from gairbench_models.corpora import IMAGENET_1K, IMAGENET_21K, SSL4EO_S12
from gairbench_models.gair.config import (
    ContrastiveConfig,
    DistillationConfig,
    GairConfig,
    GairPreset,
    TeacherConfig,
    VisionConfig,
)
from gairbench_models.gair.variants import VARIANTS
from gairbench_models.location.config import LocationConfig

MODEL = "gair"
OFFICIAL = "gair-official"
VERSION = "1"
"""Of the model's code; raised when embeddings change."""

DATASET = "earth-triplets"
"""What gairbench pre-trains GAIR on."""

# Round display values for land from above; the pre-training chips themselves have mean 71, 74, 51 and deviation
# 50, 38, 43.
_RS_MEAN = (90.0, 90.0, 70.0)
_RS_STD = (55.0, 45.0, 40.0)

# Street-view statistics of the released checkpoint, display values.
_SV_MEAN = (135.47184384, 142.28621995, 145.12271992)
_SV_STD = (59.19978436, 59.35279219, 72.02295734)

_S2_BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
# Of the released checkpoint, digital numbers.
_S2_MEAN = (
    1172.9397, 1378.0846, 1509.3327, 1750.0275, 2073.2758, 2207.3283, 2245.1629, 2284.6384, 2231.7283, 1899.1932
)  # fmt: skip
_S2_STD = (
    706.6250, 720.1862, 783.1424, 707.1962, 714.2782, 748.1827, 852.3585, 762.0849, 690.0165, 669.9036
)  # fmt: skip


def _rgb_inputs(config: GairConfig) -> tuple[Input, ...]:
    return (
        ImageInput(
            modality=Modality.RS,
            size=config.rs.image_size,
            normalization=Normalization.ZSCORE,
            mean=_RS_MEAN,
            std=_RS_STD,
        ),
        ImageInput(
            modality=Modality.SV,
            size=config.sv.image_size,
            normalization=Normalization.ZSCORE,
            mean=_SV_MEAN,
            std=_SV_STD,
        ),
        LocationInput(),
    )


_TINY = GairConfig(
    dim=128,
    rs=VisionConfig(bands=3, image_size=48, patch_size=8, width=128, depth=4, heads=4),
    sv=VisionConfig(bands=3, image_size=64, patch_size=8, width=128, depth=4, heads=4),
    location=LocationConfig(frequencies=64, hidden=256),
)

_SMALL = GairConfig(
    dim=192,
    rs=VisionConfig(bands=3, image_size=48, patch_size=8, width=192, depth=4, heads=6),
    sv=VisionConfig(bands=3, image_size=64, patch_size=8, width=192, depth=4, heads=6),
    location=LocationConfig(frequencies=128, hidden=512),
)

_BASE = GairConfig(
    dim=768,
    rs=VisionConfig(bands=10, image_size=96, patch_size=8, width=768, depth=12, heads=16),
    sv=VisionConfig(bands=3, image_size=224, patch_size=16, width=768, depth=12, heads=12),
    location=LocationConfig(frequencies=256, hidden=1024),
)

# Of the kind of the authors' photo teacher, supervised on ImageNet, in a size for a CPU and with weights in a package.
_SMALL_TEACHER = TeacherConfig(model="timm:tf_efficientnet_lite0")
_SMALL_TEACHERS = DistillationConfig(rs=_SMALL_TEACHER, sv=_SMALL_TEACHER)

# Chosen for `tiny` on validation blocks of earth alone (examples/tune_recipes.py); `small` takes them over.
_TINY_BUDGET = Budget(epochs=2, batch_size=256, learning_rate=4.12e-4, weight_decay=0.00588)
_SMALL_BUDGET = replace(_TINY_BUDGET, epochs=5)
_TUNED_OBJECTIVE = ContrastiveConfig(temperature=0.0908, queue_size=1024, coordinate_jitter=2.57, sv_patch_drop=0.75)

# Of 300 epochs ten are warm-up.
_AUTHORS_WARMUP = 10 / 300
_AUTHORS_BETA2 = 0.95

PRESETS: Mapping[str, GairPreset] = {
    "tiny": GairPreset(
        description="4 blocks, 128 wide, RGB 48 px; minutes on a CPU",
        config=_TINY,
        inputs=_rgb_inputs(_TINY),
        budget=_TINY_BUDGET,
        objective=_TUNED_OBJECTIVE,
        distillation=_SMALL_TEACHERS,
        authors_budget=replace(_TINY_BUDGET, warmup=_AUTHORS_WARMUP, beta2=_AUTHORS_BETA2),
    ),
    "small": GairPreset(
        description="4 blocks, 192 wide, RGB 48 px; up to 40 minutes on a CPU",
        config=_SMALL,
        inputs=_rgb_inputs(_SMALL),
        budget=_SMALL_BUDGET,
        objective=_TUNED_OBJECTIVE,
        distillation=_SMALL_TEACHERS,
        authors_budget=replace(_SMALL_BUDGET, warmup=_AUTHORS_WARMUP, beta2=_AUTHORS_BETA2),
    ),
    "base": GairPreset(
        description="as published: ViT-B, ten Sentinel-2 bands; needs --checkpoint or your own triplets",
        config=_BASE,
        inputs=(
            ImageInput(
                modality=Modality.RS,
                bands=_S2_BANDS,
                unit=Unit.S2_DN,
                size=96,
                normalization=Normalization.TWO_SIGMA_8BIT,
                mean=_S2_MEAN,
                std=_S2_STD,
                antialias=False,
            ),
            ImageInput(
                modality=Modality.SV,
                size=224,
                normalization=Normalization.ZSCORE,
                mean=_SV_MEAN,
                std=_SV_STD,
                antialias=False,
            ),
            LocationInput(),
        ),
        # The paper gives loss, temperature and queue; passes, batch and optimizer are ours.
        budget=Budget(epochs=10, batch_size=512, learning_rate=3e-4),
        objective=ContrastiveConfig(),
        distillation=DistillationConfig(
            rs=TeacherConfig(model="croma"),
            sv=TeacherConfig(model="timm:vit_base_patch16_224.augreg_in21k"),
        ),
        # The learning rate is theirs for 96 accumulated batches.
        authors_budget=Budget(
            epochs=300, batch_size=256, learning_rate=1.44e-4, warmup=_AUTHORS_WARMUP, beta2=_AUTHORS_BETA2
        ),
    ),
}
"""By name, the default first."""

TEACHERS_TRAINED_ON = frozenset({IMAGENET_1K, IMAGENET_21K, SSL4EO_S12})
"""What the presets' teachers have seen, of all presets together."""


def config_of(variant: str, preset: str) -> GairConfig:
    """Return the configuration of a variant's preset."""
    chosen = VARIANTS[variant]
    return replace(PRESETS[preset].config, localization=chosen.localization, modalities=chosen.modalities)


def preset_specs(variant: str, weights: PublishedWeights | Pretraining | None) -> tuple[Preset, ...]:
    """Return a variant's presets as a model spec declares them.

    Args:
        variant: Its registered name.
        weights: What they are evaluated with.
    """
    modalities = VARIANTS[variant].modalities
    return tuple(
        Preset(
            name=name,
            inputs=tuple(i for i in preset.inputs if i.modality in modalities),
            description=preset.description,
            weights=weights,
        )
        for name, preset in PRESETS.items()
    )


RELEASED_PRESET = "base"
"""The preset that the released checkpoint is of."""
