"""Features in their principal axes, in which regressions of many strengths cost little more than one."""

from __future__ import annotations

import numpy as np

from gairbench.metrics import Array

SMALLEST = 1e-12
"""Principal axes with less than this part of the largest eigenvalue have no samples along them."""


class Axes:
    """Features in their principal axes.

    Args:
        features: ``(samples, dim)``.
    """

    def __init__(self, features: Array) -> None:
        samples, dim = features.shape
        wide = dim > samples
        values, vectors = np.linalg.eigh(features @ features.T if wide else features.T @ features)
        kept = values > SMALLEST * max(float(values[-1]), np.finfo(float).tiny)
        self.squares: Array = values[kept]
        """``(axes,)``: the sum of the squares of the features along each."""
        vectors = vectors[:, kept]
        self.vectors: Array = features.T @ (vectors / np.sqrt(self.squares)) if wide else vectors
        """``(dim, axes)``, orthonormal. An optimum with an L2 penalty has no weight elsewhere."""
        self.features: Array = features @ self.vectors
        """``(samples, axes)``."""
