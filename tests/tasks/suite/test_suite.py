"""The suite's datasets are read from files in their published layouts as their classes read them."""

from __future__ import annotations

import shutil
import unittest
from pathlib import Path
from typing import TypeGuard

import numpy as np
import pytest
import rasterio
import suite_files
from PIL import Image
from suite_files.drawing import SPLITS, lists
from torchgeo.datasets import EuroSAT

import gairbench
from gairbench import DataContext, ImageInput, Kind, Modality
from gairbench.evaluation.plan import default_evaluators
from gairbench.inputs import Input
from gairbench.plugins import load_registry
from gairbench.spec import resolve
from gairbench.testing import parametrize_with_task_checks
from gairbench_tasks.suite import DATASETS, TASKS
from gairbench_tasks.torchgeo.opened import OpenedSource, TorchGeoSplit
from gairbench_tasks.torchgeo.source import GROUP

BY_NAME = {spec.name: spec for spec in DATASETS}

READ_ELSEWHERE = {"eurosat", "usavars"}
"""Also read by another process, which takes most of the time: one of images and one of a table."""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite_files.write(tmp_path_factory.mktemp("suite"))


def test_every_dataset_has_files_to_try_it_with() -> None:
    assert {spec.folder for spec in DATASETS} == suite_files.WRITERS.keys()
    assert BY_NAME.keys() >= READ_ELSEWHERE


@pytest.mark.parametrize("name", BY_NAME)
def test_a_dataset_and_its_tasks_pass_every_check(name: str, root: Path) -> None:
    tasks = [suite_files.as_written(task) for task in TASKS if task.dataset.name == name]
    mark = parametrize_with_task_checks(tasks, data_root=root).mark
    checked, skipped = 0, []
    for case in mark.args[1]:
        if case.id.startswith("check_another_process") and name not in READ_ELSEWHERE:
            continue
        try:
            case.values[0]()
            checked += 1
        except unittest.SkipTest as reason:
            skipped.append(f"{case.id}: {reason}")
    assert not skipped
    assert checked > 25


def is_image(declared: Input) -> TypeGuard[ImageInput]:
    return isinstance(declared, ImageInput)


def opened(root: Path, name: str, split: str) -> TorchGeoSplit:
    source: OpenedSource = resolve(BY_NAME[name].factory)(DataContext(root=root, dataset=BY_NAME[name]))
    return source.split(split)


def test_masks_of_loveda_are_classes_and_not_raw_values(root: Path) -> None:
    task = next(suite_files.as_written(task) for task in TASKS if task.dataset.name == "loveda")
    source: OpenedSource = resolve(task.dataset.factory)(DataContext(root=root, dataset=task.dataset))
    split = source.split("test")
    path = root / "loveda" / "Val" / "Rural" / "masks_png" / "100.png"
    raw = np.array(Image.open(path)).astype(np.int64)
    mask = split.target("mask")[list(split.ids).index("Val/Rural/images_png/100.png")]
    assert source.classes("mask")[int(mask[raw == 2][0])] == "building"
    assert np.array_equal(mask[raw > 0], raw[raw > 0] - 1)
    assert set(mask[raw == 0].tolist()) == {255}


def test_radar_of_bigearthnet_is_vh_and_then_vv(root: Path) -> None:
    (bands,) = [image.bands for image in BY_NAME["bigearthnet-v2"].delivers if is_image(image) and image.name == "s1"]
    means = opened(root, "bigearthnet-v2", "train")[0]["s1"].mean((1, 2)).tolist()
    # As written: less comes back in cross polarization.
    assert dict(zip(bands, means, strict=True))["VH"] < dict(zip(bands, means, strict=True))["VV"] - 5


@pytest.mark.parametrize("split", SPLITS)
def test_measurements_are_those_of_the_images(root: Path, split: str) -> None:
    tiles = opened(root, "usavars", split)
    brightness = [float(tiles[index]["image"].mean()) for index in range(len(tiles))]
    for name in ("treecover", "elevation", "population"):
        assert np.corrcoef(brightness, tiles.target(name))[0, 1] > 0.99
    typhoons = opened(root, "digital-typhoon", split)
    kelvin = [float(typhoons[index]["image"].mean()) for index in range(len(typhoons))]
    assert 200 < min(kelvin) < max(kelvin) < 280
    assert np.corrcoef(kelvin, typhoons.target("pressure"))[0, 1] > 0.99
    assert np.corrcoef(kelvin, typhoons.target("wind"))[0, 1] < -0.99
    storms = opened(root, "tropical-cyclone", split)
    brightness = [float(storms[index]["image"].mean()) for index in range(len(storms))]
    assert np.corrcoef(brightness, storms.target("wind"))[0, 1] > 0.99


