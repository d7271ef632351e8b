"""LocBench's collections are read as published, and what is wrong with their files is said."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import suite_files

from gairbench import DataContext
from gairbench.errors import DataError
from gairbench.spec import resolve
from gairbench_tasks.suite.classes.locbench_classes import (
    YFCC100MGEO100,
    BirdSnapPlaces,
    FMoWPlaces,
    INaturalistPlaces,
    NABirdsPlaces,
)
from gairbench_tasks.suite.classes.locbench_measurements import MOSAIKS, SustainBenchDHS
from gairbench_tasks.suite.locbench import LOCBENCH

BY_NAME = {task.dataset.name: task.dataset for task in LOCBENCH}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite_files.write(
        tmp_path_factory.mktemp("locbench"), *dict.fromkeys(spec.folder for spec in BY_NAME.values())
    )


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "locbench"))


def test_the_twentieth_of_mosaiks_is_chosen_by_the_numbers_of_rows(root: Path) -> None:
    folder = root / "mosaiks"
    table = pd.read_csv(folder / "Y_forest.csv")
    train, test = (MOSAIKS(folder, split, measurement="forest") for split in ("train", "test"))
    assert 0.04 < (len(train) + len(test)) / len(table) < 0.06
    for part, names in ((train, {"train", "val"}), (test, {"test"})):
        rows = [int(one) for one in part.ids]
        assert set(table["split"][rows]) == names
        assert np.array_equal(table["forest"][rows], part.table["forest"])
    # Computed once: another version must not choose others.
    assert sorted(train.ids + test.ids)[:4] == ["00046", "00070", "00078", "00079"]
    table["lon"] += 1
    table.to_csv(folder / "Y_forest.csv", index=False)
    assert MOSAIKS(folder, "test", measurement="forest").ids == test.ids
    with pytest.raises(ValueError, match="measurement is 'rain', and not one of elevation, forest"):
        MOSAIKS(folder, measurement="rain")
    table.assign(split="holdout").to_csv(folder / "Y_forest.csv", index=False)
    with pytest.raises(ValueError, match=r"Y_forest\.csv has the split 'holdout', not train, val or test"):
        MOSAIKS(folder, "test", measurement="forest")


def test_places_without_an_indicator_are_left_out_of_it(root: Path) -> None:
    folder = root / "sustainbench_dhs"
    table = pd.read_csv(folder / "dhs_test_labels.csv")
    for indicator in SustainBenchDHS.indicators:
        known = table[f"{indicator}_normalized"].notna()
        part = SustainBenchDHS(folder, "test", indicator=indicator)
        assert (~known).sum() > 0
        assert np.allclose(part.table[indicator], table[f"{indicator}_normalized"][known])
        assert part.ids == [f"test-{row:05}" for row in np.flatnonzero(known)]
    with pytest.raises(ValueError, match="indicator is 'wealth', and not one of asset_index"):
        SustainBenchDHS(folder, indicator="wealth")


def test_what_is_not_a_number_is_refused_with_its_row(root: Path) -> None:
    path = root / "sustainbench_dhs" / "dhs_test_labels.csv"
    table = pd.read_csv(path, dtype=str)
    table.loc[3, "asset_index_normalized"] = "n.d."
    table.to_csv(path, index=False)
    with pytest.raises(
        ValueError, match=r"dhs_test_labels.csv, row 4: asset_index_normalized is 'n\.d\.', not a number"
    ):
        SustainBenchDHS(path.parent, "test")
    table.drop(columns="lat").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"has no column 'lat'; its columns are lon, nl_mean"):
        SustainBenchDHS(path.parent, "test")
    lines = table.to_csv(index=False).splitlines()
    path.write_text("\n".join([lines[0], *(f"{line}," for line in lines[1:])]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"dhs_test_labels\.csv has more cells in a row than columns"):
        SustainBenchDHS(path.parent, "test")
    path.write_bytes(b"")
    with pytest.raises(OSError, match=r"dhs_test_labels\.csv cannot be read: No columns"):
        SustainBenchDHS(path.parent, "test")
    spec = BY_NAME["sustainbench-asset-index"]
    with pytest.raises(DataError, match=r"dhs_test_labels\.csv cannot be read"):
        resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("test")


def change(path: Path, how: Callable[[Any], object]) -> None:
    """Change what a JSON file holds, in place."""
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def test_photos_of_birds_count_where_image_place_user_and_date_are_known(root: Path) -> None:
    folder = root / "birdsnap"
    content = json.loads((folder / "birdsnap_with_loc_2019.json").read_text())
    found = {}
    for meta in ("orig_meta", "ebird_meta"):
        birds = BirdSnapPlaces(folder, "val", meta=meta)
        wanted = [
            (one["im_path"], one["class_id"], one[meta]["lon"], one[meta]["lat"])
            for one in content["valid"]
            if one["valid_image"] and None not in one[meta].values()
        ]
        samples = [birds[index] for index in range(len(birds))]
        assert wanted == [
            (name, int(sample["label"]), *sample["lonlat"].tolist())
            for name, sample in zip(birds.ids, samples, strict=True)
        ]
        found[meta] = len(wanted)
    # Two in three say themselves where they are, and each of the four reasons to leave one out is there.
    assert 0 < found["orig_meta"] < found["ebird_meta"] < 60 - 3
    with pytest.raises(ValueError, match="meta is 'flickr', and not orig_meta or ebird_meta"):
        BirdSnapPlaces(folder, meta="flickr")


def test_a_user_with_a_negative_number_is_not_known(root: Path) -> None:
    path = root / "nabirds" / "nabirds_with_loc_2019.json"
    before = NABirdsPlaces(path.parent, "test").ids

    def hide(content: Any) -> None:
        (bird,) = [one for one in content["test"] if one["im_path"] == before[3]]
        bird["ebird_meta"]["user_id"] = -1

    change(path, hide)
    assert NABirdsPlaces(path.parent, "test").ids == [name for name in before if name != before[3]]


def test_classes_of_observations_are_found_by_the_numbers_of_images(root: Path) -> None:
    for folder, make in (("inat_2017", lambda root: INaturalistPlaces(root, "val", year=2017)), ("fmow", FMoWPlaces)):
        places = make(root / folder)
        for index in range(len(places)):
            sample = places[index]
            lon, lat = sample["lonlat"].tolist()
            # As written: each class has its quarter of the world.
            assert int(sample["label"]) == 2 * (lat < 0) + (lon > 0)
    assert INaturalistPlaces(root / "inat_2017", year=2017).classes == ["Albatross", "Bittern", "Crane", "Dove"]
    assert FMoWPlaces(root / "fmow").classes == ["airport", "barn", "crop_field", "dam"]
    with pytest.raises(ValueError, match="year is 2021, and not 2017 or 2018"):
        INaturalistPlaces(root / "inat_2017", year=2021)


def test_a_date_of_none_leaves_an_observation_out_and_so_do_place_and_user(root: Path) -> None:
    path = root / "inat_2018" / "val2018_locations.json"
    written = json.loads(path.read_text())
    known = [str(one["id"]) for one in written if None not in one.values()]
    assert len(written) - len(known) == 8
    assert INaturalistPlaces(path.parent, "val").ids == known


def test_val_of_observations_are_cells_of_train_and_test_is_the_published_val(root: Path) -> None:
    for name in ("inat2017", "inat2018", "fmow-places"):
        spec = BY_NAME[name]
        source = resolve(spec.factory)(DataContext(root=root, dataset=spec))
        train, val, test = (source.split(split) for split in ("train", "val", "test"))
        assert min(len(train), len(val)) > 0
        assert {int(one) >= 1_000 for one in (*train.ids, *val.ids)} == {False}
        assert {int(one) >= 1_000 for one in test.ids} == {True}
        cells = [set(map(tuple, np.floor(part.places() / 10).astype(int).tolist())) for part in (train, val)]
        assert not cells[0] & cells[1]


def test_photos_of_yfcc_are_divided_as_their_table_has_it(root: Path) -> None:
    path = root / "yfcc" / "train_test_split.csv"
    table = pd.read_csv(path)
    placed = table["lon"].notna() & table["lat"].notna()
    assert (table["lon"].notna() & ~placed).any()
    for split in ("train", "val", "test"):
        photos = YFCC100MGEO100(path.parent, split)
        assert [int(row) for row in photos.ids] == np.flatnonzero((table["split"] == split) & placed).tolist()
    assert photos.classes == ["beach", "cave", "desert", "snow"]
    table.assign(split="dev").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"train_test_split\.csv has the split 'dev', not train, val, test"):
        YFCC100MGEO100(path.parent)


WRONG: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "a class that has no name": (
        "birdsnap/birdsnap_with_loc_2019.json",
        lambda content: content["classes"].pop(),
        r"birdsnap_with_loc_2019\.json has the class 3, not 0 to 2",
    ),
    "no places": (
        "birdsnap/birdsnap_with_loc_2019.json",
        lambda content: content["train"][3].pop("ebird_meta"),
        r"birdsnap_with_loc_2019\.json is not LocBench's file of birds: it has no 'ebird_meta'",
    ),
    "a list": (
        "inat_2018/train2018.json",
        lambda content: content.pop("annotations"),
        r"train2018\.json has no 'annotations'",
    ),
    "an image without a class": (
        "inat_2018/train2018.json",
        lambda content: content["annotations"].pop(),
        r"train2018\.json has no class of image 0; .*train2018_locations\.json has its place",
    ),
    "no list": (
        "inat_2018/train2018.json",
        lambda content: content.update(annotations={}),
        r"train2018\.json is not a list of objects",
    ),
    "no dates": (
        "inat_2018/train2018_locations.json",
        lambda content: [one.pop("date_c") for one in content],
        r"train2018_locations\.json has no 'date_c'; it has id, lon, lat, user_id",
    ),
    "words for numbers": (
        "inat_2018/train2018_locations.json",
        lambda content: content[5].update(lon="west"),
        r"train2018_locations\.json has a place, user or date that is not a number: .*west",
    ),
    "numbers of classes with a gap": (
        "inat_2018/categories2018.json",
        lambda content: content.pop(1),
        r"categories2018\.json does not number its 3 classes from 0 to 2",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_with_a_file_is_said(kind: str, root: Path) -> None:
    name, how, message = WRONG[kind]
    make: Callable[[Path], object] = BirdSnapPlaces if name.startswith("birdsnap") else INaturalistPlaces
    change(root / name, how)
    with pytest.raises(ValueError, match=message):
        make((root / name).parent)


def test_a_file_that_is_cut_short_is_named_to_the_user(root: Path) -> None:
    path = root / "fmow" / "val_location.json"
    path.write_bytes(path.read_bytes()[:100])
    spec = BY_NAME["fmow-places"]
    with pytest.raises(DataError, match=re.escape(f"{path} cannot be read")):
        resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("test")
