"""The layout of SatCLIP's files, and how its harmonics differ from ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gairbench.errors import CheckpointError

# How SatCLIP's six released files were trained; other harmonics have other signs, which their weights do not show.
_SATCLIP_RELEASED = {"le_type": "sphericalharmonics", "pe_type": "siren", "harmonics_calculation": "analytic"}


def satclip_factors(degrees: int) -> Tensor:
    """Return SatCLIP's spherical harmonics as multiples of ours, which have the same order.

    SatCLIP takes longitude + 180 degrees as azimuth and latitude + 90 degrees as polar angle. That is the antipode,
    where a harmonic of degree l is (-1)^l of itself. It has no Condon-Shortley phase, (-1)^m. And those of order 0 are
    pi times the orthonormal ones: the script that generated them has sqrt((2l + 1) / 4 * pi) where
    sqrt((2l + 1) / (4 * pi)) was meant, and the released weights were trained on that.

    Args:
        degrees: Degrees 0 ... ``degrees`` - 1.

    Returns:
        ``(degrees ** 2,)`` float64.
    """
    orders = [(degree, order) for degree in range(degrees) for order in range(-degree, degree + 1)]
    return torch.tensor(
        [(-1) ** (degree + abs(order)) * (math.pi if order == 0 else 1.0) for degree, order in orders],
        dtype=torch.float64,
    )


def check_released(hyper_parameters: Any, path: Path) -> None:
    """Refuse harmonics that no released file has.

    Args:
        hyper_parameters: What Lightning keeps beside the weights, if it does.
        path: The file, for messages.

    Raises:
        CheckpointError: It was trained with others.
    """
    if not isinstance(hyper_parameters, Mapping):
        return
    other = [
        f"{key}={hyper_parameters[key]}"
        for key, value in _SATCLIP_RELEASED.items()
        if hyper_parameters.get(key, value) != value
    ]
    if other:
        known = ", ".join(f"{key}={value}" for key, value in _SATCLIP_RELEASED.items())
        raise CheckpointError(
            f"{path} was trained with {', '.join(other)}; only {known} is supported", "name a released file of SatCLIP"
        )


def satclip_name(ours: str, layers: int) -> str:
    """Return SatCLIP's name of a tensor of :class:`gairbench_models.location.encoders.HarmonicSiren`."""
    _, index, kind = ours.split(".")
    # Every other module of ours is a sine.
    layer = int(index) // 2
    return f"nnet.last_layer.{kind}" if layer == layers else f"nnet.layers.{layer}.{kind}"
