"""What ``--limit`` means, in every command alike: at most N samples of each split, one fixed draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def limited(n: int, limit: int | None) -> NDArray[np.int64]:
    """Return the positions that ``--limit`` keeps of a split.

    They are drawn at random with a fixed seed: the first ones would all be of one class or place in many datasets.

    Args:
        n: Samples in the split.
        limit: At most this many; ``None``: all.

    Returns:
        Positions, ascending.
    """
    if limit is None or n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).permutation(n)[:limit])
