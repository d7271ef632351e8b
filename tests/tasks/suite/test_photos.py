"""Our classes of street-level photos read their files as published, and say what is wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import suite_files
from PIL import Image
from sklearn.model_selection import train_test_split
from torchvision.transforms import Resize

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


@pytest.mark.parametrize("attribute", GlobalStreetscapes.attributes)
def test_labels_are_those_of_the_photos_and_splits_those_of_the_published_loader(attribute: str, written: Path) -> None:
    folder = written / "global_streetscapes"
    tables = {
        name: pd.read_csv(folder / "manual_labels" / name / f"{attribute}.csv", dtype=str, keep_default_na=False)
        for name in ("train", "test")
    }
    parts = {name: GlobalStreetscapes(folder, name, attribute=attribute) for name in ("train", "val", "test")}
    uuids = {name: [path.stem for path in part.files] for name, part in parts.items()}
    rows = pd.concat(tables.values()).set_index("uuid")[attribute].str.lower()
    for name, part in parts.items():
        assert [part.classes[int(part[n]["label"])] for n in range(len(part))] == rows[uuids[name]].tolist()
    known = {name: table[table[attribute] != ""] for name, table in tables.items()}
    assert len(known["train"]) < len(tables["train"])
    assert uuids["test"] == known["test"]["uuid"].tolist()
    train, val = train_test_split(
        known["train"]["uuid"].tolist(), test_size=0.33, stratify=known["train"][attribute], random_state=42
    )
    assert (uuids["train"], uuids["val"]) == (train, val)
    assert list(parts["train"].classes) == sorted(parts["train"].classes)


def test_photos_of_one_attributes_test_may_be_in_anothers_train(written: Path) -> None:
    folder = written / "global_streetscapes"
    weather = GlobalStreetscapes(folder, "test", attribute="weather")
    glare = GlobalStreetscapes(folder, "train", attribute="glare")
    assert {*weather.files} & {*glare.files}


def test_photos_are_resized_as_the_published_protocol_does(written: Path) -> None:
    photos = GlobalStreetscapes(written / "global_streetscapes", "test", size=224)
    for index in range(2):
        with Image.open(photos.files[index]) as file:
            expected = np.array(Resize((224, 224))(file.convert("RGB"))).transpose(2, 0, 1)
        assert np.array_equal(photos[index]["image"].numpy(), expected)


def test_labels_that_do_not_belong_together_are_refused(root: Path) -> None:
    folder = root / "global_streetscapes"
    path = folder / "manual_labels" / "test" / "weather.csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table = table[table["weather"] != ""].reset_index(drop=True)

    def weather() -> GlobalStreetscapes:
        return GlobalStreetscapes(folder, "test", attribute="weather")

    pd.concat([table, table[:1]]).to_csv(path, index=False)
    with pytest.raises(ValueError, match=rf"weather\.csv has two rows of {table['uuid'][0]}"):
        weather()
    table.assign(weather="sleet").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"weather\.csv has weather 'sleet', not one of clear, cloudy"):
        weather()
    table.to_csv(path, index=False)
    photo = weather().files[0]
    photo.unlink()
    with pytest.raises(ValueError, match=rf"has no {photo.name}; 1 labelled photos are missing"):
        weather()
    with pytest.raises(ValueError, match="attribute is 'snow', and not one of glare, lighting_condition"):
        GlobalStreetscapes(folder, attribute="snow")


def test_archives_that_are_not_unpacked_are_named(root: Path) -> None:
    folder = root / "global_streetscapes"
    shutil.rmtree(folder / "manual_labels" / "img")
    (folder / "manual_labels" / "img").mkdir()
    (folder / "manual_labels" / "img" / "1.tar.gz").touch()
    with pytest.raises(ValueError, match=r"1\.tar\.gz is not unpacked; unpack all archives into .*img"):
        GlobalStreetscapes(folder)


def test_a_photo_that_is_far_too_large_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    photos = GlobalStreetscapes(root / "global_streetscapes")
    with pytest.raises(OSError, match=rf"{photos.files[0].name} cannot be read: Image size"):
        photos[0]


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
        assert sample["score"].item() < 100
        assert photos.table["city"][index] == city
    assert PlacePulse(folder, study="boring").table["score"].between(200, 300).all()
    unknown = scores.assign(**{"trueskill.score": scores["trueskill.score"].where(scores.index > 0)})
    unknown.to_csv(folder / "qscores.tsv", sep="\t", index=False)
    left_out = next(name for name, spec in suite_files.photos.STUDIES.items() if spec[0] == scores["study_id"][0])
    assert scores["location_id"][0] not in [p.name.split("_")[2] for p in PlacePulse(folder, study=left_out).files]
    twice = pd.concat([scores, scores[:1]])
    twice.to_csv(folder / "qscores.tsv", sep="\t", index=False)
    first = next(name for name, spec in suite_files.photos.STUDIES.items() if spec[0] == scores["study_id"][0])
    with pytest.raises(
        ValueError, match=rf"qscores\.tsv has two scores of {scores['location_id'][0]} in the study {first}"
    ):
        PlacePulse(folder, study=first)


def test_a_photo_whose_name_says_no_place_is_named(root: Path) -> None:
    folder = root / "place_pulse"
    (folder / "images" / "._hidden.JPG").touch()
    PlacePulse(folder)
    (folder / "images" / "street.JPG").touch()
    with pytest.raises(ValueError, match=r"street\.JPG is not named <lat>_<lon>_<location_id>_<city>\.JPG"):
        PlacePulse(folder)


def test_genuine_photos_and_labels_are_read(shared: Path, tmp_path: Path) -> None:
    sample = shared / "data" / "global_streetscapes_sample"
    photos = sorted((sample / "download_imgs").rglob("*.jpeg"))
    here = {path.stem for path in photos}
    folder = tmp_path / "manual_labels"
    (folder / "img" / "1").mkdir(parents=True)
    for path in photos:
        (folder / "img" / "1" / path.name).symlink_to(path)
    (folder / "test").mkdir()
    for name, classes in GlobalStreetscapes.attributes.items():
        table = pd.read_csv(sample / "model_training" / "context" / "sample_output" / f"{name}.csv", dtype=str)
        table[table["uuid"].isin(here)].to_csv(folder / "test" / f"{name}.csv", index=False)
        dataset = GlobalStreetscapes(tmp_path, "test", attribute=name, size=224)
        assert len(dataset) == 25
        assert set(dataset.labels["label"]) <= set(range(len(classes)))
    panoramas = GlobalStreetscapes(tmp_path, "test", attribute="pano_status", size=224)
    assert panoramas.labels["label"].sum() == 9
    assert panoramas[0]["image"].shape == (3, 224, 224)
    assert 20 < panoramas[0]["image"].mean() < 235
