"""MoCo v3 (Chen, Xie, He, arXiv 2104.02057) for overhead images and photos, side by side."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from torch import Tensor, nn
from torch.nn import functional

from gairbench.inputs import Modality
from gairbench.pretraining.augmentation import Augmentation, View
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Batch, Corpus
from gairbench.pretraining.distributed import gather, rank
from gairbench.pretraining.objective import Losses
from gairbench.protocols import PretrainContext
from gairbench_models.image_pair.model import VisionPair, untrained_pair
from gairbench_models.image_pair.recipe import pair_inputs_of
from gairbench_models.image_pair.training import TwoBranchObjective, train
from gairbench_models.mocov3.recipe import MoCoConfig, make_moco_recipe
from gairbench_models.mocov3.views import augment_view


def pretrain_mocov3(context: PretrainContext) -> None:
    """Train a preset and write its checkpoint into ``context.output``.

    Raises:
        GairbenchError: As :func:`gairbench_models.gair.pretraining.pretrain_mocov3`.
    """
    recipe = make_moco_recipe(context.model, context.preset, context.settings)
    corpus = Corpus(context, pair_inputs_of(context.preset, recipe))
    pair = untrained_pair(recipe.model, context.seed, sv_patch_drop=recipe.objective.sv_patch_drop)
    objective = MoCoV3(
        pair,
        recipe.objective,
        recipe.budget,
        augmentation=Augmentation(corpus.converters, recipe.budget),
        steps=corpus.steps(recipe.budget),
        seed=context.seed,
    )
    train(context, recipe, corpus, objective)


class MoCoBranch(nn.Module):
    """Query encoder with heads, and the key encoder that follows it.

    Args:
        encoder: Maps images to what ``pool`` takes.
        pool: From the encoder's output to ``(batch, width)``.
        width: Length of the embedding.
        config: Sizes of the heads.
    """

    def __init__(self, encoder: nn.Module, pool: Callable[[Tensor], Tensor], width: int, config: MoCoConfig) -> None:
        super().__init__()
        hidden = config.hidden * width
        self.encoder = encoder
        self.pool = pool
        self.projector = MoCoProjectionHead(width, hidden, config.dim, num_layers=3, batch_norm=True)
        self.predictor = MoCoProjectionHead(config.dim, hidden, config.dim, num_layers=2, batch_norm=True)
        self.key_encoder = copy.deepcopy(encoder)
        self.key_projector = copy.deepcopy(self.projector)
        deactivate_requires_grad(self.key_encoder)
        deactivate_requires_grad(self.key_projector)

    def embed(self, images: Tensor) -> Tensor:
        """Return the embedding that is evaluated, ``(batch, width)``."""
        return self.pool(self.encoder(images))

    def queries(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions ``(batch, dim)`` and the embeddings that they are made from."""
        embedding = self.embed(images)
        return self.predictor(self.projector(embedding)), embedding

    @torch.no_grad()
    def keys(self, images: Tensor) -> Tensor:
        """Return the momentum encoder's ``(batch, dim)``."""
        keys: Tensor = self.key_projector(self.pool(self.key_encoder(images)))
        return keys

    def follow(self, momentum: float) -> None:
        """Move the key encoder towards the query encoder."""
        update_momentum(self.encoder, self.key_encoder, momentum)
        update_momentum(self.projector, self.key_projector, momentum)


class MoCoBranches(nn.Module):
    """One branch for each kind of image.

    Args:
        pair: The encoders.
        config: Sizes of the heads.
    """

    def __init__(self, pair: VisionPair, config: MoCoConfig) -> None:
        super().__init__()
        # Frozen random patches keep ViTs stable under this objective (section 4 of the paper).
        deactivate_requires_grad(pair.rs_encoder.patch_embed)
        deactivate_requires_grad(pair.sv_encoder.vit.patch_embed)
        self.rs = MoCoBranch(pair.rs_encoder, lambda tokens: tokens.flatten(2).mean(-1), pair.config.rs.width, config)
        self.sv = MoCoBranch(pair.sv_encoder, nn.Identity(), pair.config.sv.width, config)


def contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Return 2 tau times the InfoNCE loss of queries against the keys of all processes.

    Args:
        queries: ``(batch, dim)``; row i belongs to row i of this process's keys.
        keys: ``(batch, dim)``, without gradient.
        temperature: tau.
    """
    queries, keys = (functional.normalize(side.float(), dim=-1) for side in (queries, keys))
    with torch.autocast(queries.device.type, enabled=False):
        logits = queries @ gather(keys).T / temperature
    target = torch.arange(len(queries), device=queries.device) + rank() * len(queries)
    return functional.cross_entropy(logits, target) * 2 * temperature


class MoCoV3(TwoBranchObjective):
    """Two views of every image, symmetrically contrasted with the keys of the other view.

    Args:
        pair: What to train.
        config: MoCo v3's own numbers.
        budget: Optimizer, schedule and augmentation.
        augmentation: The conversion to what the encoders take.
        steps: Optimizer steps in all.
        seed: Of everything random.
    """

    network: MoCoBranches

    def __init__(
        self,
        pair: VisionPair,
        config: MoCoConfig,
        budget: Budget,
        *,
        augmentation: Augmentation,
        steps: int,
        seed: int,
    ) -> None:
        super().__init__(partial(MoCoBranches, pair, config), budget, augmentation=augmentation, steps=steps, seed=seed)
        self.config = config

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Return the symmetric loss of both branches."""
        parts: dict[str, Tensor] = {}
        embeddings: dict[str, Tensor] = {}
        for name, branch, images in (
            (Modality.RS, self.network.rs, batch["image"]),
            (Modality.SV, self.network.sv, batch["street_view"]),
        ):
            one, two = (self._view(images, name, second, generator) for second in (False, True))
            (first, embeddings[name]), (second, _) = branch.queries(one), branch.queries(two)
            parts[name] = contrast(first, branch.keys(two), self.config.temperature) + contrast(
                second, branch.keys(one), self.config.temperature
            )
        return Losses(total=parts["rs"] + parts["sv"], parts=parts, embeddings=embeddings)

    def _view(self, images: Tensor, modality: Modality, second: bool, generator: torch.Generator) -> Tensor:
        """Return one view of images as delivered, as the encoder takes it."""
        changed = augment_view(
            images,
            second=second,
            smallest=self.config.smallest_crop,
            brightness=self.budget.brightness,
            contrast=self.budget.contrast,
            generator=generator,
        )
        # As GAIR's tiles and photos are: tiles both ways, photos left-right.
        axes = 2 if modality is Modality.RS else 1
        mirrored = torch.rand(len(images), axes, generator=generator) < 0.5
        return View(changed, mirrored.to(images.device)).through(self.augmentation.converters[modality])

    def after_step(self, progress: float) -> None:
        """Let the key encoders follow, ever more slowly."""
        momentum = 1 - (1 - self.config.momentum) * (math.cos(math.pi * min(progress, 1.0)) + 1) / 2
        self.network.rs.follow(momentum)
        self.network.sv.follow(momentum)
