"""Places and measurements of samples that TorchGeo's classes have in names of files, or in tables of all files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def fire_risk(dataset: Any) -> list[tuple[float, float]]:
    """Return longitude and latitude of FireRisk's images, which are the last parts of the files' names."""
    names = [Path(path).stem.split("_") for path, _ in dataset.samples]
    return [(float(name[-2]), float(name[-1])) for name in names]


def usavars(dataset: Any) -> NDArray[np.float64]:
    """Return longitude and latitude ``(n, 2)`` of USAVars' tiles."""
    found: NDArray[np.float64] = _rows(dataset, "treecover", ["lon", "lat"])
    return found


def usavars_treecover(dataset: Any) -> NDArray[np.float64]:
    """Return tree cover in percent."""
    return _rows(dataset, "treecover", "treecover")


def usavars_elevation(dataset: Any) -> NDArray[np.float64]:
    """Return elevation in metres."""
    return _rows(dataset, "elevation", "elevation")


def usavars_population(dataset: Any) -> NDArray[np.float64]:
    """Return people per square kilometre."""
    return _rows(dataset, "population", "population")


def _rows(dataset: Any, table: str, columns: str | Sequence[str]) -> NDArray[np.float64]:
    # The tables have all tiles, and the samples are those of the split: tile_<id>.tif.
    ids = [Path(name).stem.removeprefix("tile_") for name in dataset.files]
    found: NDArray[np.float64] = dataset.label_dfs[table].loc[ids, columns].to_numpy(dtype=np.float64)
    return found
