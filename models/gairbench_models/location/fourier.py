"""Coordinates to one vector: Equal Earth projection and random Fourier features at three scales.

The design is GeoCLIP's (Vivanco Cepeda et al., arXiv 2309.16020), which GAIR adopts.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from gairbench_models.location.config import LocationConfig

# Polynomial of the Equal Earth projection: Savric, Patterson, Jenny (2018), doi 10.1080/13658816.2018.1504949.
_A1, _A2, _A3, _A4 = 1.340264, -0.081106, 0.000893, 0.003796
# Degrees of longitude that bring the projected plane to about -1 ... 1.
_EXTENT = 66.50336


def equal_earth(lonlat: Tensor) -> Tensor:
    """Project to the scaled Equal Earth plane.

    Args:
        lonlat: ``(batch, 2)`` longitude and latitude in WGS 84 degrees.

    Returns:
        ``(batch, 2)`` x in -1 ... 1 and y in about -0.49 ... 0.49.
    """
    longitude, latitude = torch.deg2rad(lonlat).unbind(-1)
    theta = torch.asin(math.sqrt(3.0) / 2 * torch.sin(latitude))
    # Not Horner's scheme: float32 rounding is visible in the finest capsule, and the published numbers have this one.
    slope = 9 * _A4 * theta**8 + 7 * _A3 * theta**6 + 3 * _A2 * theta**2 + _A1
    x = 2 * math.sqrt(3.0) * longitude * torch.cos(theta) / (3 * slope)
    y = _A4 * theta**9 + _A3 * theta**7 + _A2 * theta**3 + _A1 * theta
    return torch.stack([x, y], dim=-1) * _EXTENT / 180


class Capsule(nn.Module):
    """Random Fourier features of one scale (Tancik et al., arXiv 2006.10739) and a small network.

    Args:
        sigma: Standard deviation of the frequencies, which are drawn once and stored with the weights.
        frequencies: How many.
        hidden: Width of the three hidden layers.
        dim: Length of the output.
    """

    frequency: Tensor

    def __init__(self, sigma: float, frequencies: int, hidden: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("frequency", torch.randn(frequencies, 2) * sigma)
        self.hidden = nn.Sequential(
            nn.Linear(2 * frequencies, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
        )
        self.head = nn.Linear(hidden, dim)

    def forward(self, position: Tensor) -> Tensor:
        """Map projected positions ``(batch, 2)`` to ``(batch, dim)``."""
        phase = 2 * math.pi * position @ self.frequency.T
        return cast(Tensor, self.head(self.hidden(torch.cat([phase.cos(), phase.sin()], dim=-1))))


class FourierEncoder(nn.Module):
    """The sum of one capsule per scale.

    Args:
        config: Its size.
        dim: Length of the embedding.
    """

    def __init__(self, config: LocationConfig, dim: int) -> None:
        super().__init__()
        self.capsules = nn.ModuleList(Capsule(sigma, config.frequencies, config.hidden, dim) for sigma in config.sigmas)

    def forward(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to ``(batch, dim)`` float32."""
        # Projected in the coordinates' own precision: the finest capsule turns 1e-6 of the plane into a visible phase.
        position = equal_earth(lonlat).float()
        return cast(Tensor, sum(capsule(position) for capsule in self.capsules))