NEIGHBOURS = {
    "bigearthnet-v2": "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP",
    "landcover-ai": "M-33-20-D-c-4-0",
    "tropical-cyclone": "aaa",
    "copernicus-cloud-s2": "ROI_00000",
    "copernicus-bigearthnet-s1": "S1A_IW_GRDH_1SDV_20170613T165043_33UUP",
    "copernicus-bigearthnet-s2": "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP",
    "copernicus-flood-s1": "1111013",
    "bigearthnet-v1": "S2A_MSIL2A_20170613T101031",
    "geonrw": "aachen 60 1140",
    "dfc2022": "Nice 200 1263",
    "etci2021": "nebraska_20170100t002112",
    "fields-of-the-world": "south_africa",
    "cloud-cover": "train 0",
    "sen12ms": "ROIs1158_spring_1",
    "caffe": "TRAIN_2011-11-10_TDX_7_1_092",
    "bright": "bata-explosion",
    "hls-burn-scars": "T10SEH",
    "sen1floods11": "Ghana",
    "mados": "Scene_7",
    "xview2": "socal-fire",
    "cabuar": "512-1",
    "chabud": "fire-2",
    "cowc-detection": "Utah_AGRC",
    "cowc-counting": "Toronto_ISPRS",
    "digital-typhoon": "0",
    "wealth-clusters": "cameroon",
    "place-pulse-safe": "Cape Town",
    "place-pulse-lively": "Dublin",
    "place-pulse-beautiful": "Tokyo",
    "place-pulse-wealthy": "Kyiv",
    "place-pulse-depressing": "Lisbon",
    "place-pulse-boring": "Sao Paulo",
}
"""By dataset, one of the groups that its files are written in."""


def test_neighbours_are_groups_of_every_task_whose_files_name_them(root: Path) -> None:
    assert {task.dataset.name for task in TASKS if task.group == GROUP} == NEIGHBOURS.keys()
    for name, group in NEIGHBOURS.items():
        groups = [opened(root, name, split).groups(GROUP) for split in BY_NAME[name].splits]
        assert group in np.concatenate(groups)
    # Where samples have places and nothing else is known, those of a cell are neighbours.
    placed = {task.dataset.name for task in TASKS if any(i.name == Modality.LOCATION for i in task.dataset.delivers)}
    assert {task.dataset.name for task in TASKS if task.group.startswith("blocks:")} == placed - NEIGHBOURS.keys()


def test_beside_the_probes_of_places_stands_interpolation() -> None:
    of_places = [task for task in TASKS if task.inputs == (Modality.LOCATION,)]
    assert len(of_places) > 20
    registry = load_registry()
    for task in of_places:
        usual = default_evaluators(registry, task.kind)
        # Nothing that other tasks of the kind have is lost.
        assert task.evaluators[0] == usual[0]
        assert {*usual, "knn", "interpolation"} == set(task.evaluators)
    assert not [task.name for task in TASKS if task.evaluators and task not in of_places]


@pytest.mark.parametrize(
    "name",
    ["tropical-cyclone", "digital-typhoon", "geonrw", "dfc2022", "etci2021", "cloud-cover", "sen12ms", "chabud"],
)
def test_val_is_of_other_neighbours_than_train(name: str, root: Path) -> None:
    train, val = (set(opened(root, name, split).groups(GROUP)) for split in ("train", "val"))
    assert train
    assert val
    assert not train & val


def test_fields_are_planted_before_the_harvest(root: Path) -> None:
    split = opened(root, "fields-of-the-world", "test")
    index = list(split.ids).index("vietnam/s2_images/window_a/g_2.tif")
    sample = split[index]
    for name, window in (("planting", "window_a"), ("harvest", "window_b")):
        with rasterio.open(root / "ftw" / "vietnam" / "s2_images" / window / "g_2.tif") as file:
            assert np.array_equal(sample[name].numpy(), file.read())


def test_what_is_no_field_in_countries_with_few_labels_is_not_scored(root: Path) -> None:
    split = opened(root, "fields-of-the-world", "train")
    masks = zip(split.groups(GROUP), split.target("mask"), strict=True)
    unlabelled = {str(country) for country, mask in masks if 255 in mask}
    assert unlabelled == {"brazil", "india", "kenya", "rwanda"}


def test_pictures_that_the_class_divides_are_whole_numbers_again(root: Path) -> None:
    split = opened(root, "geonrw", "test")
    path = root / "geonrw" / split.ids[0]
    assert np.array_equal(split[0]["image"].numpy(), np.array(Image.open(path)).transpose(2, 0, 1))


