"""Coordinates as features, without anything to learn."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sin_cos(lonlat: Tensor) -> Tensor:
    """Wrap coordinates (Mac Aodha et al., arXiv 1906.05272).

    Args:
        lonlat: ``(batch, 2)`` longitude and latitude in degrees.

    Returns:
        ``(batch, 4)``: sines of pi lon / 180 and pi lat / 90, then cosines.
    """
    angle = lonlat * lonlat.new_tensor([math.pi / 180, math.pi / 90])
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def xyz(lonlat: Tensor) -> Tensor:
    """Return the unit vector ``(batch, 3)`` from the Earth's centre to coordinates ``(batch, 2)`` in degrees."""
    lon, lat = torch.deg2rad(lonlat).unbind(-1)
    return torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=-1)


def space2vec_grid(lonlat: Tensor, scales: int, shortest: float) -> Tensor:
    """Sines and cosines at wavelengths in geometric progression (Space2Vec's grid, Mai et al., arXiv 2003.00824).

    Args:
        lonlat: ``(batch, 2)`` longitude and latitude in degrees.
        scales: Number of wavelengths, at least 2.
        shortest: The shortest in degrees; the longest is 360.

    Returns:
        ``(batch, 4 * scales)``.
    """
    wavelength = shortest * (360 / shortest) ** (torch.arange(scales, dtype=lonlat.dtype) / (scales - 1))
    phase = (2 * math.pi * lonlat[:, :, None] / wavelength.to(lonlat.device)).flatten(1)
    return torch.cat([phase.sin(), phase.cos()], dim=-1)


def spherical_harmonics(lonlat: Tensor, degrees: int) -> Tensor:
    """Real orthonormal spherical harmonics (Russwurm et al., arXiv 2310.06743).

    Associated Legendre functions are computed normalized, by the recurrence over the degree, which is stable for high
    degrees (Holmes and Featherstone 2002, doi 10.1007/s00190-002-0216-2). Single precision would not be.

    Args:
        lonlat: ``(batch, 2)`` longitude and latitude in degrees, float64.
        degrees: Degrees 0 ... ``degrees`` - 1.

    Returns:
        ``(batch, degrees ** 2)``, by degree l, then order -l ... l; with the Condon-Shortley phase.
    """
    lon, lat = torch.deg2rad(lonlat).unbind(-1)
    up, along = lat.sin(), lat.cos()
    legendre: dict[tuple[int, int], Tensor] = {(0, 0): torch.full_like(up, math.sqrt(1 / (4 * math.pi)))}
    for m in range(1, degrees):
        legendre[m, m] = -math.sqrt((2 * m + 1) / (2 * m)) * along * legendre[m - 1, m - 1]
    for m in range(degrees - 1):
        legendre[m + 1, m] = math.sqrt(2 * m + 3) * up * legendre[m, m]
        for degree in range(m + 2, degrees):
            a = math.sqrt((4 * degree**2 - 1) / (degree**2 - m**2))
            b = math.sqrt(((degree - 1) ** 2 - m**2) / (4 * (degree - 1) ** 2 - 1))
            legendre[degree, m] = a * (up * legendre[degree - 1, m] - b * legendre[degree - 2, m])
    waves = {m: (math.sqrt(2) * (m * lon).cos(), math.sqrt(2) * (m * lon).sin()) for m in range(1, degrees)}
    columns = []
    for degree in range(degrees):
        columns += [legendre[degree, m] * waves[m][1] for m in range(degree, 0, -1)]
        columns.append(legendre[degree, 0])
        columns += [legendre[degree, m] * waves[m][0] for m in range(1, degree + 1)]
    return torch.stack(columns, dim=-1)
