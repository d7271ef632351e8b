"""Rasters of embeddings for tests: written, and looked up as a run does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from affine import Affine

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.representation import RS, Representation
from gairbench_models.precomputed.raster_declaration import make_raster_spec

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


def loaded(rest: str) -> Any:
    spec = make_raster_spec(rest)
    factory: Any = pickle.loads(pickle.dumps(spec.factory))
    return factory(ModelContext(preset="default", seed=0, model=spec.name))


def looked_up(rest: str, lonlat: Any, boxes: Any = None, view: Representation = RS) -> np.ndarray[Any, Any]:
    places = torch.tensor(lonlat, dtype=torch.float64)
    bbox = None if boxes is None else torch.tensor(boxes, dtype=torch.float64)
    found: np.ndarray[Any, Any] = loaded(rest).encode(Batch(images={}, lonlat=places, bbox=bbox), view).numpy()
    assert found.dtype == np.float32
    return found
