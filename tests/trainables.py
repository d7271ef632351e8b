"""Models and evaluators for the tests of training a model in a cell, in a module that worker processes can import."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from generated import SHADES, TRAINED, Shades
from torch import Tensor, nn

from gairbench import EvaluatorSpec, ImageInput, Kind, Modality, ModelContext, ModelSpec, Preset
from gairbench.batch import Batch
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.inputs import ANY, EVERY
from gairbench.representation import Representation


class Blind(nn.Module):
    """Sees noise at first: its weights hide the colour, which says where an image is."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.0, 0.01], [0.0, -0.02], [0.0, 0.015]]))

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return a weighted sum of colour and noise."""
        colour = images[:, :2].mean((1, 2, 3)) / 50 - 2
        noise = (images[:, 0, 0, 0] - images[:, 0, 0, 1]) / 17
        return torch.stack([colour, noise], dim=1) @ self.weight.T

    encode_sv = encode_rs

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Return the place."""
        return lonlat.float()


class Toning(Shades):
    """Weighs its tokens."""

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Return small images of one tone or another."""
        return super().encode_rs_tokens(images) * self.weight[0, :3, None, None]


class Plain:
    """Not an ``nn.Module``."""

    def __init__(self, context: ModelContext) -> None:
        pass

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the mean colour."""
        return images.mean((2, 3))


class Closed(Shades):
    """Computes without gradients."""

    @torch.inference_mode()
    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the features as constants."""
        return super().encode_rs(images)


class Detached(Shades):
    """Cuts the gradient off."""

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the features as constants."""
        return super().encode_rs(images).detach()


class Empty(nn.Module):
    """A module without parameters."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the mean colour."""
        return images.mean((2, 3))


class Drawn(Shades):
    """Other weights each time that it is loaded."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.weight = nn.Parameter(torch.randn(8, 6, generator=torch.Generator().manual_seed(Shades.built)))


class Enclosed(Shades):
    """Takes every image there is, and cuts the gradient off."""

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Return the mean colours as constants."""
        images = torch.cat([image.values for image in batch.images.values()], dim=1)
        return (images.mean((2, 3)) @ self.weight[: images.shape[1]]).detach()


ALL_IMAGES = Preset(name="default", inputs=(ImageInput(modality=Modality.RS, name=EVERY, bands=ANY, unit=None),))


@cache
def _one(seed: int) -> Shades:
    return Shades(ModelContext(preset="default", seed=seed))


def kept(context: ModelContext) -> Shades:
    """Return the same module in every call."""
    return _one(context.seed)


class Assigned(Shades):
    """New modules in every call, over tensors that the factory keeps."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.norm = nn.BatchNorm1d(8)
        self.load_state_dict(_state(context.seed), assign=True)

    def encode_rs(self, images: Tensor) -> Tensor:
        """Return the features, normalized by what training changes."""
        normed: Tensor = self.norm(super().encode_rs(images))
        return normed


@cache
def _state(seed: int) -> dict[str, Tensor]:
    state = Shades(ModelContext(preset="default", seed=seed)).state_dict()
    return state | {f"norm.{name}": value for name, value in nn.BatchNorm1d(8).state_dict().items()}


class Parameterized(Shades):
    """New modules in every call, over parameters that the factory keeps."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.weight = _one(context.seed).weight


class Tied(Shades):
    """Two parameters and a buffer over the same memory."""

    table: Tensor

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.other = nn.Parameter(self.weight.data)
        self.register_buffer("table", self.weight.data)


def model(name: str, factory: object, base: ModelSpec = SHADES) -> ModelSpec:
    """Return a model of the generated world."""
    return replace(base, name=name, factory=factory)  # type: ignore[arg-type]


BLIND = model("blind", Blind)
MODELS = (
    BLIND,
    model("toning", Toning),
    model("plain", Plain),
    model("closed", Closed),
    model("detached", Detached),
    model("enclosed", Enclosed, replace(SHADES, presets=(ALL_IMAGES,))),
    model("empty", Empty),
    model("drawn", Drawn),
    model("kept", kept),
    model("assigned", Assigned),
    model("parameterized", Parameterized),
    model("restored", Shades, TRAINED),
)

SEEN: list[tuple[EvaluatorInput, dict[str, np.ndarray]]] = []
"""What :func:`encoding` was given, and what it computed."""


def encoding(data: EvaluatorInput) -> EvaluatorOutput:
    """Compute all features anew, in batches of an odd size."""
    backbone = data.backbone
    assert backbone is not None
    assert not backbone.module.training
    assert all(parameter.requires_grad for parameter in backbone.module.parameters())
    raw = {}
    for split in ("train", "val", "test"):
        parts, order = [], []
        with torch.no_grad():
            for batch, rows in backbone.loader(split, batch_size=7):
                parts.append(backbone.encode(batch))
                order.append(rows)
        raw[split] = torch.cat(parts).numpy()
        assert np.concatenate(order).tolist() == [*range(len(data.features[split]))]
        np.testing.assert_allclose(
            backbone.standardize(torch.cat(parts)).numpy(), data.features[split], rtol=1e-3, atol=1e-3
        )
    SEEN.append((data, raw))
    return nothing(data)


def nothing(data: EvaluatorInput) -> EvaluatorOutput:
    """Predict zeros, as the kind asks for."""
    n = len(data.features["test"])
    if data.kind is Kind.SEGMENTATION:
        assert data.mask_size is not None
        return EvaluatorOutput(prediction=np.zeros((n, *data.mask_size), dtype=np.int64))
    return EvaluatorOutput(prediction=np.zeros(n, dtype=np.int64 if data.kind is Kind.CLASSIFICATION else np.float64))


def spoiling(data: EvaluatorInput) -> EvaluatorOutput:
    """Ruin the model."""
    assert data.backbone is not None
    data.backbone.module.train()
    with torch.no_grad():
        for parameter in data.backbone.module.parameters():
            parameter.fill_(7.0)
    return nothing(data)


EVALUATORS = tuple(
    EvaluatorSpec(name=function.__name__, version=1, factory=function, kinds=frozenset(Kind), needs="backbone")
    for function in (encoding, spoiling)
)
