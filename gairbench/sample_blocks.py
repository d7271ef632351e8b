"""Some samples of an array at a time: what is computed of many masks needs no more memory than of a few."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALUES = 2**21
"""Values of a block at most, where a sample has no more: 2 MiB of masks, 16 MiB of what is computed of them."""


def sample_blocks(array: NDArray[Any], values: int = VALUES) -> Iterator[slice]:
    """Yield slices along the first axis that cover an array in order.

    Args:
        array: Samples along the first axis.
        values: Values that a slice holds at most; one sample is never cut.

    Example:
        >>> import numpy as np
        >>> [(block.start, block.stop) for block in sample_blocks(np.zeros((5, 2, 2)), values=8)]
        [(0, 2), (2, 4), (4, 5)]
    """
    step = max(values // max(math.prod(array.shape[1:]), 1), 1)
    for start in range(0, len(array), step):
        yield slice(start, min(start + step, len(array)))
