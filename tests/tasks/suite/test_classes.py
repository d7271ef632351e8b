"""Our classes in TorchGeo's manner read their files as published, and say what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import rasterio
import suite_files
import torch
from matplotlib.figure import Figure
from torchgeo.datasets import DatasetNotFoundError

from gairbench import DataContext
from gairbench.errors import DataError
from gairbench.spec import resolve
from gairbench_tasks.suite import DATASETS
from gairbench_tasks.suite.classes.ai4smallfarms import AI4SmallFarms
from gairbench_tasks.suite.classes.california_housing import CaliforniaHousing
from gairbench_tasks.suite.classes.global_streetscapes import GlobalStreetscapes
from gairbench_tasks.suite.classes.hls_burn_scars import HLSBurnScars
from gairbench_tasks.suite.classes.locbench_classes import (
    YFCC100MGEO100,
    BirdSnapPlaces,
    FMoWPlaces,
    INaturalistPlaces,
    NABirdsPlaces,
)
from gairbench_tasks.suite.classes.locbench_measurements import MOSAIKS, SustainBenchDHS
from gairbench_tasks.suite.classes.mados import MADOS
from gairbench_tasks.suite.classes.place_pulse import PlacePulse
from gairbench_tasks.suite.classes.sen1floods11 import Sen1Floods11
from gairbench_tasks.suite.classes.south_sudan import CropTypeMappingSouthSudan
from gairbench_tasks.suite.classes.wealth_clusters import WealthClusters
from gairbench_tasks.suite.classes.weather_stations import WeatherStations

mpl.use("Agg")

RASTERS = {
    "hls_burn_scars": HLSBurnScars,
    "sen1floods11": Sen1Floods11,
    "mados": MADOS,
    "ai4smallfarms": AI4SmallFarms,
    "crops_south_sudan": CropTypeMappingSouthSudan,
}
EVERY = RASTERS | {
    "global_streetscapes": GlobalStreetscapes,
    "place_pulse": PlacePulse,
    "california_housing": CaliforniaHousing,
    "mosaiks": MOSAIKS,
    "sustainbench_dhs": SustainBenchDHS,
    "wealth_clusters": WealthClusters,
    "weather_stations": WeatherStations,
    "birdsnap": BirdSnapPlaces,
    "nabirds": NABirdsPlaces,
    "inat_2018": INaturalistPlaces,
    "yfcc": YFCC100MGEO100,
    "fmow": FMoWPlaces,
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite_files.write(tmp_path_factory.mktemp("classes"), *EVERY)


@pytest.fixture
def root(untouched: Path, tmp_path: Path) -> Path:
    for folder in RASTERS:
        shutil.copytree(untouched / folder, tmp_path / folder)
    return tmp_path


@pytest.mark.parametrize("folder", EVERY)
def test_a_class_behaves_as_torchgeos_do(folder: str, untouched: Path, tmp_path: Path) -> None:
    cls: Any = EVERY[folder]
    split = next(name for name in ("test", "val", "all") if name in cls.splits)
    with pytest.raises(DatasetNotFoundError, match="Dataset not found in `root="):
        cls(tmp_path / "nowhere", split=split)
    with pytest.raises(ValueError, match=f"split is 'training', and not one of {', '.join(cls.splits)}"):
        cls(untouched / folder, split="training")
    dataset = cls(untouched / folder, split=split, transforms=lambda sample: {**sample, "seen": torch.ones(1)})
    sample = dataset[1]
    assert sample["seen"] == 1
    images = [value for key, value in sample.items() if key.startswith("image")]
    assert all(image.dtype == torch.float32 and image.ndim in (3, 4) for image in images)
    whole = {"mask", "label", "urban"} & sample.keys()
    assert all(sample[key].dtype == torch.int64 for key in whole)
    assert images or sample["lonlat"].dtype == torch.float64
    assert isinstance(dataset.plot(sample, suptitle="a place"), Figure)


def test_burn_scars_of_train_and_val_are_those_of_training_and_without_marks_of_no_data(root: Path) -> None:
    folder = root / "hls_burn_scars"
    train, val = (HLSBurnScars(folder, split) for split in ("train", "val"))
    names = [[Path(str(file["image"])).name for file in part.files] for part in (train, val)]
    assert (len(names[0]), len(names[1])) == (10, 2)
    assert sorted(names[0] + names[1]) == sorted(path.name for path in (folder / "training").glob("*merged.tif"))
    sample = train[0]
    with rasterio.open(str(train.files[0]["image"])) as file:
        stored = file.read()
    assert stored.max() == 9999
    assert sample["image"].max() < 1
    assert np.array_equal(sample["image"].numpy(), np.where(stored == 9999, 0, stored))
    assert (sample["mask"][:4, :4] == -1).all()


@pytest.mark.parametrize("name", ["x_merged.tif", "x.merged.tif"])
def test_a_burn_scar_without_a_mask_is_named(name: str, root: Path) -> None:
    folder = root / "hls_burn_scars"
    image = next((folder / "training").glob("*merged.tif"))
    image.rename(image.with_name(name))
    with pytest.raises(ValueError, match=rf"{name} has no mask; 1 images have none"):
        HLSBurnScars(folder)


def test_radar_without_a_value_is_zero_and_bolivia_a_split_of_its_own(root: Path) -> None:
    folder = root / "sen1floods11"
    train, bolivia = Sen1Floods11(folder), Sen1Floods11(folder, split="bolivia")
    assert [chip.partition("_")[0] for chip in bolivia.chips] == ["Bolivia"]
    assert not set(train.chips) & set(bolivia.chips)
    sample = train[0]
    assert (sample["image_s1"][:, :4] == 0).all()
    assert (sample["image_s1"][:, 4:] < -5).all()
    assert sample["image_s2"].shape[0] == 13


def test_bands_of_mados_are_in_the_order_of_wavelengths_whichever_satellite(root: Path) -> None:
    folder = root / "mados"
    before = MADOS(folder, split="test")[0]
    scene = folder / "Scene_7"
    # As Sentinel-2B has them.
    for old, new in ((492, 492), (560, 559), (740, 739), (783, 780), (865, 864), (1614, 1610), (2202, 2186)):
        for path in scene.glob(f"*/*_rhorc_{old}_1.tif"):
            path.rename(path.with_name(path.name.replace(f"_{old}_", f"_{new}_")))
    after = MADOS(folder, split="test")[0]
    assert torch.equal(before["image"], after["image"])
    with rasterio.open(scene / "20" / "Scene_7_L2R_rhorc_739_1.tif") as file:
        coarse = np.nan_to_num(file.read(1))
    # B6 is the sixth band; each of its pixels is four.
    assert np.array_equal(after["image"][5].numpy(), coarse.repeat(2, 0).repeat(2, 1))
    assert after["image"].shape == (11, 240, 240)
    (scene / "60" / "Scene_7_L2R_rhorc_443_1.tif").unlink()
    with pytest.raises(ValueError, match="Scene_7 has 10 bands of tile Scene_7_1, not 11"):
        MADOS(folder, split="test")[0]


def test_boundaries_of_small_fields_are_one_and_val_is_found_under_either_name(root: Path) -> None:
    base = root / "ai4smallfarms"
    farms = AI4SmallFarms(base, "val")
    with rasterio.open(farms.files[0]["mask"]) as file:
        stored = file.read(1)
    assert np.array_equal(farms[0]["mask"].numpy(), stored == 255)
    (base / "sentinel-2-asia" / "validate").rename(base / "sentinel-2-asia" / "val")
    renamed = AI4SmallFarms(base, "val")
    assert [file["image"].name for file in renamed.files] == [file["image"].name for file in farms.files]
    with rasterio.open(renamed.files[0]["mask"], "r+") as file:
        file.write(np.where(stored == 255, 128, 0)[None])
    with pytest.raises(ValueError, match=r"validate_0\.tif holds 128, not 0 and 255"):
        renamed[0]
    renamed.files[1]["mask"].unlink()
    with pytest.raises(ValueError, match=r"validate_1\.tif has no mask; 1 images have none"):
        AI4SmallFarms(base, "val")


def test_the_last_six_dates_of_south_sudan_are_in_their_order(root: Path) -> None:
    base = root / "crops_south_sudan"
    train = CropTypeMappingSouthSudan(base)
    assert train.squares == [f"southsudan_{number:06d}" for number in (100, 101, 102, 103)]
    for index, dates in ((0, 3), (1, 6)):
        with np.load(base / "southsudan" / "npy" / f"{train.squares[index]}.npz") as file:
            stored = {name: file[name] for name in ("s1", "s2")}
        sample = train[index]
        assert sample["image_s2"].shape == (dates, 10, 64, 64)
        assert sample["image_s1"].shape == (min(dates + 1, 6), 2, 64, 64)
        for name, bands in (("s1", 2), ("s2", 10)):
            for place, date in ((-1, -1), (0, -len(sample[f"image_{name}"]))):
                seen = np.nan_to_num(stored[name][:bands, ..., date].astype(np.float32))
                assert np.array_equal(sample[f"image_{name}"][place], seen)
        with np.load(base / "southsudan" / "truth" / f"{train.squares[index]}.npz") as file:
            truth = file["truth"].astype(int)
        assert np.array_equal(sample["mask"], np.where((truth > 0) & (truth < 5), truth - 1, -1))


def test_of_a_series_the_last_image_is_drawn(root: Path) -> None:
    train = CropTypeMappingSouthSudan(root / "crops_south_sudan")
    sample = train[0]
    sample["image_s2"][:-1] = 0
    drawn = train.plot(sample).axes[0].images[0].get_array()
    assert drawn is not None
    assert np.ptp(drawn) > 0.5


def test_squares_of_no_split_and_arrays_of_another_shape_are_refused(root: Path) -> None:
    base = root / "crops_south_sudan" / "southsudan"
    square = base / "npy" / "southsudan_000106.npz"
    with np.load(square) as file:
        arrays = {name: file[name] for name in ("s1", "s2")}
    np.savez(square, s1=arrays["s1"], s2=np.moveaxis(arrays["s2"], -1, 0))
    with pytest.raises(
        ValueError, match=r"000106\.npz has s2 of shape \(3, 10, 64, 64\), not \(10, height, width, date"
    ):
        CropTypeMappingSouthSudan(base.parent, "test")[0]
    np.savez(square, s1=arrays["s1"])
    with pytest.raises(OSError, match=r"000106\.npz cannot be read: .*s2"):
        CropTypeMappingSouthSudan(base.parent, "test")[0]
    table = base / "list_eval_partition.csv"
    table.write_text(table.read_text().replace(",2", ",3"))
    with pytest.raises(ValueError, match=r"list_eval_partition\.csv has the partition 3, not 0, 1 or 2"):
        CropTypeMappingSouthSudan(base.parent)


@pytest.mark.parametrize(
    ("folder", "broken"),
    [
        ("hls_burn_scars", "validation/*merged.tif"),
        ("sen1floods11", "v1.1/data/flood_events/HandLabeled/S1Hand/*.tif"),
        ("mados", "Scene_7/20/*_865_1.tif"),
        ("ai4smallfarms", "sentinel-2-asia/test/images/*.tif"),
        ("crops_south_sudan", "southsudan/npy/*.npz"),
        ("crops_south_sudan", "southsudan/truth/*.npz"),
    ],
)
def test_a_broken_file_is_named(folder: str, broken: str, root: Path) -> None:
    paths = sorted((root / folder).glob(broken))
    for path in paths:
        path.write_bytes(path.read_bytes()[:300])
    spec = next(spec for spec in DATASETS if spec.folder == folder)
    split = resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("test")
    with pytest.raises(DataError) as raised:
        [split[index] for index in range(len(split))]
    assert any(path.name in str(raised.value) for path in paths)
