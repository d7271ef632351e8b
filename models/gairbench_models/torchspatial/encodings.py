"""Coordinates as features, in the order in which TorchSpatial's networks take them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from gairbench_models.location.features import sin_cos, xyz

_NERF_FREQUENCIES = 16
"""Whatever a file says: the published code passes no number to this encoding."""


@dataclass(frozen=True, slots=True)
class Scales:
    """Scales in geometric progression.

    Args:
        count: How many, two at least.
        shortest: The smallest.
        longest: The largest.
    """

    count: int
    shortest: float
    longest: float

    def frequencies(self, like: Tensor) -> Tensor:
        """Return the reciprocals ``(count,)``, largest first."""
        growth = math.log(self.longest / self.shortest) / (self.count - 1)
        return 1 / (self.shortest * (torch.arange(self.count).to(like) * growth).exp())


def nerf(lonlat: Tensor) -> Tensor:
    """Sines and cosines of the unit vector at frequencies pi, 2 pi, 4 pi ... (Mildenhall et al., arXiv 2003.08934).

    Args:
        lonlat: ``(batch, 2)`` degrees, float64, as of all functions here.

    Returns:
        ``(batch, 96)``.
    """
    frequencies = math.pi * torch.arange(_NERF_FREQUENCIES).to(lonlat).exp2()
    phase = xyz(lonlat)[:, :, None] * frequencies
    return torch.cat([phase.sin(), phase.cos()], dim=1).flatten(1)


def grid_encoding(lonlat: Tensor, scales: Scales) -> Tensor:
    """Sines and cosines of each coordinate (Mai et al., arXiv 2003.00824): ``(batch, 4 * scales)``."""
    phase = lonlat[:, :, None] * scales.frequencies(lonlat)
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


def theory_encoding(lonlat: Tensor, scales: Scales) -> Tensor:
    """Sines and cosines along directions 120 degrees apart (Mai et al., arXiv 2003.00824): ``(batch, 6 * scales)``."""
    directions = lonlat.new_tensor([[1, 0], [-1 / 2, math.sqrt(3) / 2], [-1 / 2, -math.sqrt(3) / 2]])
    phase = scales.frequencies(lonlat)[:, None] * (lonlat @ directions.T)[:, None]
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


def sphere_c(lonlat: Tensor, scales: Scales) -> Tensor:
    """Unit vectors of the coordinates at all scales (Mai et al., arXiv 2306.17624): ``(batch, 3 * scales)``."""
    lon, lat = _scaled(lonlat, scales)
    return torch.stack([lat.sin(), lat.cos() * lon.cos(), lat.cos() * lon.sin()], dim=-1).flatten(1)


def sphere_c_plus(lonlat: Tensor, scales: Scales) -> Tensor:
    """The same, with sines and cosines of each coordinate (Mai et al., arXiv 2306.17624): ``(batch, 6 * scales)``."""
    lon, lat = _scaled(lonlat, scales)
    single = [lat.sin(), lat.cos(), lon.sin(), lon.cos()]
    return torch.stack([*single, lat.cos() * lon.cos(), lat.cos() * lon.sin()], dim=-1).flatten(1)


def sphere_m(lonlat: Tensor, scales: Scales) -> Tensor:
    """Unit vectors with one coordinate at all scales (Mai et al., arXiv 2306.17624): ``(batch, 5 * scales)``."""
    lon, lat = _scaled(lonlat, scales)
    lon_once, lat_once = torch.deg2rad(lonlat)[:, :, None].unbind(1)
    parts = [
        lat.sin(),
        lat.cos() * lon_once.cos(),
        lat_once.cos() * lon.cos(),
        lat.cos() * lon_once.sin(),
        lat_once.cos() * lon.sin(),
    ]
    return torch.stack(parts, dim=-1).flatten(1)


def _scaled(lonlat: Tensor, scales: Scales) -> tuple[Tensor, Tensor]:
    lon, lat = (torch.deg2rad(lonlat)[:, :, None] * scales.frequencies(lonlat)).unbind(1)
    return lon, lat


FIXED: Mapping[str, tuple[Callable[[Tensor], Tensor], int]] = MappingProxyType(
    {"xyz": (xyz, 3), "wrap_ffn": (sin_cos, 4), "NeRF": (nerf, 6 * _NERF_FREQUENCIES)}
)
"""Encodings without scales, and the length of their features, by ``spa_enc_type``."""

SCALED: Mapping[str, tuple[Callable[[Tensor, Scales], Tensor], int]] = MappingProxyType(
    {
        "Space2Vec-grid": (grid_encoding, 4),
        "Space2Vec-theory": (theory_encoding, 6),
        "Sphere2Vec-sphereC": (sphere_c, 3),
        "Sphere2Vec-sphereC+": (sphere_c_plus, 6),
        "Sphere2Vec-sphereM": (sphere_m, 5),
    }
)
"""Encodings at many scales, and the length of their features at one."""
