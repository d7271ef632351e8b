"""Street-view photos to one vector: timm's ViT and a tanh pooler."""

from __future__ import annotations

from functools import partial
from typing import cast

from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from gairbench_models.gair.config import VisionConfig


class SVEncoder(nn.Module):
    """A ViT with class token, whose final state goes through Linear and tanh, as BERT's pooler does.

    Args:
        config: Its size.
        patch_drop: Share of patches left out at random in training (Li et al., FLIP, arXiv 2212.00794).
    """

    def __init__(self, config: VisionConfig, patch_drop: float = 0.0) -> None:
        super().__init__()
        self.vit = VisionTransformer(
            img_size=config.image_size,
            patch_size=config.patch_size,
            in_chans=config.bands,
            num_classes=0,
            embed_dim=config.width,
            depth=config.depth,
            num_heads=config.heads,
            norm_layer=partial(nn.LayerNorm, eps=1e-12),
            patch_drop_rate=patch_drop,
        )
        self.pooler = nn.Linear(config.width, config.width)

    def forward(self, images: Tensor) -> Tensor:
        """Map normalized photos ``(batch, 3, height, width)`` to ``(batch, width)``, values in -1 ... 1."""
        return cast(Tensor, self.pooler(self.vit(images)).tanh())
