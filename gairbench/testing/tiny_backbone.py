"""A model small enough to be trained in a moment, on given images, for evaluators that train the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gairbench.data import ArraySplit
from gairbench.feeding import plan_feed
from gairbench.inputs import ImageInput, Modality, Unit
from gairbench.representation import RS_TOKENS, Form
from gairbench.spec import DatasetSpec, Preset
from gairbench.trainable import TrainableModel

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8")


class OneLayer(nn.Module):
    """One linear layer, which at first stretches and moves each band.

    Args:
        bands: Their number.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.layer = nn.Conv2d(bands, bands, 1)
        with torch.no_grad():
            self.layer.weight.copy_(2 * torch.eye(bands)[:, :, None, None])
            nn.init.ones_(self.layer.bias)  # type: ignore[arg-type]

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the mean over an image."""
        return self.encode_rs_tokens(images).mean((2, 3))

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Return a token a pixel."""
        output: Tensor = self.layer(images)
        return output


def tiny_backbone(images: Mapping[str, NDArray[Any]], form: Form) -> tuple[dict[str, NDArray[Any]], TrainableModel]:
    """Return features of images, standardized on train, and the model that they are of.

    Args:
        images: By split, ``"train"`` among them, ``(samples, bands, size, size)`` of at most 8 bands.
        form: What the features are: ``"pooled"`` or ``"tokens"``.
    """
    bands, size = images["train"].shape[1], images["train"].shape[2]
    image = ImageInput(modality=Modality.RS, bands=BANDS[:bands], unit=Unit.RAW, size=size)
    dataset = DatasetSpec(name="generated", version=1, factory=ArraySplit, delivers=(image,))
    preset = Preset(name="default", inputs=(image,), offers=(RS_TOKENS,))
    feed = plan_feed("one-layer", preset, dataset, "rs", form=form)
    module = OneLayer(bands)
    splits = {
        name: ArraySplit([f"{name}-{i}" for i in range(len(values))], {"image": values}, {})
        for name, values in images.items()
    }

    def raw(split: ArraySplit) -> NDArray[Any]:
        batch = feed.batch([split[i] for i in range(len(split))])
        with torch.no_grad():
            values = batch.images["rs"].values
            output = module.encode_rs(values) if form == "pooled" else module.encode_rs_tokens(values)
        return output.double().numpy()

    features = {name: raw(split) for name, split in splits.items()}
    axes = tuple(axis for axis in range(features["train"].ndim) if axis != 1)
    mean, std = (take(features["train"], axis=axes, keepdims=True) for take in (np.mean, np.std))
    backbone = TrainableModel(
        module=module.requires_grad_(True).eval(),
        feeds=(feed,),
        samples={name: (split, range(len(split))) for name, split in splits.items()},
        mean=mean,
        std=std,
        device=torch.device("cpu"),
        who="the generated model",
    )
    return {name: (values - mean) / std for name, values in features.items()}, backbone
