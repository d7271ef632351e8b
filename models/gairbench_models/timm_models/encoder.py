"""A timm model as an encoder, untrained or with weights from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import CheckpointError
from gairbench.representation import Representation
from gairbench_models.timm_models.packaged import PACKAGED, load_packaged


class TimmEncoder(nn.Module):
    """The vector before a model's head, other poolings, and token grids of its layers.

    Args:
        model: timm's.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed the one image that is wanted.

        Args:
            batch: Images ``(batch, 3, size, size)``.
            wanted: The vector or token grids.

        Returns:
            ``(batch, dim)``, ``(batch, dim, rows, columns)``, or ``(batch, layers, dim, rows, columns)``.
        """
        return represent(self.model, batch.images[wanted.of[0]].values, wanted)


def represent(model: Any, images: Tensor, wanted: Representation) -> Tensor:
    """Return the vector before a timm model's head, a pooling of a layer's tokens, or token grids.

    Tokens of every layer go through the norm that follows the last one, where the model has one.

    Args:
        model: With timm's ``forward_features``, ``forward_head`` and, for all but its own vector,
            ``forward_intermediates``.
        images: ``(batch, band, height, width)``.
        wanted: Which of them.

    Returns:
        ``(batch, dim)``, ``(batch, dim, rows, columns)``, or ``(batch, layers, dim, rows, columns)``.
    """
    if wanted.form == "pooled" and not wanted.pooling:
        pooled: Tensor = model.forward_head(model.forward_features(images), pre_logits=True)
        return pooled.flatten(1)
    if wanted.pooling == "cls":
        ((_, prefix),) = _layers(model, images, wanted, return_prefix_tokens=True)
        token: Tensor = prefix[:, 0]
        return token
    grids: list[Tensor] = _layers(model, images, wanted)
    if wanted.form == "pooled":
        return grids[0].mean((2, 3))
    return torch.stack(grids, dim=1) if len(grids) > 1 else grids[0]


def _layers(model: Any, images: Tensor, wanted: Representation, **more: bool) -> Any:
    last = len(model.feature_info) - 1
    return model.forward_intermediates(
        images,
        indices=list(wanted.layers) or [last],
        norm=True,
        stop_early=bool(wanted.layers),
        output_fmt="NCHW",
        intermediates_only=True,
        **more,
    )


def load(context: ModelContext) -> TimmEncoder:
    """Build the architecture that the model's name says, and load its weights from a file if there is one.

    Raises:
        CheckpointError: The file does not hold the weights of this architecture.
    """
    rest = context.model.partition(":")[2]
    architecture = rest.partition(".")[0]
    if rest in PACKAGED:
        return TimmEncoder(load_packaged(rest, context.required_checkpoint()))
    if context.checkpoint is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            return TimmEncoder(timm.create_model(architecture, pretrained=False, num_classes=0))
    return TimmEncoder(_with_weights(rest, context.checkpoint))


def _with_weights(rest: str, path: Path) -> nn.Module:
    config: Any = get_pretrained_cfg(rest)
    classes = 0 if config is None else config.num_classes
    # numpy files of the first vision transformers have a layout that their own models read.
    overlay = {"file": str(path), "custom_load": path.suffix == ".npz"}
    try:
        # With as many classes as the file has, timm compares every name and shape; its own loader drops the head else,
        # and then anything that the file lacks would stay random.
        model: Any = timm.create_model(rest, pretrained=True, num_classes=classes, pretrained_cfg_overlay=overlay)
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(
            f"{path} does not hold the weights of timm:{rest}: {error}", "give weights of this architecture"
        ) from error
    model.reset_classifier(0)
    return model  # type: ignore[no-any-return]
