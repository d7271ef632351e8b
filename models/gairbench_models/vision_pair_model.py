"""The pair of image encoders, and how rivals train them side by side."""

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
from gairbench_models.checkpoints import save
from gairbench_models.gair.presets import VERSION
from gairbench_models.gair.rs_encoder import RSEncoder
from gairbench_models.gair.sv_encoder import SVEncoder
from gairbench_models.vision_pair import PairConfig
from gairbench_models.vision_pair_recipe import C, PairRecipe, inputs_of


class VisionPair(nn.Module):
    """An overhead and a street-view encoder that know nothing of each other.

    Args:
        config: Their sizes.
        sv_patch_drop: Share of street-view patches left out at random in training mode.
    """

    def __init__(self, config: PairConfig, *, sv_patch_drop: float = 0.0) -> None:
        super().__init__()
        self.config = config
        self.rs_encoder = RSEncoder(config.rs)
        self.sv_encoder = SVEncoder(config.sv, patch_drop=sv_patch_drop)
        if config.sv_pool == "mean":
            # Nothing would train it.
            del self.sv_encoder.pooler

    def encode_rs(self, images: Tensor) -> Tensor:
        """Map overhead images ``(batch, band, height, width)`` to the mean token ``(batch, width)``."""
        return self.encode_rs_tokens(images).flatten(2).mean(-1)

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Map overhead images to tokens ``(batch, width, rows, columns)``, north up."""
        return cast(Tensor, self.rs_encoder(images))

    def encode_sv(self, images: Tensor) -> Tensor:
        """Map photos ``(batch, 3, height, width)`` to ``(batch, width)``."""
        if self.config.sv_pool == "pooler":
            return cast(Tensor, self.sv_encoder(images))
        tokens: Tensor = self.sv_encoder.vit.forward_features(images)
        return tokens[:, 1:].mean(1)


def untrained(config: PairConfig, seed: int, *, sv_patch_drop: float = 0.0) -> VisionPair:
    """Build a pair with initial weights that depend on nothing but the seed; global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return VisionPair(config, sv_patch_drop=sv_patch_drop)


class SideBySide(Objective):
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


def train(context: PretrainContext, recipe: PairRecipe[C], corpus: Corpus, objective: SideBySide) -> None:
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
        save(
            kept,
            context.output,
            model=context.model,
            version=VERSION,
            preset=context.preset,
            config=recipe.model,
            inputs=inputs_of(context.preset, recipe),
            provenance=identity,
        )

    fit(objective, corpus, context, identity, export)
