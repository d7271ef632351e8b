"""Whether embeddings say anything: finite, different, and of many directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gairbench.embedding import dim_axis

MOST = 2_000
"""At most so many vectors, evenly spaced, are compared with each other: grids have thousands of tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingHealth:
    """What is seen in the embeddings of some samples.

    Args:
        dim: Their width.
        vectors: How many vectors were looked at: a sample has one, or one a token.
        finite: Share of the samples whose embedding is finite; what follows is of these alone.
        distinct: How many different embeddings the samples have.
        constant: Share of the dimensions that are the same in all vectors.
        effective_rank: Over how many directions the vectors are spread (:func:`effective_rank`).
        most_rank: The greatest effective rank that so many vectors can have.
        mean_norm: Mean length of the vectors.
        mean_cosine: Mean cosine of the angle between two vectors: 1 where all point the same way.
    """

    dim: int
    vectors: int
    finite: float
    distinct: int
    constant: float
    effective_rank: float
    most_rank: int
    mean_norm: float
    mean_cosine: float


def health_of(embeddings: NDArray[np.float32]) -> EmbeddingHealth:
    """Return what is seen in embeddings.

    Args:
        embeddings: ``(samples, dim)``, or ``(samples, dim, rows, columns)`` of tokens.
    """
    finite = np.isfinite(embeddings).reshape(len(embeddings), -1).all(axis=1)
    known = embeddings[finite]
    axis = dim_axis(embeddings.ndim)
    dim = embeddings.shape[axis]
    vectors = np.moveaxis(known, axis, -1).reshape(-1, dim).astype(np.float64)
    if len(vectors) > MOST:
        vectors = vectors[np.linspace(0, len(vectors) - 1, MOST).round().astype(np.int64)]
    count = len(vectors)
    lengths = np.linalg.norm(vectors, axis=1)
    nan = float("nan")
    return EmbeddingHealth(
        dim=dim,
        vectors=count,
        finite=float(finite.mean()),
        distinct=len({row.tobytes() for row in known}),
        constant=float((vectors == vectors[:1]).all(axis=0).mean()) if count > 1 else nan,
        effective_rank=effective_rank(vectors) if count > 1 else nan,
        most_rank=min(dim, max(count - 1, 0)),
        mean_norm=float(lengths.mean()) if count else nan,
        mean_cosine=_mean_cosine(vectors, lengths) if count > 1 else nan,
    )


def effective_rank(vectors: NDArray[np.float64]) -> float:
    """Return over how many directions vectors are spread: the exponential of the entropy of their singular values.

    Args:
        vectors: ``(n, dim)``; their mean is taken away first.

    Returns:
        From 1, all on one line, to the least of ``dim`` and ``n - 1`` (Roy and Vetterli, EUSIPCO 2007); 0 where all are
        the same.

    Example:
        >>> import numpy as np
        >>> round(effective_rank(np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])), 6)
        2.0
    """
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False)
    # Of equal vectors, rounding of the mean is all that is left.
    values = values[values > 1e-9 * max(float(np.abs(vectors).max(initial=0)), 1e-30)]
    if not len(values):
        return 0.0
    shares = values / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _mean_cosine(vectors: NDArray[np.float64], lengths: NDArray[np.float64]) -> float:
    units = vectors / np.maximum(lengths, 1e-30)[:, None]
    count = len(units)
    # The sum over all pairs is the squared length of the sum; each vector with itself does not count.
    whole, alone = float(np.square(units.sum(axis=0)).sum()), float(np.square(units).sum())
    return (whole - alone) / (count * (count - 1))