def test_floods_and_water_are_two_targets_and_two_polarizations(root: Path) -> None:
    split = opened(root, "etci2021", "test")
    (scene,) = {path.name for path in (root / "etci2021" / "test").iterdir()} & {"florence_20170101t002112"}
    tiles = root / "etci2021" / "test" / scene / "tiles"
    index = list(split.ids).index(f"test/{scene}/tiles/vv/{scene}_x-1_y-0_vv.png")
    for target, folder in (("flood", "flood_label"), ("water", "water_body_label")):
        mask = np.array(Image.open(tiles / folder / f"{scene}_x-1_y-0.png"))
        assert np.array_equal(split.target(target)[index], mask // 255)
    for band, image in zip(("vv", "vh"), split[index]["image"].numpy(), strict=True):
        assert np.array_equal(image, np.array(Image.open(tiles / band / f"{scene}_x-1_y-0_{band}.png"))[..., 0])


def test_what_lies_outside_of_the_mapped_area_is_not_scored(root: Path) -> None:
    split = opened(root, "copernicus-flood-s1", "test")
    path = next((root / "copernicus_bench/flood_s1/flood_s1/data/1111015").glob("*/*/MK0_MLU_*.tif"))
    with rasterio.open(path) as file:
        raw = file.read(1)
    masks = split.target("mask")
    assert any(np.array_equal(np.where(raw == 3, 255, raw), mask) for mask in masks)
    assert (raw == 3).any()


def test_damage_of_xview2_is_by_one_less_than_the_files_say(root: Path) -> None:
    split = opened(root, "xview2", "test")
    folder = root / "xview2" / "test" / "targets"
    before, after = (
        np.array(Image.open(folder / f"guatemala-volcano_00000000_{when}_disaster_target.png"))
        for when in ("pre", "post")
    )
    assert set(after[before == 1].ravel().tolist()) == {1, 2, 3, 4}
    mask = split.target("mask")[list(split.ids).index("test/images/guatemala-volcano_00000000_pre_disaster.png")]
    assert np.array_equal(mask[before == 1], after[before == 1] - 1)
    source: OpenedSource = resolve(BY_NAME["xview2"].factory)(DataContext(root=root, dataset=BY_NAME["xview2"]))
    assert source.classes("mask")[int(mask[after == 4][0])] == "destroyed"


def test_typhoons_whose_wind_nobody_knows_are_left_out(root: Path) -> None:
    assert min(opened(root, "digital-typhoon", split).target("wind").min() for split in SPLITS) > 50


def test_places_are_longitude_and_latitude(root: Path) -> None:
    for name, west, east, south, north in (
        ("fire-risk", -120, -75, 28, 48),
        ("usavars", -120, -75, 28, 48),
        ("eurosat", 12, 18, 49, 50),
        ("copernicus-eurosat-s1", 12, 18, 49, 50),
        ("california-housing", -124, -115, 33, 41),
        ("place-pulse-safe", -60, 140, -35, 55),
    ):
        places = opened(root, name, "test").places()
        assert places is not None
        assert ((places >= (west, south)) & (places <= (east, north))).all()


def test_what_the_files_show_is_learned(root: Path, tmp_path: Path) -> None:
    # Masks are compared with the files by themselves: a few patches a mask are too few to learn from.
    small = [task for task in TASKS if task.kind is not Kind.SEGMENTATION]
    names = [task.name for task in small]
    found = gairbench.run(["pixel-stats", "lonlat"], names, results=tmp_path / "r", data_root=root, device="cpu")
    assert not found.failed, [record.reason for record in found.failed]
    scored = [record for record in found.records if record.status == "ok" and record.headline]
    learned = {record.task: record.metrics[record.metric].value for record in scored}
    assert learned.keys() == set(names)
    # Two of fifteen genera a tile, and five tiles of one: by chance 0.13.
    least = {task.name: 0.4 if task.kind is Kind.MULTILABEL else 0.8 for task in small}
    # The places of USAVars say nothing of what is measured.
    said = {name for name in names if not (name.startswith("usavars") and name.endswith("-location"))}
    assert not {name: value for name, value in learned.items() if value < least[name] and name in said}


def test_genuine_tiles_of_eurosat_are_read(shared: Path, tmp_path: Path) -> None:
    tiles = sorted((shared / "data" / "eurosat_ms_small").glob("*/*.tif"))
    folder = tmp_path / "eurosat"
    for path in tiles:
        target = folder / EuroSAT.base_dir / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    names = [path.with_suffix(".jpg").name for path in tiles]
    lists(folder, "eurosat-{}.txt", names, 3)
    split = opened(tmp_path, "eurosat", "train")
    assert [source.rpartition("/")[2] for source in split.ids] == ["AnnualCrop_1.tif", "Forest_1.tif"]
    assert split.target("label").tolist() == [0, 1]
    assert split[0]["image"].shape == (13, 64, 64)
    lon, lat = split[0]["lonlat"].tolist()
    assert -25 < lon < 45
    assert 34 < lat < 72
    # Reflectance of a field, as the declared unit has it: near infrared above red.
    (bands,) = [image.bands for image in BY_NAME["eurosat"].delivers if is_image(image)]
    forest = dict(zip(bands, (split[1]["image"].mean((1, 2)) / 10_000).tolist(), strict=True))
    assert 0.005 < forest["B4"] < forest["B8"] < 0.6
