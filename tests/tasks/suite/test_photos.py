"""Our classes of street-level photos read their files as published, and say what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import suite_files
from PIL import Image

from gairbench import DataContext
from gairbench.errors import DataError
from gairbench.spec import resolve
from gairbench_tasks.suite.classes.global_streetscapes import GlobalStreetscapes
from gairbench_tasks.suite.classes.place_pulse import PlacePulse
from gairbench_tasks.suite.photos import PHOTOS

FOLDERS = ("global_streetscapes", "place_pulse")
BY_NAME = {task.dataset.name: task.dataset for task in PHOTOS}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite_files.write(tmp_path_factory.mktemp("photos"), *FOLDERS)


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "photos"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_broken_photo_is_named(folder: str, root: Path) -> None:
    spec = next(spec for spec in BY_NAME.values() if spec.folder == folder)
    split = resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("test")
    paths = [path for path in (root / folder).rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"}]
    for path in paths:
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match=rf"{folder}\S+\.jpe?g cannot be read|{folder}\S+\.JPG cannot be read"):
        split[0]


def test_a_photo_keeps_its_pixels(written: Path) -> None:
    for photos in (GlobalStreetscapes(written / "global_streetscapes", "test"), PlacePulse(written / "place_pulse")):
        with Image.open(photos.files[1]) as file:
            assert np.array_equal(photos[1]["image"].numpy(), np.array(file.convert("RGB")).transpose(2, 0, 1))


def test_classes_are_numbered_by_their_names_and_not_by_rows(root: Path) -> None:
    folder = root / "global_streetscapes"
    photos = GlobalStreetscapes(folder, "test")
    uuids = [path.stem for path in photos.files]
    assert uuids == sorted(uuids)
    unknown = 0
    for attribute, names in GlobalStreetscapes.attributes.items():
        table = pd.read_csv(folder / "manual_labels" / "test" / f"{attribute}.csv", dtype=str)
        written = table.set_index("uuid")[attribute].str.lower()
        for index, uuid in enumerate(uuids):
            label = int(photos[index][attribute])
            assert (names[label] if label >= 0 else None) == written.get(uuid)
            unknown += label < 0
    assert unknown > 0
    path = folder / "manual_labels" / "test" / "weather.csv"
    pd.read_csv(path)[::-1].to_csv(path, index=False)
    assert GlobalStreetscapes(folder, "test").labels.equals(photos.labels)


def test_photos_are_resized_as_the_published_protocol_does(root: Path) -> None:
    from torchvision.transforms import Resize

    photos = GlobalStreetscapes(root / "global_streetscapes", "test", size=224)
    for index in range(2):
        with Image.open(photos.files[index]) as file:
            expected = np.array(Resize((224, 224))(file.convert("RGB"))).transpose(2, 0, 1)
        assert np.array_equal(photos[index]["image"].numpy(), expected)


def test_labels_that_do_not_belong_together_are_refused(root: Path) -> None:
    folder = root / "global_streetscapes"
    path = folder / "manual_labels" / "test" / "weather.csv"
    table = pd.read_csv(path)
    pd.concat([table, table[:1]]).to_csv(path, index=False)
    with pytest.raises(ValueError, match=rf"weather\.csv has two rows of {table['uuid'][0]}"):
        GlobalStreetscapes(folder, "test")
    table.assign(weather="sleet").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"weather\.csv has weather 'sleet', which is not one of clear, cloudy"):
        GlobalStreetscapes(folder, "test")
    table.to_csv(path, index=False)
    photo = GlobalStreetscapes(folder, "test").files[0]
    photo.unlink()
    with pytest.raises(ValueError, match=rf"has no {photo.name}; 1 labelled photos are missing"):
        GlobalStreetscapes(folder, "test")


def test_the_table_of_studies_says_what_was_asked(root: Path) -> None:
    folder = root / "place_pulse"
    safe, boring = (PlacePulse(folder, study=study).files for study in ("safe", "boring"))
    assert safe != boring
    path = folder / "studies.tsv"
    table = pd.read_csv(path, sep="\t")
    swapped = table.assign(
        study_question=table["study_question"].replace({"safer": "more boring", "more boring": "safer"})
    )
    swapped[["study_question", "_id"]].to_csv(path, sep="\t", index=False)
    assert PlacePulse(folder, study="safe").files == boring
    table[1:].to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"studies\.tsv does not name all studies of qscores\.tsv"):
        PlacePulse(folder)
    table.assign(study_question="which one?").to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"studies\.tsv has 0 studies of what looks safe, not 1"):
        PlacePulse(folder)
    table.assign(study_question="which one looks safer?").to_csv(path, sep="\t", index=False)
    with pytest.raises(ValueError, match=r"studies\.tsv has 6 studies of what looks safe, not 1"):
        PlacePulse(folder)
    with pytest.raises(ValueError, match="study is 'clean', and not one of beautiful, boring"):
        PlacePulse(folder, study="clean")


def test_scores_and_places_are_those_of_the_photos(root: Path) -> None:
    folder = root / "place_pulse"
    scores = pd.read_csv(folder / "qscores.tsv", sep="\t")
    asked = scores[scores["study_id"] == "50a68a51fdc9f05596000002"].set_index("location_id")["trueskill.score"]
    photos = PlacePulse(folder)
    # Of one place there is no photo.
    named = {path.name.split("_")[2]: path for path in photos.files}
    assert named.keys() == {one for one in asked.index if int(one, 16) != 513_000_000}
    assert len(named) < 99
    for index, path in enumerate(photos.files):
        lat, lon, identifier, city = path.stem.split("_")
        sample = photos[index]
        assert sample["lonlat"].tolist() == [float(lon), float(lat)]
        assert sample["score"].item() == pytest.approx(asked[identifier])
        assert photos.table["city"][index] == city
    twice = pd.concat([scores, scores[:1]])
    twice.to_csv(folder / "qscores.tsv", sep="\t", index=False)
    first = next(name for name, spec in suite_files.photos.STUDIES.items() if spec[0] == scores["study_id"][0])
    with pytest.raises(
        ValueError, match=rf"qscores\.tsv has two scores of {scores['location_id'][0]} in the study {first}"
    ):
        PlacePulse(folder, study=first)


def test_genuine_photos_and_labels_are_read(shared: Path, tmp_path: Path) -> None:
    sample = shared / "data" / "global_streetscapes_sample"
    photos = sorted((sample / "download_imgs").rglob("*.jpeg"))
    here = {path.stem for path in photos}
    folder = tmp_path / "manual_labels"
    (folder / "img" / "1").mkdir(parents=True)
    for path in photos:
        (folder / "img" / "1" / path.name).symlink_to(path)
    for name in GlobalStreetscapes.attributes:
        table = pd.read_csv(sample / "model_training" / "context" / "sample_output" / f"{name}.csv", dtype=str)
        (folder / "train").mkdir(exist_ok=True)
        table[table["uuid"].isin(here)].to_csv(folder / "train" / f"{name}.csv", index=False)
    dataset = GlobalStreetscapes(tmp_path, size=224)
    assert len(dataset) == 25
    assert (dataset.labels >= 0).all(axis=None)
    assert dataset.labels["pano_status"].sum() == 9
    assert dataset[0]["image"].shape == (3, 224, 224)
    assert 20 < dataset[0]["image"].mean() < 235
