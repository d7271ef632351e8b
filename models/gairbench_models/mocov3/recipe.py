"""MoCo v3's recipe; light enough to read before torch is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Gt, Interval

from gairbench.inputs import Input
from gairbench_models.gair.presets import PRESETS
from gairbench_models.image_pair.recipe import TUNED, PairOptimizer, PairRecipe, make_pair_recipe, pair_inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MoCoConfig:
    """MoCo v3's own numbers.

    Args:
        temperature: 0.2 in the paper.
        momentum: Of the key encoder, rising to 1 along a cosine; 0.99 in the paper.
        hidden: Width of the heads' hidden layers, 4,096 in the paper, relative to the encoder's width.
        dim: Length of what is contrasted.
        sv_patch_drop: Share of photo patches left out in training, as GAIR's of the same preset.
        smallest_crop: Smallest share of an image's area that a view shows; 0.08 in the paper.
    """

    temperature: Annotated[float, Gt(0)] = 0.2
    momentum: Annotated[float, Interval(ge=0, le=1)] = 0.99
    hidden: Annotated[int, Ge(1)] = 5
    dim: Annotated[int, Ge(1)] = 256
    sv_patch_drop: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    smallest_crop: Annotated[float, Interval(gt=0, le=1)] = 0.08


OPTIMIZER = PairOptimizer(
    base_learning_rate=1.5e-4, weight_decay=0.1, beta2=0.999, warmup=40 / 300, brightness=0.4, contrast=0.4
)
"""MoCo v3's for ViTs (arXiv 2104.02057, section 5 and appendix A)."""

TUNED_OPTIMIZER = replace(OPTIMIZER, base_learning_rate=4.64e-4)
TUNED_OBJECTIVE = MoCoConfig(temperature=0.0587, momentum=0.918, smallest_crop=0.526)
"""Of :data:`TUNED` presets, which take hundreds of steps and not hundreds of epochs."""


def make_moco_recipe(model: str, preset: str, settings: Mapping[str, str]) -> PairRecipe[MoCoConfig]:
    """Return the recipe of a model's preset with some settings changed.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    tuned = preset in TUNED
    objective = replace(
        TUNED_OBJECTIVE if tuned else MoCoConfig(), sv_patch_drop=PRESETS[preset].objective.sv_patch_drop
    )
    return make_pair_recipe(model, preset, objective, "pooler", TUNED_OPTIMIZER if tuned else OPTIMIZER, settings)


def mocov3_configuration(model: str, preset: str) -> PairRecipe[MoCoConfig]:
    """Return all that a preset stands for; named by ``ModelSpec.configuration``."""
    return make_moco_recipe(model, preset, {})


def encoder_inputs(model: str, preset: str, settings: Mapping[str, str]) -> tuple[Input, ...]:
    """Return what the encoders take under these settings.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    return pair_inputs_of(preset, make_moco_recipe(model, preset, settings))
