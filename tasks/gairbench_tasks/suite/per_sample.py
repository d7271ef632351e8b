"""What TorchGeo's classes do not give sample by sample: places, groups and measurements.

They are in the names of files, or in tables of all files. Declarations name these functions by their address.
"""

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


def landcover_ai_orthophotos(dataset: Any) -> list[str]:
    """Return the orthophoto that each chip was cut from: ``M-33-20-D-c-4-2`` of ``M-33-20-D-c-4-2_0``."""
    return [name.strip().rpartition("_")[0] for name in dataset.ids]


def bigearthnet_scenes(dataset: Any) -> list[str]:
    """Return the Sentinel-2 tile and date that each patch of BigEarthNet was cut from."""
    return [_scene(name) for name in dataset.metadata_df["patch_id"]]


def radar_scenes(dataset: Any) -> list[str]:
    """Return the radar scene of each patch of Copernicus-Bench's BigEarthNet."""
    return [_scene(name) for name in dataset.files.iloc[:, 0]]


def optical_scenes(dataset: Any) -> list[str]:
    """Return the Sentinel-2 tile and date of each patch of Copernicus-Bench's BigEarthNet."""
    return [_scene(name) for name in dataset.files.iloc[:, 1]]


def cloud_regions(dataset: Any) -> list[str]:
    """Return the region of each image of Cloud-S2, of which there are several dates: ``ROI_00001``."""
    return [Path(str(name)).name.partition("__")[0] for name in dataset.files]


def _scene(patch: str) -> str:
    # The last two parts are the patch's column and row in the tile.
    return Path(patch).stem.rsplit("_", 2)[0]


def _rows(dataset: Any, table: str, columns: str | Sequence[str]) -> NDArray[np.float64]:
    # The tables have all tiles, and the samples are those of the split: tile_<id>.tif.
    ids = [Path(name).stem.removeprefix("tile_") for name in dataset.files]
    found: NDArray[np.float64] = dataset.label_dfs[table].loc[ids, columns].to_numpy(dtype=np.float64)
    return found
