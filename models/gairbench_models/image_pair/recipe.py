"""The recipe of a rival: GAIR's budget and encoders, another objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from gairbench.inputs import Input, SampleInput
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.overrides import override
from gairbench_models.gair.inputs import TileInput, adapted, tile_input
from gairbench_models.gair.presets import PRESETS
from gairbench_models.image_pair.config import PairConfig, Pool, pair_config_of, pair_preset_specs

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecipe(Generic[C]):
    """Everything about a run that ``--set`` can change.

    Args:
        budget: Passes, batch, optimizer and augmentation, GAIR's of the same preset.
        objective: The objective's own numbers.
        model: The encoders.
        input: What the overhead encoder takes.
    """

    budget: Budget
    objective: C
    model: PairConfig
    input: TileInput


def make_pair_recipe(preset: str, objective: C, pool: Pool, settings: Mapping[str, str]) -> PairRecipe[C]:
    """Return a rival's recipe.

    Args:
        preset: The preset's name.
        objective: Its own numbers, unchanged.
        pool: How the photo encoder's tokens become one vector.
        settings: What ``--set`` changes, as text.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    chosen = PRESETS[preset]
    recipe = override(
        PairRecipe(
            budget=chosen.budget,
            objective=objective,
            model=pair_config_of(preset, pool),
            input=tile_input(chosen.inputs),
        ),
        settings,
    )
    rs = replace(recipe.model.rs, bands=len(recipe.input.bands))
    return replace(recipe, model=replace(recipe.model, rs=rs))


def pair_inputs_of(preset: str, recipe: PairRecipe[C]) -> tuple[Input, ...]:
    """Return what the encoders of a recipe take."""
    inputs = next(p.inputs for p in pair_preset_specs() if p.name == preset)
    computed = [wanted for wanted in inputs if not isinstance(wanted, SampleInput)]
    return adapted(computed, recipe.input, recipe.model.rs, recipe.model.sv)
