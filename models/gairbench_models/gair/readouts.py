"""Vectors and token grids of layers of GAIR's image encoders, for probes that look inside."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gairbench.batch import Batch
from gairbench.errors import CheckpointError
from gairbench.representation import Representation
from gairbench_models.gair.rs_encoder import RSEncoder
from gairbench_models.gair.sv_encoder import SVEncoder
from gairbench_models.timm_models.encoder import represent


class ReadsOut:
    """The method ``encode`` of a model that has GAIR's image encoders as ``rs_encoder`` and ``sv_encoder``."""

    rs_encoder: RSEncoder
    sv_encoder: SVEncoder

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Read an image encoder out: a pooling, a layer's tokens.

        Args:
            batch: Overhead images or photos.
            wanted: What of them.

        Returns:
            As :func:`read_rs` and :func:`read_sv`.

        Raises:
            CheckpointError: The encoder has no such layer.
        """
        (name,) = wanted.of
        if name == "rs":
            return read_rs(self.rs_encoder, batch.images[name].values, wanted)
        return read_sv(self.sv_encoder, batch.images[name].values, wanted)


def read_rs(encoder: RSEncoder, images: Tensor, wanted: Representation) -> Tensor:
    """Return the mean token of a layer, or token grids.

    Args:
        encoder: The overhead encoder.
        images: ``(batch, band, height, width)``.
        wanted: Which of them; without layers, of where the encoder ends.

    Returns:
        ``(batch, dim)``, ``(batch, dim, rows, columns)``, or ``(batch, layers, dim, rows, columns)``.

    Raises:
        CheckpointError: The encoder has no such layer.
    """
    grids = encoder.grids(images, _within(wanted.layers, len(encoder.blocks))) if wanted.layers else [encoder(images)]
    if wanted.form == "pooled":
        return grids[0].flatten(2).mean(-1)
    return torch.stack(grids, dim=1) if len(grids) > 1 else grids[0]


def read_sv(encoder: SVEncoder, images: Tensor, wanted: Representation) -> Tensor:
    """Return the class token or the mean patch token of a layer ``(batch, width)``, after the encoder's final norm.

    Args:
        encoder: The photo encoder.
        images: ``(batch, 3, height, width)``.
        wanted: Which of them; without layers, of where the encoder ends.

    Raises:
        CheckpointError: The encoder has no such layer.
    """
    _within(wanted.layers, len(encoder.vit.blocks))
    return represent(encoder.vit, images, wanted)


def _within(layers: Sequence[int], depth: int) -> Sequence[int]:
    """Require layers that an encoder has: one that was trained with ``--set`` may have fewer than its preset."""
    beyond = [layer for layer in layers if layer >= depth]
    if beyond:
        raise CheckpointError(
            f"the encoder has {depth} blocks, counted from 0, and no {beyond[0]}", "ask for another readout"
        )
    return layers
