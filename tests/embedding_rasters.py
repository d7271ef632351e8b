"""Small rasters whose values name their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine

LONLAT = Affine(0.5, 0, 10, 0, -0.5, 50)
"""Pixels of half a degree, from 10 degrees east and 50 north."""


def write(path: Path, values: Any, transform: Affine = LONLAT, crs: str | None = "EPSG:4326", **more: Any) -> str:
    values = np.asarray(values)
    path.parent.mkdir(parents=True, exist_ok=True)
    tags = {name: more.pop(name) for name in ("scales", "offsets") if name in more}
    count, height, width = values.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype.name}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **(shape | more)) as file:
        file.write(values)
        for name, value in tags.items():
            setattr(file, name, value)
    return str(path)


def ramp(bands: int = 2, height: int = 4, width: int = 6) -> np.ndarray[Any, Any]:
    """Values that name their band, row and column: 132 is band 1, row 3, column 2."""
    band, row, column = np.meshgrid(np.arange(bands), np.arange(height), np.arange(width), indexing="ij")
    return (100 * band + 10 * row + column).astype(np.float32)
