"""A U-Net, a vision transformer and a ResNet behind a layer that takes any bands, with random weights."""

from __future__ import annotations

from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import CheckpointError
from gairbench.representation import Representation
from gairbench_models.supervised.bands import WIDTH, AnyBands
from gairbench_models.supervised.presets import SupervisedConfig, supervised_configuration
from gairbench_models.timm_models.encoder import represent

_STRIDE = 32
"""Pixels of an image that a cell of the U-Net's coarsest grid covers: heights and widths are multiples of it."""


class AnyBandsEncoder(nn.Module):
    """A network of timm on images of any bands: the vector before its head, or the token grid of its last layer.

    Args:
        network: timm's, for 32 channels.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.bands = AnyBands()
        self.network = network

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed the images of a batch together.

        Returns:
            ``(batch, dim)``, or ``(batch, dim, rows, columns)``.
        """
        return represent(self.network, self.bands([*batch.images.values()]), wanted)


class UNet(nn.Module):
    """A U-Net on images of any bands and size: a token a pixel, or the mean over its coarsest grid.

    Args:
        backbone: Name of the ResNet that is its encoder.
    """

    def __init__(self, backbone: str) -> None:
        super().__init__()
        self.bands = AnyBands()
        network: Any = smp.Unet(backbone, encoder_weights=None, in_channels=WIDTH, classes=1)
        # Its own head is the evaluator's task.
        self.encoder, self.decoder = network.encoder, network.decoder

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed the images of a batch together.

        Returns:
            ``(batch, dim)``, or ``(batch, dim, height, width)`` of the largest image.
        """
        images = self.bands([*batch.images.values()])
        height, width = images.shape[-2:]
        padded = functional.pad(images, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate")
        scales = self.encoder(padded)
        if wanted.form == "pooled":
            vector: Tensor = scales[-1].mean((2, 3))
            return vector
        grid: Tensor = self.decoder(scales)
        return grid[..., :height, :width]


def load(context: ModelContext) -> AnyBandsEncoder | UNet:
    """Build an architecture with weights that the seed draws.

    Raises:
        CheckpointError: A checkpoint was given.
    """
    if context.checkpoint is not None:
        raise CheckpointError(
            f"{context.model!r} is trained on each task and takes no checkpoint, got {context.checkpoint}",
            "remove --checkpoint for this model",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(context.seed)
        return _made(supervised_configuration(context.model, context.preset))


def _made(config: SupervisedConfig) -> AnyBandsEncoder | UNet:
    if config.kind == "unet":
        return UNet(config.backbone)
    more: dict[str, Any] = {}
    if config.kind == "vit":
        # The mean of the tokens in place of a class token: of plain transformers trained from scratch the better one
        # (Beyer et al., "Better plain ViT baselines for ImageNet-1k", arXiv 2205.01580).
        more = {"img_size": config.size, "patch_size": config.patch, "class_token": False, "global_pool": "avg"}
    return AnyBandsEncoder(timm.create_model(config.backbone, pretrained=False, in_chans=WIDTH, num_classes=0, **more))
