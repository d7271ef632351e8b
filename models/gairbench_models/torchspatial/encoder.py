"""A location encoder of TorchSpatial, built from the parameters that its file holds beside the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from gairbench import ModelContext
from gairbench.errors import CheckpointError
from gairbench.weights.exact_loading import load_exactly
from gairbench.weights.tensors import read_file
from gairbench_models.torchspatial import BY_NAME
from gairbench_models.torchspatial.encodings import FIXED, SCALED, Scales

_ENCODER = "spa_enc."
_HEADS = ("class_emb.", "user_emb.")
"""What the tensors of the encoder, and of its classification head, begin with."""

_ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leakyrelu": lambda: nn.LeakyReLU(0.2),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "gelu": nn.GELU,
}


class _Fixed(nn.Module):
    """An encoding that has no weights."""

    def __init__(self, encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._encode = encode

    def forward(self, lonlat: Tensor) -> Tensor:
        return self._encode(lonlat).float()


class _RandomFourier(nn.Module):
    """Cosines of random projections (Rahimi and Recht 2007), which were drawn once and are stored with the weights.

    Args:
        features: How many.
        extent: West, east, south and north of the training data in degrees: they become -1 and 1.
    """

    dirvec: Tensor
    shift: Tensor

    def __init__(self, features: int, extent: Sequence[float]) -> None:
        super().__init__()
        west, east, south, north = map(float, extent)
        self._low, self._range = (west, south), (east - west, north - south)
        self.register_buffer("dirvec", torch.zeros(2, features))
        self.register_buffer("shift", torch.zeros(features))

    def forward(self, lonlat: Tensor) -> Tensor:
        share = (lonlat - lonlat.new_tensor(self._low)) / lonlat.new_tensor(self._range)
        position = (2 * share - 1).float()
        return torch.cos(position @ self.dirvec + self.shift) * math.sqrt(2 / len(self.shift))


class _Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, activation: str, *, normalized: bool, skip: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.activation = _ACTIVATIONS[activation]()
        self.layernorm = nn.LayerNorm(outputs) if normalized else nn.Identity()
        self._skip = skip and inputs == outputs

    def forward(self, values: Tensor) -> Tensor:
        found = self.activation(self.linear(values))
        return cast(Tensor, self.layernorm(found + values if self._skip else found))


class _FeedForward(nn.Module):
    def __init__(self, widths: list[int], activation: str, *, normalized: bool, skip: bool) -> None:
        super().__init__()
        last = len(widths) - 2
        # The last layer has the activation, too, and neither norm nor skip connection.
        self.layers = nn.Sequential(
            *(
                _Layer(
                    widths[i],
                    widths[i + 1],
                    activation,
                    normalized=normalized and i < last,
                    skip=skip and i < last,
                )
                for i in range(last + 1)
            )
        )

    def forward(self, values: Tensor) -> Tensor:
        return cast(Tensor, self.layers(values))


class TorchSpatialEncoder(nn.Module):
    """An encoding of coordinates and a feed-forward network; its tensors are named as in the published files.

    Args:
        parameters: The ``params`` of a file.

    Raises:
        KeyError: A parameter is missing.
        TypeError: One is of another type.
        ValueError: One has a value that the published encoders do not have.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        super().__init__()
        self.position_encoder, features = _position_encoder(parameters)
        hidden = [int(parameters["hidden_dim"])] * int(parameters["num_hidden_layer"])
        activation = parameters["spa_f_act"]
        if activation not in _ACTIVATIONS:
            raise ValueError(f"its activation is {activation!r}, and known are {', '.join(_ACTIVATIONS)}")
        self.ffn = _FeedForward(
            [features, *hidden, int(parameters["num_filts"])],
            activation,
            normalized=bool(parameters["use_layn"]),
            skip=bool(parameters["skip_connection"]),
        )

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, 256)`` float32."""
        # The published code rounds coordinates first, which the shortest scales show.
        return cast(Tensor, self.ffn(self.position_encoder(lonlat.float().double())))


def _position_encoder(parameters: Mapping[str, Any]) -> tuple[nn.Module, int]:
    encoding = parameters["spa_enc_type"]
    if encoding in FIXED:
        encode, features = FIXED[encoding]
        return _Fixed(encode), features
    count = int(parameters["frequency_num"])
    if encoding == "rff":
        return _RandomFourier(count, parameters["map_range"]), count
    if encoding not in SCALED:
        raise ValueError(f"its encoding is {encoding!r}, and known are {', '.join([*FIXED, 'rff', *SCALED])}")
    if parameters["freq_init"] != "geometric":
        raise ValueError(f"its scales are {parameters['freq_init']!r}, and only 'geometric' is known")
    encode_scaled, each = SCALED[encoding]
    scales = Scales(count, float(parameters["min_radius"]), float(parameters["max_radius"]))
    return _Fixed(lambda lonlat: encode_scaled(lonlat, scales)), each * count


def load(context: ModelContext) -> TorchSpatialEncoder:
    """Build the encoder that a published file describes, with its weights.

    Raises:
        CheckpointError: None is given, or it is not a file of the encoder that the model's name says.
    """
    path = context.required_checkpoint()
    encoder = _built(read_file(path).get("params"), BY_NAME[context.model], path)
    load_exactly(
        encoder,
        path,
        hint="give the published file",
        theirs=lambda name: _ENCODER + name,
        taken=lambda name: "" if name.startswith(_HEADS) else name,
    )
    return encoder


def _built(parameters: Any, encoding: str, path: Path) -> TorchSpatialEncoder:
    """Build an encoder without memory for its weights: its file may state any size."""
    try:
        if parameters["spa_enc_type"] != encoding:
            raise CheckpointError(
                f"{path} holds the encoder {parameters['spa_enc_type']}, not {encoding}",
                "give the file of this model's name",
            )
        with torch.device("meta"):
            return TorchSpatialEncoder(parameters)
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not say how its encoder is built: {type(error).__name__}: {error}", "give the published file"
        ) from error
