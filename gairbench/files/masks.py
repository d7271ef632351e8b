"""Masks: images of one band whose pixels are classes or measurements, read exactly as stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.guard import reading
from gairbench.files.rasters import REPLACE, driver_of, open_raster
from gairbench.georeference import Georeference, georeference

LARGEST = 2**28
"""Pixels of one mask at most; a file may state any size in a few bytes."""


class Mask(NamedTuple):
    """A mask.

    Args:
        values: ``(height, width)`` as stored; of a picture with a palette its indices, which are the classes.
        valid: Pixels that the file does not mark as missing.
        place: Where it lies; ``None`` if it does not state that.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_]
    place: Georeference | None


def read_mask(path: Path) -> Mask:
    """Read a mask.

    Args:
        path: GeoTIFF or PNG of one band; its content says which, not its name.

    Raises:
        DataError: It is missing, broken, too large, of several bands, or of a format that changes values.
    """
    driver = driver_of(path)
    if driver not in {"GTiff", "PNG"}:
        raise DataError(f"mask {path} is neither GeoTIFF nor PNG", "convert it to one of them; JPEG changes values")
    with open_raster(path, driver) as file:
        if file.count != 1:
            raise DataError(f"mask {path} has {file.count} bands", "give masks of one band")
        if file.height * file.width > LARGEST:
            raise DataError(f"mask {path} is too large ({file.width} x {file.height} pixels)", "cut it into chips")
        with reading(path, "mask", REPLACE):
            values: NDArray[Any] = file.read(1)
            valid = file.dataset_mask() != 0
        return Mask(values, np.asarray(valid), georeference(path, file))


def resized_mask(values: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Resize ``(height, width)`` by the nearest pixel, which makes no new values."""
    rows = ((np.arange(height) + 0.5) * values.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * values.shape[1] / width).astype(np.int64)
    return np.asarray(values[rows[:, None], columns])
