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


def typhoon_wind(dataset: Any) -> NDArray[np.float64]:
    """Return the greatest sustained wind in knots."""
    return _of_storms(dataset, "wind")


def typhoon_pressure(dataset: Any) -> NDArray[np.float64]:
    """Return the pressure in the middle in hPa."""
    return _of_storms(dataset, "pressure")


def landcover_ai_orthophotos(dataset: Any) -> list[str]:
    """Return the orthophoto that each chip was cut from: ``M-33-20-D-c-4-2`` of ``M-33-20-D-c-4-2_0``."""
    return [name.strip().rpartition("_")[0] for name in dataset.ids]


def geonrw_squares(dataset: Any) -> list[str]:
    """Return city and square of 5 km of each tile: ``365_5706_rgb.jp2`` is at km 365, 5706 in UTM."""
    return [_square(path, *Path(path).name.split("_")[:2]) for path in dataset.file_list]


def dfc2022_squares(dataset: Any) -> list[str]:
    """Return city and square of 5 km of each tile: ``06-2014-1007-6318-LA93-0M50-E080`` is at km 1007, 6318."""
    return [_square(Path(file["image"]).parent, *Path(file["image"]).name.split("-")[2:4]) for file in dataset.files]


def etci_scenes(dataset: Any) -> list[str]:
    """Return the radar scene of each tile of ETCI 2021: ``florence_20180510t231343``."""
    return [Path(file["vv"]).parents[2].name for file in dataset.files]


def field_countries(dataset: Any) -> list[str]:
    """Return the country of each chip of Fields of the World."""
    return [Path(file["mask"]).parents[2].name for file in dataset.files]


def sen12ms_scenes(dataset: Any) -> list[str]:
    """Return season and scene of each patch of SEN12MS: ``ROIs1158_spring_1`` of ``ROIs1158_spring_s2_1_p30.tif``."""
    names = [name.split("_") for name in dataset.ids]
    return [f"{season}_{name}_{scene}" for season, name, _, scene, _ in names]


def caffe_scenes(dataset: Any) -> list[str]:
    """Return the radar image that each patch of CaFFe was cut from."""
    return [Path(path).name.partition("_zones_")[0] for path in dataset.fpaths]


def bright_events(dataset: Any) -> list[str]:
    """Return the disaster of each pair of BRIGHT: ``bata-explosion``."""
    return [Path(paths["image_pre"]).name.partition("_")[0] for paths in dataset.sample_paths]


def xview2_events(dataset: Any) -> list[str]:
    """Return the disaster of each pair of xView2: ``guatemala-volcano``."""
    return [Path(paths["image1"]).name.partition("_")[0] for paths in dataset.files]


def fires(dataset: Any) -> list[str]:
    """Return the fire of each patch of CaBuAr and ChaBuD: ``<uuid>`` of ``<uuid>_1``."""
    return [patch.rpartition("_")[0] for patch in dataset.uuids]


def car_towns(dataset: Any) -> list[str]:
    """Return the town of each image of COWC: ``Toronto_ISPRS`` of ``Toronto_ISPRS/train/...png``."""
    return [name.partition("/")[0] for name in dataset.images]


def cars(dataset: Any) -> list[int]:
    """Return the number of cars in each image of COWC, or whether there is one in its middle."""
    return [int(value) for value in dataset.targets]


def eurosat_files(dataset: Any) -> list[Path]:
    """Return the files of Copernicus-Bench's EuroSAT, which have places."""
    folder = Path(dataset.root) / dataset.directory / "all_imgs"
    return [folder / name.split("_")[0] / name.replace(".jpg", ".tif") for name in dataset.files]


def flood_events(dataset: Any) -> list[str]:
    """Return the number of the flood of each tile of Copernicus-Bench's Flood-S1."""
    return [Path(dataset.metadata[key]["path"]).parts[0] for key in dataset.files]


def hls_tiles(dataset: Any) -> list[str]:
    """Return the tile of the MGRS grid that each scene is of: ``T10SEH`` of ``..._HLS.S30.T10SEH.2018190.v1.4_...``."""
    return [Path(file["image"]).name.split(".")[2] for file in dataset.files]


def sen1floods11_events(dataset: Any) -> list[str]:
    """Return the country of each chip's flood: ``Ghana`` of ``Ghana_103272``."""
    return [chip.partition("_")[0] for chip in dataset.chips]


def mados_scenes(dataset: Any) -> list[str]:
    """Return the scene of each tile of MADOS: ``Scene_1`` of ``Scene_1_3``."""
    return [tile.rpartition("_")[0] for tile in dataset.tiles]


def bigearthnet_v1_scenes(dataset: Any) -> list[str]:
    """Return the Sentinel-2 tile and date that each patch of BigEarthNet v1 was cut from."""
    return [_scene(folders["s2"]) for folders in dataset.folders]


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


def _square(below: str | Path, east: str, north: str) -> str:
    return f"{Path(below).parent.name} {int(east) // 5} {int(north) // 5}"


def _of_storms(dataset: Any, column: str) -> NDArray[np.float64]:
    table = dataset.aux_df.set_index(["id", "seq_id"])[column]
    # Of a sequence the last image's, as the class has it.
    keys = [(one["id"], one["seq_id"][-1]) for one in dataset.sample_sequences]
    found: NDArray[np.float64] = table.loc[keys].to_numpy(dtype=np.float64)
    return found


def _rows(dataset: Any, table: str, columns: str | Sequence[str]) -> NDArray[np.float64]:
    # The tables have all tiles, and the samples are those of the split: tile_<id>.tif.
    ids = [Path(name).stem.removeprefix("tile_") for name in dataset.files]
    found: NDArray[np.float64] = dataset.label_dfs[table].loc[ids, columns].to_numpy(dtype=np.float64)
    return found
