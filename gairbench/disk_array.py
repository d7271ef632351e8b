"""Arrays in files without a name: as large as the disk allows, and gone with the last reference to them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gairbench.storage import unnamed_file


def disk_array(folder: Path, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros whose values the system keeps in a file, and in memory only while there is room.

    Args:
        folder: Where the file lies; made if it is missing. A folder that lives in memory, as ``/tmp`` does on some
            machines, gains nothing.
        shape: Of the array.
        dtype: Of its values.

    Raises:
        StorageError: The disk has no room for all of it, or the folder cannot be written.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if not size:  # an empty file cannot be mapped
        return np.zeros(tuple(shape), dtype)
    with unnamed_file(folder, size) as file:
        # The map keeps the file open; as a plain array it does what every other one does.
        return np.asarray(np.memmap(file, dtype=dtype, mode="r+", shape=tuple(shape)))
