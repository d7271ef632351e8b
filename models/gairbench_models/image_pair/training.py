"""How rivals train their two image encoders side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gairbench.pretraining.augmentation import Augmentation
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Corpus
from gairbench.pretraining.fitting import fit, identify
from gairbench.pretraining.objective import Objective
from gairbench.protocols import PretrainContext
from gairbench.weights.card import save_checkpoint
from gairbench_models.gair.presets import VERSION
from gairbench_models.image_pair.recipe import C, PairRecipe, pair_inputs_of


class TwoBranchObjective(Objective):
    """An objective whose network has a branch ``rs`` and a branch ``sv``, which must not influence each other.

    Args:
        make: Builds the network; what it draws depends on the seed alone.
        budget: Optimizer, schedule and augmentation.
        augmentation: The changes that all compared models see.
        steps: Optimizer steps in all.
        seed: Of everything random.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        budget: Budget,
        *,
        augmentation: Augmentation,
        steps: int,
        seed: int,
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            network = make()
        super().__init__(network, budget, steps=steps, seed=seed)
        self.augmentation = augmentation

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip each branch to the budget's norm: a joint norm would let one modality slow the other down."""
        del optimizer, gradient_clip_val, gradient_clip_algorithm
        for branch in (self.network.rs, self.network.sv):
            nn.utils.clip_grad_norm_(cast(nn.Module, branch).parameters(), self.budget.clip)


def train(context: PretrainContext, recipe: PairRecipe[C], corpus: Corpus, objective: TwoBranchObjective) -> None:
    """Run an objective and write the checkpoint of the branches' encoders.

    Raises:
        GairbenchError: As :func:`gairbench.pretraining.fitting.fit`.
    """
    identity = identify(context, recipe, corpus, objective.steps)

    def export(state: Mapping[str, Tensor]) -> None:
        kept: dict[str, Any] = {}
        for name, value in state.items():
            branch, _, rest = name.partition(".")
            if rest.startswith("encoder."):
                kept[f"{branch}_encoder.{rest.removeprefix('encoder.')}"] = value
        save_checkpoint(
            kept,
            context.output,
            model=context.model,
            version=VERSION,
            preset=context.preset,
            config=recipe.model,
            inputs=pair_inputs_of(context.preset, recipe),
            provenance=identity,
        )

    fit(objective, corpus, context, identity, export)
