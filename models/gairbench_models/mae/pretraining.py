"""Masked autoencoders (He et al., arXiv 2111.06377) for overhead images and photos, side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from timm.layers.pos_embed_sincos import build_sincos2d_pos_embed
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from gairbench.pretraining.augmentation import Augmentation, random_resized_crop
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Batch, Corpus
from gairbench.pretraining.objective import Losses
from gairbench.protocols import PretrainContext
from gairbench_models.gair.config import VisionConfig
from gairbench_models.gair.rs_encoder import RSEncoder
from gairbench_models.gair.sv_encoder import SVEncoder
from gairbench_models.image_pair.model import VisionPair, untrained_pair
from gairbench_models.image_pair.recipe import pair_inputs_of
from gairbench_models.image_pair.training import TwoBranchObjective, train
from gairbench_models.mae.recipe import MAEConfig, make_mae_recipe

Encode = Callable[[Tensor, Tensor], Tensor]
"""From images and the patches to keep, ``(batch, kept)``, to their final tokens ``(batch, kept, width)``."""


def pretrain_mae(context: PretrainContext) -> None:
    """Train a preset and write its checkpoint into ``context.output``.

    Raises:
        GairbenchError: As :func:`gairbench_models.gair.pretraining.pretrain_mae`.
    """
    recipe = make_mae_recipe(context.model, context.preset, context.settings)
    corpus = Corpus(context, pair_inputs_of(context.preset, recipe))
    objective = MAE(
        untrained_pair(recipe.model, context.seed),
        recipe.objective,
        recipe.budget,
        augmentation=Augmentation(corpus.converters, recipe.budget),
        steps=corpus.steps(recipe.budget),
        seed=context.seed,
    )
    train(context, recipe, corpus, objective)


def choose_kept(batch: int, patches: int, mask: float, generator: torch.Generator) -> Tensor:
    """Draw which patches of each image stay visible.

    Returns:
        ``(batch, kept)`` patch numbers in ascending order, at least one.
    """
    kept = max(1, round(patches * (1 - mask)))
    return torch.rand(batch, patches, generator=generator).argsort(1)[:, :kept].sort(1).values


def encode_visible_tiles(encoder: RSEncoder, images: Tensor, kept: Tensor) -> Tensor:
    """Encode some patches of overhead images; distances between them, and so the attention bias, are the true ones."""
    tokens, (rows, columns) = encoder.embed(images)
    tokens = _pick(tokens, kept)
    bias = encoder.bias_of(rows, columns)
    # (heads, n, n) to (batch, heads, kept, kept).
    chosen = bias[:, kept[:, :, None], kept[:, None, :]].transpose(0, 1)
    for block in encoder.blocks:
        tokens = block(tokens, chosen)
    return tokens


def encode_visible_photos(encoder: SVEncoder, images: Tensor, kept: Tensor) -> Tensor:
    """Encode some patches of photos, with the class token, which is left out of the result."""
    vit = encoder.vit
    positions, class_token = cast(Tensor, vit.pos_embed), cast(Tensor, vit.cls_token)
    patches = vit.patch_embed(images) + positions[:, 1:]
    first = (class_token + positions[:, :1]).expand(len(images), -1, -1)
    tokens = vit.norm(vit.blocks(vit.norm_pre(torch.cat([first, _pick(patches, kept)], dim=1))))
    return cast(Tensor, tokens[:, 1:])


def _pick(tokens: Tensor, kept: Tensor) -> Tensor:
    # Not torch.gather: the backward pass of plain indexing is deterministic on every device.
    return tokens[torch.arange(len(tokens), device=tokens.device)[:, None], kept]


class Decoder(nn.Module):
    """Rebuilds the patches of an image from its visible tokens.

    Args:
        config: The encoder's size.
        depth: Transformer blocks.
    """

    positions: Tensor

    def __init__(self, config: VisionConfig, depth: int) -> None:
        super().__init__()
        # Sine-cosine positions come in fours.
        width = max(4, config.width // 2 // 4 * 4)
        heads = next(h for h in range(config.heads, 0, -1) if width % h == 0)
        self.enter = nn.Linear(config.width, width)
        self.masked = nn.Parameter(torch.zeros(1, 1, width))
        positions = build_sincos2d_pos_embed([config.grid_size, config.grid_size], width)
        self.register_buffer("positions", positions[None], persistent=False)
        self.blocks = nn.Sequential(*(Block(width, heads, qkv_bias=True) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, config.bands * config.patch_size**2)
        nn.init.normal_(self.masked, std=0.02)

    def forward(self, tokens: Tensor, kept: Tensor) -> Tensor:
        """Map visible tokens ``(batch, kept, width)`` and their numbers to pixels ``(batch, patches, features)``."""
        entered = self.enter(tokens)
        everywhere = self.masked.to(entered.dtype).expand(len(tokens), self.positions.shape[1], -1).clone()
        everywhere[torch.arange(len(tokens), device=tokens.device)[:, None], kept] = entered
        return cast(Tensor, self.leave(self.norm(self.blocks(everywhere + self.positions))))


class MAEBranch(nn.Module):
    """An encoder and its decoder.

    Args:
        encoder: What is kept in the end.
        config: Its size.
        depth: Blocks of the decoder.
    """

    def __init__(self, encoder: nn.Module, config: VisionConfig, depth: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(config, depth)
        self.patch = config.patch_size
        self.patches = config.grid_size**2


class MAEBranches(nn.Module):
    """One branch for each kind of image.

    Args:
        pair: The encoders.
        config: MAE's own numbers.
    """

    def __init__(self, pair: VisionPair, config: MAEConfig) -> None:
        super().__init__()
        self.rs = MAEBranch(pair.rs_encoder, pair.config.rs, config.decoder_depth)
        self.sv = MAEBranch(pair.sv_encoder, pair.config.sv, config.decoder_depth)


def normalized_patches(images: Tensor, patch: int) -> Tensor:
    """Cut images into patches, each normalized to mean 0 and deviation 1.

    Args:
        images: ``(batch, band, height, width)``.
        patch: Edge in pixels.

    Returns:
        ``(batch, patches, band * patch * patch)``, patches row by row.
    """
    patches = nn.functional.unfold(images.float(), patch, stride=patch).transpose(1, 2)
    mean, variance = patches.mean(-1, keepdim=True), patches.var(-1, keepdim=True)
    return (patches - mean) / (variance + 1e-6).sqrt()


class MAE(TwoBranchObjective):
    """Rebuild the masked patches of every image from the visible ones.

    Args:
        pair: What to train.
        config: MAE's own numbers.
        budget: Optimizer, schedule and augmentation.
        augmentation: The changes that all compared models see.
        steps: Optimizer steps in all.
        seed: Of everything random.
    """

    network: MAEBranches

    def __init__(
        self,
        pair: VisionPair,
        config: MAEConfig,
        budget: Budget,
        *,
        augmentation: Augmentation,
        steps: int,
        seed: int,
    ) -> None:
        super().__init__(partial(MAEBranches, pair, config), budget, augmentation=augmentation, steps=steps, seed=seed)
        self.config = config

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Return the mean squared error of the masked patches, for both kinds of images."""
        seen = {
            name: random_resized_crop(batch[name].float(), self.config.smallest_crop, generator)
            for name in ("image", "street_view")
        }
        tiles, _ = self.augmentation.tiles(seen["image"], None, generator)
        photos = self.augmentation.photos(seen["street_view"], generator)
        rs, sv = self.network.rs, self.network.sv
        parts = {
            "rs": self._rebuild(rs, partial(encode_visible_tiles, cast(RSEncoder, rs.encoder)), tiles, generator),
            "sv": self._rebuild(sv, partial(encode_visible_photos, cast(SVEncoder, sv.encoder)), photos, generator),
        }
        return Losses(total=parts["rs"] + parts["sv"], parts=parts)

    def _rebuild(self, branch: MAEBranch, encode: Encode, images: Tensor, generator: torch.Generator) -> Tensor:
        kept = choose_kept(len(images), branch.patches, self.config.mask, generator).to(images.device)
        rebuilt = branch.decoder(encode(images, kept), kept)
        error = (rebuilt.float() - normalized_patches(images, branch.patch)).square().mean(-1)
        masked = torch.ones_like(error).scatter_(1, kept, 0.0)
        mean: Tensor = (error * masked).sum() / masked.sum()
        return mean
