"""Random numbers that depend only on a key and a stream, so that no sample depends on its neighbours or its batch.

The generator is SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195) used as a hash. NumPy's own
generators would need one object a photo, and their streams may change between versions.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def hash64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit integers with SplitMix64's finalizer."""
    z = values + _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def name_hash(name: str) -> np.uint64:
    """Return a number for a name, the same in every process."""
    return np.uint64(zlib.crc32(name.encode()))


def keys(name: str, numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return one key per number, different for every name."""
    return hash64(numbers.astype(np.uint64) ^ (name_hash(name) << np.uint64(32)))


def uniform(key: NDArray[np.uint64], stream: str, size: int | None = None) -> NDArray[np.float64]:
    """Draw from [0, 1): one number per key, or ``size`` of them.

    Args:
        key: ``(n,)`` keys from :func:`keys`.
        stream: What the numbers are for; streams are independent.
        size: Numbers per key.

    Returns:
        ``(n,)``, or ``(n, size)``.
    """
    base = hash64(key ^ name_hash(stream))
    if size is not None:
        base = base[:, None] + np.arange(1, size + 1, dtype=np.uint64) * _GOLDEN
    return (hash64(base) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(key: NDArray[np.uint64], stream: str, size: int | None = None) -> NDArray[np.float64]:
    """Draw from the standard normal distribution, shaped as :func:`uniform` does."""
    draws: NDArray[np.float64] = ndtri(uniform(key, stream, size) * (1 - 2.0**-50) + 2.0**-52)
    return draws


def choice(key: NDArray[np.uint64], stream: str, weights: NDArray[np.floating] | Sequence[float]) -> NDArray[np.int64]:
    """Draw one index per key.

    Args:
        key: ``(n,)`` keys.
        stream: What the numbers are for.
        weights: ``(choices,)`` or ``(n, choices)`` non-negative weights, not all zero.
    """
    cumulative = np.cumsum(np.asarray(weights, dtype=np.float64), axis=-1)
    draw = uniform(key, stream) * cumulative[..., -1]
    picked: NDArray[np.int64] = (draw[:, None] >= cumulative).sum(axis=-1)
    # Rounding may leave a draw at the very top.
    return np.minimum(picked, np.int64(cumulative.shape[-1] - 1))
