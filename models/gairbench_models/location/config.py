"""How location encoders are configured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

LocationEncoderName = Literal["rff", "sh-siren", "space2vec-grid", "sin-cos"]
"""How coordinates become an embedding: see :mod:`gairbench_models.location.encoders`."""


DEGREES = 20
"""Degrees of the spherical harmonics where the configuration does not state them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationConfig:
    """The location encoder and its size.

    Args:
        encoder: ``"rff"``, the paper's random Fourier features, or one of
            :data:`gairbench_models.location.encoders.ENCODERS`.
        layers: Hidden layers of the others; the paper's has three in each capsule.
        sigmas: Standard deviation of the random frequencies, one per capsule; large ones resolve small distances.
        frequencies: Random frequencies per capsule.
        hidden: Width of the hidden layers.
        degrees: Degrees of ``"sh-siren"``'s spherical harmonics; high ones resolve small distances.
    """

    encoder: LocationEncoderName = "rff"
    layers: Annotated[int, Ge(1)] = 2
    degrees: Annotated[int, Ge(1)] = DEGREES
    sigmas: tuple[Annotated[float, Gt(0)], ...] = (1.0, 16.0, 256.0)
    frequencies: Annotated[int, Ge(1)]
    hidden: Annotated[int, Ge(1)]
