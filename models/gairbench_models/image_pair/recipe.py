"""The recipe of a rival: GAIR's encoders, passes and batches; its own objective, optimizer and augmentation."""

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
from gairbench_models.image_pair.equal_compute import share_of

C = TypeVar("C")

TUNED = ("tiny", "small")
"""Presets whose settings were chosen on validation blocks (``examples/tune_recipes.py``): for the first, and taken
over by the second. The others have their papers' settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptimizer:
    """How a rival trains its ViTs with AdamW.

    Args:
        base_learning_rate: Of 256 images a step; it grows with the batch (Goyal et al., arXiv 1706.02677).
        weight_decay: Of matrices.
        beta2: Decay of the second moment.
        warmup: Share of the steps over which the learning rate rises.
        brightness: Images are multiplied by a random factor in 1 +- this.
        contrast: Deviations from an image's mean are multiplied by a random factor in 1 +- this.
    """

    base_learning_rate: float
    weight_decay: float
    beta2: float
    warmup: float
    brightness: float
    contrast: float

    def budget(self, gairs: Budget) -> Budget:
        """Return GAIR's passes and batches with this optimizer and these colours."""
        return replace(
            gairs,
            learning_rate=self.base_learning_rate * gairs.batch_size / 256,
            weight_decay=self.weight_decay,
            beta2=self.beta2,
            warmup=self.warmup,
            brightness=self.brightness,
            contrast=self.contrast,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRecipe(Generic[C]):
    """Everything about a run that ``--set`` can change.

    Args:
        budget: Passes and batch, GAIR's of the same preset, or the share of them at GAIR's compute; optimizer and
            colours, the rival's.
        objective: The objective's own numbers.
        model: The encoders.
        input: What the overhead encoder takes.
    """

    budget: Budget
    objective: C
    model: PairConfig
    input: TileInput


def make_pair_recipe(
    model: str, preset: str, objective: C, pool: Pool, optimizer: PairOptimizer, settings: Mapping[str, str]
) -> PairRecipe[C]:
    """Return a rival's recipe.

    Args:
        model: Its registered name.
        preset: The preset's name.
        objective: Its own numbers, unchanged.
        pool: How the photo encoder's tokens become one vector.
        optimizer: Its own.
        settings: What ``--set`` changes, as text.

    Raises:
        UsageError: A setting is unknown or wrong.
    """
    chosen = PRESETS[preset]
    recipe = override(
        PairRecipe(
            budget=replace(optimizer.budget(chosen.budget), share=share_of(model, preset)),
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
