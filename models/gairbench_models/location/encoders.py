"""The location encoders that a model can be configured with, by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from gairbench_models.location.config import LocationConfig, LocationEncoderName
from gairbench_models.location.features import sin_cos, space2vec_grid, spherical_harmonics
from gairbench_models.location.fourier import FourierEncoder

SCALES, SHORTEST = 32, 0.1
"""Wavelengths of Space2Vec's grid, and the shortest in degrees."""
SIREN_FREQUENCY = 30.0
"""w0 of the first layer (Sitzmann et al., arXiv 2006.09661)."""


class _Sine(nn.Module):
    def __init__(self, frequency: float) -> None:
        super().__init__()
        self.frequency = frequency

    def forward(self, values: Tensor) -> Tensor:
        return (self.frequency * values).sin()


class HarmonicSiren(nn.Module):
    """Spherical harmonics and a network of sines (Russwurm et al., arXiv 2310.06743).

    Args:
        config: Its size.
        dim: Length of the embedding.
    """

    def __init__(self, config: LocationConfig, dim: int) -> None:
        super().__init__()
        self.degrees = config.degrees
        widths = [config.degrees**2, *[config.hidden] * config.layers]
        layers: list[nn.Module] = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            linear = nn.Linear(inputs, outputs)
            frequency = SIREN_FREQUENCY if number == 0 else 1.0
            bound = 1 / inputs if number == 0 else math.sqrt(6 / inputs) / frequency
            nn.init.uniform_(linear.weight, -bound, bound)
            layers += [linear, _Sine(frequency)]
        self.network = nn.Sequential(*layers, nn.Linear(config.hidden, dim))

    def forward(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, dim)`` float32."""
        return cast(Tensor, self.network(spherical_harmonics(lonlat.double(), self.degrees).float()))


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())

    def forward(self, values: Tensor) -> Tensor:
        return values + cast(Tensor, self.inner(values))


class WrapEncoder(nn.Module):
    """Sine and cosine of the coordinates and a residual network (Mac Aodha et al., arXiv 1906.05272).

    Args:
        config: Its size.
        dim: Length of the embedding.
    """

    def __init__(self, config: LocationConfig, dim: int) -> None:
        super().__init__()
        blocks = [_Residual(config.hidden) for _ in range(config.layers)]
        self.network = nn.Sequential(nn.Linear(4, config.hidden), nn.ReLU(), *blocks, nn.Linear(config.hidden, dim))

    def forward(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, dim)`` float32."""
        return cast(Tensor, self.network(sin_cos(lonlat.double()).float()))


class GridEncoder(nn.Module):
    """Space2Vec's grid features and a feed-forward network (Mai et al., arXiv 2003.00824).

    Args:
        config: Its size.
        dim: Length of the embedding.
    """

    def __init__(self, config: LocationConfig, dim: int) -> None:
        super().__init__()
        widths = [4 * SCALES, *[config.hidden] * config.layers]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(config.hidden, dim))

    def forward(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, dim)`` float32."""
        return cast(Tensor, self.network(space2vec_grid(lonlat.double(), SCALES, SHORTEST).float()))


ENCODERS: Mapping[LocationEncoderName, Callable[[LocationConfig, int], nn.Module]] = {
    "rff": FourierEncoder,
    "sh-siren": HarmonicSiren,
    "space2vec-grid": GridEncoder,
    "sin-cos": WrapEncoder,
}
"""By the name in :class:`gairbench_models.location.config.LocationConfig`."""


def make_location_encoder(config: LocationConfig, dim: int) -> nn.Module:
    """Build what a configuration names; its embeddings have length ``dim``."""
    return ENCODERS[config.encoder](config, dim)
