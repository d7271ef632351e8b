"""GAIR's architecture with untrained weights: what training must beat."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from gairbench import ModelContext
from gairbench.batch import Batch, Images
from gairbench.errors import CheckpointError
from gairbench.inputs import EVERY
from gairbench.representation import Representation
from gairbench_models.controls.frames import mean_of_frames
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.readouts import read_rs


class Untrained(Gair):
    """GAIR with initial weights; of images with other bands than GAIR's an encoder with as many bands.

    Args:
        config: Its size.
        seed: Of all weights.
    """

    def __init__(self, config: GairConfig, seed: int) -> None:
        super().__init__(config)
        self._seed = seed
        # Not submodules: the weights that are recorded must not depend on the data that were seen before.
        self._others: dict[int, Gair] = {}
        self.load_state_dict(untrained(config, seed).state_dict())

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed overhead images of any bands; images of several inputs follow each other, frames are averaged.

        Args:
            batch: Series ``(batch, time, band, height, width)``.
            wanted: Vectors, token grids, or the lookup at a point.

        Returns:
            ``(batch, dim * inputs)``, or ``(batch, [layers,] dim * inputs, rows, columns)``.
        """
        if EVERY not in wanted.of:
            return super().encode(batch, wanted)
        # The width is before the positions of a token grid, and after the layers of several.
        axis = -3 if wanted.form == "tokens" else 1
        return torch.cat([self._embed(image, batch, wanted) for image in batch.images.values()], dim=axis)

    def _embed(self, image: Images, batch: Batch, wanted: Representation) -> Tensor:
        model = self._of_bands(image.values.shape[2]).to(image.values.device)
        if wanted.form != "query":
            return mean_of_frames(image, lambda images: read_rs(model.rs_encoder, images, wanted))
        assert batch.lonlat is not None and batch.bbox is not None  # noqa: S101, PT018  (a point is always placed)
        frames = image.valid.shape[1]
        lonlat, bbox = (tensor.repeat_interleave(frames, 0) for tensor in (batch.lonlat, batch.bbox))
        return mean_of_frames(image, lambda images: model.query_rs(images, lonlat, bbox))

    def _of_bands(self, bands: int) -> Gair:
        if bands not in self._others:
            config = replace(self.config, rs=replace(self.config.rs, bands=bands))
            self._others[bands] = untrained(config, self._seed).requires_grad_(False).eval()
        return self._others[bands]


def load(context: ModelContext) -> Untrained:
    """Build a preset of GAIR with initial weights drawn from the seed.

    Raises:
        CheckpointError: A checkpoint was given.
    """
    if context.checkpoint is not None:
        raise CheckpointError(
            f"control 'random' takes no checkpoint, got {context.checkpoint}", "evaluate weights with --model gair"
        )
    return Untrained(PRESETS[context.preset].config, context.seed).eval()
