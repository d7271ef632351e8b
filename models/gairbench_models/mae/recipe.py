"""MAE's recipe; light enough to read before torch is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Interval

from gairbench.errors import UsageError
from gairbench.inputs import Input
from gairbench_models.image_pair.recipe import TUNED, PairOptimizer, PairRecipe, make_pair_recipe, pair_inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class MAEConfig:
    """MAE's own numbers.

    Args:
        mask: Share of patches that are masked; 0.75 in the paper.
        decoder_depth: Transformer blocks of the decoder, which is thrown away; half as wide as the encoder. 8 in the
            paper.
        smallest_crop: Smallest share of an image's area that is seen; 0.2 in the paper.
    """

    mask: Annotated[float, Interval(gt=0, lt=1)] = 0.75
    decoder_depth: Annotated[int, Ge(1)] = 8
    smallest_crop: Annotated[float, Interval(gt=0, le=1)] = 0.2


OPTIMIZER = PairOptimizer(
    base_learning_rate=1.5e-4, weight_decay=0.05, beta2=0.95, warmup=40 / 800, brightness=0.0, contrast=0.0
)
"""MAE's (arXiv 2111.06377, table 8); it changes no colours."""

TUNED_OPTIMIZER = replace(OPTIMIZER, base_learning_rate=1.04e-4, weight_decay=0.00705)
TUNED_OBJECTIVE = MAEConfig(mask=0.522, smallest_crop=0.16)
"""Of :data:`TUNED` presets, which take hundreds of steps and not hundreds of epochs."""


def make_mae_recipe(model: str, preset: str, settings: Mapping[str, str]) -> PairRecipe[MAEConfig]:
    """Return the recipe of a model's preset with some settings changed.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    objective, optimizer = (TUNED_OBJECTIVE, TUNED_OPTIMIZER) if preset in TUNED else (MAEConfig(), OPTIMIZER)
    # The loss does not reach a pooler.
    recipe = make_pair_recipe(model, preset, objective, "mean", optimizer, settings)
    for name, encoder in (("rs", recipe.model.rs), ("sv", recipe.model.sv)):
        patches = encoder.grid_size**2
        kept = round(patches * (1 - recipe.objective.mask))
        if kept == patches or patches == 1:
            raise UsageError(
                f"mask={recipe.objective.mask} masks none of the {patches} patches of model.{name}",
                "mask more, or choose smaller patches",
            )
    return recipe


def mae_configuration(model: str, preset: str) -> PairRecipe[MAEConfig]:
    """Return all that a preset stands for; named by ``ModelSpec.configuration``."""
    return make_mae_recipe(model, preset, {})


def encoder_inputs(model: str, preset: str, settings: Mapping[str, str]) -> tuple[Input, ...]:
    """Return what the encoders take under these settings.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    return pair_inputs_of(preset, make_mae_recipe(model, preset, settings))
