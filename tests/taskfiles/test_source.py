"""Samples made of files: which there are, what belongs to them, and what changes their fingerprint."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gairbench.data import DataSource, Split
from gairbench.errors import DataError, UsageError
from gairbench.inputs import ImageInput, Modality, Unit
from gairbench.spec import DataContext, Kind, TaskSpec
from gairbench.taskfiles.parsing import load_task_file
from gairbench.taskfiles.source import FileSource

SPLITS = ("train", "val", "test")


def declare(
    folder: Path,
    *,
    table: str = "",
    images: str = "",
    split: str = "{by: random}",
    tasks: str = "label: y, kind: regression",
) -> TaskSpec:
    """Write a task file with one dataset and one task, and read it."""
    lines = ["datasets:", "  own:", "    licence: CC0-1.0", "    synthetic: false"]
    lines += [f"    table: {table}"] if table else []
    lines += [f"    images: {images}"] if images else []
    lines += [f"    split: {split}", "tasks:", f"  - {{name: own-task, dataset: own, {tasks}}}"]
    (folder / "my.yaml").write_text("\n".join(lines) + "\n")
    (task,) = load_task_file(folder / "my.yaml")
    return task


def source_of(task: TaskSpec, root: Path) -> FileSource:
    assert callable(task.dataset.factory)
    source = task.dataset.factory(DataContext(root=root))
    assert isinstance(source, FileSource)
    return source


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)).save(path)


def csv(folder: Path, header: str, row: Callable[[int], str], n: int = 20, name: str = "t.csv") -> None:
    (folder / name).write_text("\n".join([header, *(row(i) for i in range(n))]) + "\n")


def ids_by_split(source: FileSource) -> dict[str, list[str]]:
    return {name: list(source.split(name).ids) for name in SPLITS}


def test_source_and_split_keep_the_contract(tmp_path: Path) -> None:
    csv(tmp_path, "id,lon,lat,y", lambda i: f"{i:03},{i},{-i},{i / 2}")
    task = declare(tmp_path, table="{path: t.csv, id: id, lon: lon, lat: lat}")
    source = source_of(task, tmp_path)
    assert isinstance(source, DataSource)
    split = source.split("train")
    assert isinstance(split, Split)
    assert split.ids[0] == f"{int(split.ids[0]):03}"
    assert split[0]["lonlat"].tolist() == [int(split.ids[0]), -int(split.ids[0])]
    assert split.target(task.target).tolist() == [int(i) / 2 for i in split.ids]
    with pytest.raises(KeyError):
        split.target("no such target")
    assert pickle.loads(pickle.dumps(task)) == task
    assert len({task.dataset, replace(task.dataset)}) == 1


def test_ids_with_leading_zeros_find_their_images(tmp_path: Path) -> None:
    csv(tmp_path, "id,y", lambda i: f"{i:04},{i}")
    for i in range(20):
        picture(tmp_path / "im" / f"{i:04}.png", i)
    task = declare(
        tmp_path, table="{path: t.csv, id: id}", images="{modality: sv, folder: im, file: '{id}.png', unit: uint8}"
    )
    split = source_of(task, tmp_path).split("test")
    expected = np.asarray(Image.open(tmp_path / "im" / f"{split.ids[1]}.png")).transpose(2, 0, 1)
    np.testing.assert_array_equal(split[1]["street_view"].numpy(), expected)


def test_image_is_named_by_several_columns_whatever_their_names(tmp_path: Path) -> None:
    csv(tmp_path, "city name,photo.id,y", lambda i: f"c{i % 2},{i},{i}")
    for i in range(20):
        picture(tmp_path / "im" / f"c{i % 2}" / f"{i}_l.png", i)
    task = declare(
        tmp_path,
        table="{path: t.csv, id: photo.id}",
        images="{modality: rs, folder: im, file: '{city name}/{photo.id}_l.png', unit: uint8}",
    )
    assert len(source_of(task, tmp_path).ids) == 20


@pytest.mark.parametrize("cell", ["../secret.png", "/etc/hostname"])
def test_table_cannot_name_images_outside_the_folder(tmp_path: Path, cell: str) -> None:
    csv(tmp_path, "file,y", lambda i: f"{cell if i == 3 else 'a.png'},{i}")
    picture(tmp_path / "im" / "a.png", 0)
    task = declare(tmp_path, table="{path: t.csv}", images="{modality: rs, folder: im, file: '{file}', unit: uint8}")
    with pytest.raises(DataError, match=r"t\.csv, line 5 names the image .*, which is outside"):
        source_of(task, tmp_path).fingerprint()


@pytest.mark.parametrize("template", ["photo.png", "{}.png", "{id.png", "id}.png"])
def test_template_without_a_column_is_a_usage_error(tmp_path: Path, template: str) -> None:
    with pytest.raises(UsageError, match=r"line 6, key 'datasets\.own\.images\.file': .* names no column"):
        declare(
            tmp_path,
            table="{path: t.csv}",
            images=f"{{modality: rs, folder: im, file: '{template}', unit: uint8}}",
        )


def test_missing_images_are_told_with_all_their_lines(tmp_path: Path) -> None:
    csv(tmp_path, "id,y", lambda i: f"{i},{i}")
    for i in range(20):
        if i not in {4, 7, 9}:
            picture(tmp_path / "im" / f"{i}.png", i)
    images = "{modality: rs, folder: im, file: '{id}.png', unit: uint8}"
    task = declare(tmp_path, table="{path: t.csv, id: id}", images=images)
    with pytest.raises(DataError, match=r"t\.csv, line 6: no image .*/im/4\.png \(nor for 9, 11\); add it, or declare"):
        source_of(task, tmp_path).fingerprint()
    task = declare(tmp_path, table="{path: t.csv, id: id}", images=images.replace("uint8}", "uint8, missing: drop}"))
    assert len(source_of(task, tmp_path).ids) == 17
    shutil.rmtree(tmp_path / "im")
    (tmp_path / "im").mkdir()
    with pytest.raises(DataError, match=r"line 2: no image .* and 9 more\); correct the path"):
        source_of(task, tmp_path).fingerprint()


def test_missing_tables_and_folders_are_named_before_anything_runs(tmp_path: Path) -> None:
    task = declare(tmp_path, table="{path: t.csv, lon: lon, lat: lat, join: [{path: u.csv, on: k}]}")
    with pytest.raises(DataError, match=r"no table .*t\.csv; correct the path or --data-root"):
        source_of(task, tmp_path).fingerprint()
    csv(tmp_path, "k,lon,lat,y", lambda i: f"{i},{i},{i},{i}")
    with pytest.raises(DataError, match=r"no table .*u\.csv"):
        source_of(task, tmp_path).fingerprint()
    images = "{modality: rs, folder: im, pattern: '*/*.png', unit: uint8}"
    task = declare(tmp_path, images=images, tasks="label: folder, kind: classification")
    with pytest.raises(DataError, match=r"no image folder .*im; correct the folder"):
        source_of(task, tmp_path).fingerprint()
    (tmp_path / "im").mkdir()
    with pytest.raises(DataError, match=r"no image matches '\*/\*\.png' in .*im"):
        source_of(task, tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("lon", "200"), "line 7, column 'lat': longitude 200, latitude 5 is out of range"),
        (("lat", ""), "line 7, column 'lat' is empty"),
        (("id", "3"), "line 7, column 'id': '3' is there twice"),
    ],
)
def test_what_breaks_all_tasks_is_found_with_the_fingerprint(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    columns = ["id", "lon", "lat", "y"]

    def row(i: int) -> str:
        cells = [str(i)] * 4
        if i == 5:
            cells[columns.index(change[0])] = change[1]
        return ",".join(cells)

    csv(tmp_path, ",".join(columns), row)
    task = declare(tmp_path, table="{path: t.csv, id: id, lon: lon, lat: lat}")
    with pytest.raises(DataError, match=message):
        source_of(task, tmp_path).fingerprint()


def test_location_that_is_no_number_in_a_file_name_is_told(tmp_path: Path) -> None:
    for i in range(10):
        picture(tmp_path / "im" / "a" / f"{i}.{i}.{i}_2.png", i)
    task = declare(
        tmp_path,
        images=r"{modality: rs, folder: im, pattern: '*/*.png', unit: uint8, "
        r"location: '(?P<lon>[0-9.]+)_(?P<lat>[0-9.]+)\.png'}",
        tasks="label: folder, kind: classification",
    )
    with pytest.raises(DataError, match=r"finds lon '0\.0\.0' and lat '2' in the name of .*0\.0\.0_2\.png"):
        source_of(task, tmp_path).fingerprint()


def classes_of(folder: Path, words: Sequence[str]) -> tuple[str, ...]:
    csv(folder, "lon,lat,y", lambda i: f"{i},{i},{words[i % len(words)]}")
    task = declare(folder, table="{path: t.csv, lon: lon, lat: lat}", tasks="label: y, kind: classification")
    return source_of(task, folder).classes(task.target)


@pytest.mark.parametrize(
    ("words", "classes"),
    [
        (["1.0", "2.0"], ("1", "2")),
        (["1", "1.0", "2."], ("1", "2")),
        (["-1.0", "10"], ("-1", "10")),
        (["007", "7"], ("007", "7")),
        (["1.5", "forest"], ("1.5", "forest")),
        (["1e3", "2"], ("1e3", "2")),
    ],
)
def test_whole_numbers_are_classes_however_they_are_stored(
    tmp_path: Path, words: list[str], classes: tuple[str, ...]
) -> None:
    assert classes_of(tmp_path, words) == classes


def test_measurements_are_no_classes(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, line 3, column 'y': 2\.5 is a measurement .* \(2 such values\); use"):
        classes_of(tmp_path, ["1.0", "2.5", "-.5"])


def test_whole_floats_of_parquet_are_classes(tmp_path: Path) -> None:
    frame = {"lon": np.arange(20.0), "lat": np.arange(20.0), "y": np.arange(20) % 2 + 1.0}
    pd.DataFrame(frame).to_parquet(tmp_path / "t.parquet")
    task = declare(tmp_path, table="{path: t.parquet, lon: lon, lat: lat}", tasks="label: y, kind: classification")
    assert source_of(task, tmp_path).classes(task.target) == ("1", "2")


PATTERN = "{modality: rs, folder: im, pattern: '*/*.png', unit: uint8}"
BY_FOLDER = "label: folder, kind: classification"


def test_hidden_images_are_no_samples_and_are_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for i in range(12):
        picture(tmp_path / "im" / "ab"[i % 2] / f"{i}.png", i)
    picture(tmp_path / "im" / ".ipynb_checkpoints" / "0-checkpoint.png", 0)
    (tmp_path / "im" / "a" / "._0.png").write_bytes(b"Mac OS X")
    (tmp_path / "im" / "b" / "11.PNG").write_bytes(b"x")
    (tmp_path / "im" / "b" / "folder.png").mkdir()
    source = source_of(declare(tmp_path, images=PATTERN, tasks=BY_FOLDER), tmp_path)
    assert len(source.ids) == 12
    assert source.classes("folder (classification)") == ("a", "b")
    (record,) = caplog.records
    assert "2 hidden files, such as '.ipynb_checkpoints/0-checkpoint.png'" in record.getMessage()
    assert "1 file whose case differs, such as 'b/11.PNG'" in record.getMessage()
    assert "1 folder whose name matches, such as 'b/folder.png'" in record.getMessage()


def test_pattern_that_takes_hidden_files_only_says_so(tmp_path: Path) -> None:
    picture(tmp_path / "im" / ".a" / "0.png", 0)
    source = source_of(declare(tmp_path, images=PATTERN, tasks=BY_FOLDER), tmp_path)
    with pytest.raises(DataError, match=r"no image matches .* \(1 hidden file, such as '\.a/0\.png'"):
        source.fingerprint()


@pytest.mark.parametrize("what", ["images", "table"])
def test_links_out_of_the_data_root_are_followed_only_when_asked(tmp_path: Path, what: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    csv(tmp_path if what == "table" else root, "id,y", lambda i: f"{i},{i}")
    for i in range(20):
        picture((tmp_path if what == "images" else root) / "im" / f"{i}.png", i)
    name = "im" if what == "images" else "t.csv"
    (root / name).symlink_to(tmp_path / name)
    images = "{modality: rs, folder: im, file: '{id}.png', unit: uint8}"
    task = declare(root, table="{path: t.csv, id: id}", images=images)
    with pytest.raises(DataError, match=r"leads out of .*, to .*; allow such links \(--follow-links"):
        source_of(task, root).fingerprint()
    text = (root / "my.yaml").read_text()
    (root / "my.yaml").write_text(text.replace("    split:", "    follow_links: true\n    split:"))
    (task,) = load_task_file(root / "my.yaml")
    assert source_of(task, root).fingerprint()


def test_names_in_two_unicode_forms_are_one(tmp_path: Path) -> None:
    forms = [unicodedata.normalize(form, "Café") for form in ("NFC", "NFD")]
    for i in range(20):
        picture(tmp_path / "im" / forms[i % 2] / f"{i}.png", i)
        picture(tmp_path / "im" / "water" / f"{i}.png", i)
    task = declare(tmp_path, images=PATTERN, split="{by: random, stratify: folder}", tasks=BY_FOLDER)
    source = source_of(task, tmp_path)
    assert source.classes(task.target) == ("Café", "water")
    # The labels, the identifiers, the lists and the values of a table likewise, blanks around them or not.
    csv(tmp_path, "id,lon,lat,part,y", lambda i: f"{forms[i % 2]}{i},{i},{i},{forms[i % 2]} ,{forms[i % 2]}")
    table = "{path: t.csv, id: id, lon: lon, lat: lat, keep: {part: Café}}"
    label = "label: y, kind: classification"
    source = source_of(declare(tmp_path, table=table, tasks=label), tmp_path)
    assert source.classes("y (classification)") == ("Café",)
    assert source.ids == tuple(f"Café{i}" for i in range(20))
    for name, part in (("train", range(10)), ("val", range(10, 15)), ("test", range(15, 20))):
        (tmp_path / f"{name}.txt").write_text("".join(f"{forms[(i + 1) % 2]}{i}\n" for i in part))
    lists = "{by: files, train: train.txt, val: val.txt, test: test.txt}"
    assert ids_by_split(source_of(declare(tmp_path, table=table, split=lists), tmp_path))["val"][0] == "Café10"


@pytest.mark.parametrize("given", ["images", "table"])
def test_two_samples_of_one_name_in_two_unicode_forms_are_refused(tmp_path: Path, given: str) -> None:
    forms = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    if given == "table":
        csv(tmp_path, "id,lon,lat,y", lambda i: f"{forms[i]},{i},{i},{i}", n=2)
        task = declare(tmp_path, table="{path: t.csv, id: id, lon: lon, lat: lat}")
        message = r"line 3, column 'id': 'é' is there twice"
    else:
        for form in forms:
            picture(tmp_path / "im" / "a" / f"{form}.png", 0)
        task = declare(tmp_path, images=PATTERN, tasks=BY_FOLDER)
        message = "two files are called .*, in two Unicode forms; rename one"
    with pytest.raises(DataError, match=message):
        source_of(task, tmp_path).fingerprint()


def test_split_does_not_depend_on_the_unicode_form_of_names(tmp_path: Path) -> None:
    found = []
    for form in ("NFC", "NFD"):
        for i, letter in enumerate("éezñn"):
            for n in range(4):
                picture(tmp_path / form / "im" / unicodedata.normalize(form, f"{letter}{n}") / f"{i}.png", i)
        source = source_of(declare(tmp_path, images=PATTERN.replace("im", f"{form}/im"), tasks=BY_FOLDER), tmp_path)
        found.append(ids_by_split(source))
    assert found[0] == found[1]


def test_rows_find_images_whose_names_are_in_another_unicode_form(tmp_path: Path) -> None:
    csv(tmp_path, "id,y", lambda i: f"é{i},{i}")
    for i in range(20):
        picture(tmp_path / "im" / unicodedata.normalize("NFD", f"é{i}.png"), i)
    images = "{modality: rs, folder: im, file: '{id}.png', unit: uint8, missing: drop}"
    assert len(source_of(declare(tmp_path, table="{path: t.csv, id: id}", images=images), tmp_path).ids) == 20


def test_table_s_own_column_called_folder_comes_before_the_images_folders(tmp_path: Path) -> None:
    csv(tmp_path, "id,folder", lambda i: f"{i},{'ab'[i % 2]}")
    for i in range(20):
        picture(tmp_path / "im" / "all" / f"{i}.png", i)
    images = "{modality: rs, folder: im, file: 'all/{id}.png', unit: uint8}"
    task = declare(tmp_path, table="{path: t.csv, id: id}", images=images, tasks="label: folder, kind: classification")
    assert source_of(task, tmp_path).classes(task.target) == ("a", "b")


def test_columns_and_folders_are_groupings_and_coordinates_are_places(tmp_path: Path) -> None:
    csv(tmp_path, "id,lon,lat,country,y", lambda i: f"{i},{i},{-i},{'ab'[i % 2]},{i}")
    split = source_of(declare(tmp_path, table="{path: t.csv, id: id, lon: lon, lat: lat}"), tmp_path).split("train")
    assert split.groups("country").tolist() == ["ab"[int(i) % 2] for i in split.ids]
    assert split.groupings() == ("id", "lon", "lat", "country", "y")
    with pytest.raises(KeyError):
        split.groups("city")
    places = split.places()
    assert places is not None
    assert places.tolist() == [[int(i), -int(i)] for i in split.ids]
    for i in range(20):
        picture(tmp_path / "im" / "ab"[i % 2] / f"{i}.png", i)
    images = "{modality: rs, folder: im, pattern: '**/*.png', unit: uint8}"
    bare = source_of(declare(tmp_path, images=images, tasks="label: folder, kind: classification"), tmp_path)
    assert bare.split("test").places() is None
    assert bare.split("test").groups("folder").tolist() == [i.partition("/")[0] for i in bare.split("test").ids]
    assert bare.split("test").groupings() == ("folder",)
    with pytest.raises(KeyError):
        bare.split("test").groups("country")


def test_what_draws_the_splits_is_the_dataset_s_grouping(tmp_path: Path) -> None:
    csv(tmp_path, "id,lon,lat,country,y", lambda i: f"{i},{i},{-i},{'abcdefg'[i % 7]},{i}")
    table = "{path: t.csv, id: id, lon: lon, lat: lat}"
    by = {"{by: blocks, degrees: 2}": "blocks:2", "{by: group, column: country}": "country", "{by: random}": ""}
    for rule, grouping in by.items():
        task = declare(tmp_path, table=table, split=rule)
        assert task.dataset.group == grouping
        source = source_of(task, tmp_path)
        if grouping == "country":
            found = [{*source.split(name).groups(grouping).tolist()} for name in ("train", "val", "test")]
            assert not found[0] & found[1]
            assert not (found[0] | found[1]) & found[2]


def test_given_columns_folders_and_lists_make_the_splits(tmp_path: Path) -> None:
    countries = ["kenya", "mali", "togo", "ghana"]
    csv(tmp_path, "id,lon,lat,country,y", lambda i: f"p{i},{i},{i},{countries[i % 4]},{i}")
    table = "{path: t.csv, id: id, lon: lon, lat: lat}"
    split = "{by: column, column: country, train: [kenya, mali], val: togo, test: [ghana]}"
    found = ids_by_split(source_of(declare(tmp_path, table=table, split=split), tmp_path))
    assert found["val"] == [f"p{i}" for i in range(2, 20, 4)]
    assert len(found["train"]) == 10

    for name, start in (("train", 0), ("val", 10), ("test", 15)):
        (tmp_path / f"{name}.txt").write_text("".join(f"p{i}\n" for i in range(start, 20)[: 10 if start == 0 else 5]))
    lists = "{by: files, train: train.txt, val: val.txt, test: test.txt}"
    source = source_of(declare(tmp_path, table=table, split=lists), tmp_path)
    assert ids_by_split(source)["test"] == [f"p{i}" for i in range(15, 20)]
    before = source.fingerprint()
    (tmp_path / "val.txt").write_text("".join(f"p{i}\n" for i in range(10, 14)))
    (tmp_path / "train.txt").write_text("".join(f"p{i}\n" for i in [*range(10), 14]))
    assert source_of(declare(tmp_path, table=table, split=lists), tmp_path).fingerprint() != before

    for name in ("train", "validation", "test"):
        for i in range(4):
            picture(tmp_path / "im" / name / "ab"[i % 2] / f"{i}.png", i)
    images = "{modality: rs, folder: im, pattern: '*/*/*.png', unit: uint8}"
    task = declare(
        tmp_path,
        images=images,
        split="{by: folder, val: validation}",
        tasks="label: folder, kind: classification",
    )
    source = source_of(task, tmp_path)
    assert ids_by_split(source)["val"] == [f"validation/{'ab'[i % 2]}/{i}.png" for i in (0, 2, 1, 3)]
    assert source.classes(task.target) == ("a", "b")


def test_val_is_drawn_from_train_where_there_is_none(tmp_path: Path) -> None:
    csv(tmp_path, "id,lon,lat,part,y", lambda i: f"{i},{i},{i},{'test' if i >= 15 else 'train'},{i % 3}")
    table = "{path: t.csv, id: id, lon: lon, lat: lat}"
    with pytest.raises(DataError, match=r"split 'val' of dataset 'own' is empty; .* or draw it with 'val_share'"):
        source_of(declare(tmp_path, table=table, split="{by: column, column: part}"), tmp_path).fingerprint()
    drawn = "{by: column, column: part, val_share: 0.2, stratify: y}"
    source = source_of(declare(tmp_path, table=table, split=drawn), tmp_path)
    found = ids_by_split(source)
    assert [len(found[name]) for name in SPLITS] == [12, 3, 5]
    assert found["test"] == [str(i) for i in range(15, 20)]
    assert sorted(int(i) % 3 for i in found["val"]) == [0, 1, 2]


def test_sample_of_no_split_is_told(tmp_path: Path) -> None:
    csv(tmp_path, "lon,lat,part,y", lambda i: f"{i},{i},{['train', 'val', 'test', 'holdout'][i % 4]},{i}")
    task = declare(tmp_path, table="{path: t.csv, lon: lon, lat: lat}", split="{by: column, column: part}")
    with pytest.raises(DataError, match=r"sample 't\.csv:5' is in no split: column 'part' is 'holdout'"):
        source_of(task, tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("{by: blocks}", "'datasets.own.split.degrees': missing"),
        ("{by: blocks, degrees: 0}", "0 is not a size of a block"),
        ("{by: random, degrees: 1}", "does not fit 'by: random'; it is for blocks only"),
        ("{by: random, column: part}", "it is for group and column only"),
        ("{by: column}", "'datasets.own.split.column': missing"),
        ("{by: column, column: part, shares: [0.6, 0.2, 0.2]}", "it is for random and blocks and group only"),
        ("{by: column, column: part, val: a, val_share: 0.1}", "val is given already"),
        ("{by: column, column: part, val_share: 1.5}", "1.5 is not a share"),
        ("{by: column, column: part, train: a, test: [b, a]}", "'a' is in train too"),
        ("{by: column, column: part, stratify: y}", "it is for 'random' and 'val_share' only"),
        ("{by: folder}", "needs images in folders"),
        ("{by: files, train: a.txt, val: b.txt}", "'datasets.own.split.test': missing"),
        ("{by: files, train: a.txt, val: b.txt, test: ../c.txt}", "leaves the data root"),
        ("{by: random, shares: [0.6, 0.2, 0.3]}", "are not shares of train, val and test"),
        ("{by: spatial}", "unknown by 'spatial'; "),
    ],
)
def test_split_that_contradicts_itself_is_a_usage_error(tmp_path: Path, split: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        declare(tmp_path, table="{path: t.csv, lon: lon, lat: lat}", split=split)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("bands: [B2, B2]", "a band twice, or none"),
        ("bands: [B2, b02]", "a band twice, or none"),
        ("gsd_m: -10", "-10 is not a distance"),
        ("size: 0", "0 is not a size"),
    ],
)
def test_images_that_no_model_could_understand_are_a_usage_error(tmp_path: Path, images: str, message: str) -> None:
    with pytest.raises(UsageError, match=rf"my\.yaml, line 5, key .*{message}"):
        declare(tmp_path, images=f"{{modality: rs, folder: im, pattern: '*', unit: s2_dn, {images}}}")


@pytest.mark.parametrize(
    ("written", "bands"),
    [
        ("[B02, b8a, B11]", ("B2", "B8A", "B11")),
        ("[Red, GREEN, blue]", ("red", "green", "blue")),
        ("[red, green, blue, alpha]", ("red", "green", "blue")),
    ],
)
def test_bands_are_named_as_models_name_them(tmp_path: Path, written: str, bands: tuple[str, ...]) -> None:
    images = f"{{modality: rs, folder: im, pattern: '*', unit: s2_dn, bands: {written}}}"
    (delivered,) = declare(tmp_path, images=images).dataset.delivers
    assert isinstance(delivered, ImageInput)
    assert delivered.bands == bands


def test_label_of_several_that_train_lacks_is_refused(tmp_path: Path) -> None:
    csv(tmp_path, "lon,lat,part,y", lambda i: f"{i},{i},{'train' if i < 12 else 'val' if i < 16 else 'test'},a;b")
    text = (tmp_path / "t.csv").read_text().splitlines()
    (tmp_path / "t.csv").write_text("\n".join([*text[:-1], text[-1].replace("a;b", "a; c ;")]))
    task = declare(
        tmp_path,
        table="{path: t.csv, lon: lon, lat: lat}",
        split="{by: column, column: part}",
        tasks="label: y, kind: multilabel, separator: ';'",
    )
    with pytest.raises(DataError, match=r"t\.csv, line 21, column 'y': label 'c' is in split 'test' but not in train"):
        source_of(task, tmp_path).split("test").target(task.target)


def test_logarithm_that_does_not_exist_is_told_by_line(tmp_path: Path) -> None:
    csv(tmp_path, "lon,lat,y", lambda i: f"{i},{i},{-1 if i == 6 else i}")
    task = declare(
        tmp_path,
        table="{path: t.csv, lon: lon, lat: lat}",
        tasks="label: y, kind: regression, transform: log1p",
    )
    with pytest.raises(DataError, match=r"t\.csv, line 8, column 'y': log1p\(-1\) is undefined"):
        source_of(task, tmp_path).split("train").target(task.target)


def test_keep_that_keeps_nothing_is_told(tmp_path: Path) -> None:
    csv(tmp_path, "lon,lat,country,y", lambda i: f"{i},{i},mali,{i}")
    task = declare(tmp_path, table="{path: t.csv, lon: lon, lat: lat, keep: {country: [Mali, Togo]}}")
    with pytest.raises(DataError, match=r"no row of .*t\.csv has 'Mali' or 'Togo' in column 'country'; correct 'keep'"):
        source_of(task, tmp_path).fingerprint()


def test_fingerprint_follows_content_not_time_or_place(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    csv(here, "id,y", lambda i: f"{i},{i}")
    for i in range(20):
        picture(here / "im" / f"{i}.png", i)
    images = "{modality: rs, folder: im, file: '{id}.png', unit: uint8%s}"
    before = source_of(declare(here, table="{path: t.csv, id: id}", images=images % ""), here).fingerprint()
    shutil.copytree(here, there)
    os.utime(there / "im" / "3.png", (0, 0))
    task = declare(there, table="{path: t.csv, id: id}", images=images % "")
    assert source_of(task, there).fingerprint() == before
    resized = declare(there, table="{path: t.csv, id: id}", images=images % ", size: 3")
    assert source_of(resized, there).fingerprint() != before
    picture(there / "im" / "3.png", 99)
    assert source_of(task, there).fingerprint() != before


def test_images_of_various_sizes_come_as_they_are_or_as_declared(tmp_path: Path) -> None:
    for i in range(12):
        path = tmp_path / "im" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((5 + i, 9, 3), i, dtype=np.uint8)).save(path)
    images = "{modality: rs, folder: im, pattern: '*/*.png', unit: uint8%s}"
    shapes: dict[str, set[Any]] = {}
    for more in ("", ", size: 7"):
        task = declare(tmp_path, images=images % more, tasks="label: folder, kind: classification")
        (delivered,) = task.dataset.delivers
        split = source_of(task, tmp_path).split("train")
        shapes[more] = {tuple(split[i]["image"].shape) for i in range(len(split))}
        assert getattr(delivered, "size", ...) == (7 if more else None)
    assert len(shapes[""]) > 1
    assert shapes[", size: 7"] == {(3, 7, 7)}


def test_geotiffs_with_coordinates_deliver_both(shared: Path, tmp_path: Path) -> None:
    folder = "satclip_ssl4eo_s2/ssl4eo/example"
    task = declare(
        tmp_path,
        table=f"{{path: {folder}/index.csv, id: fn, lon: lon, lat: lat}}",
        images=f"{{modality: rs, folder: {folder}/images, file: '{{fn}}', unit: s2_dn, gsd_m: 10, size: 64, "
        "bands: [B1, B2, B3, B4, B5, B6, B7, B8, B8A, B9, B11, B12]}",
        tasks="label: lat, kind: regression, input: rs",
    )
    assert task.kind is Kind.REGRESSION
    assert task.dataset.modalities == {Modality.RS, Modality.LOCATION}
    source = source_of(task, shared / "data")
    assert len(source.ids) == 20
    split = source.split("train")
    sample = split[0]
    assert sample["image"].shape == (12, 64, 64)
    assert 0 < float(sample["image"].float().mean()) < 20000
    assert float(sample["lonlat"][1]) == pytest.approx(split.target(task.target)[0])
    assert task.dataset.delivers[0].unit is Unit.S2_DN  # type: ignore[union-attr]


def test_every_yaml_of_the_reference_is_accepted(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    whole = [block for block in blocks if "name: plot-yield," in block]
    splits = [line for block in blocks if "datasets:\n" not in block for line in block.splitlines()]
    assert len(whole) == 1
    assert len(splits) == 3
    for text in (whole[0], *(re.sub(r"split: .*", lambda _, line=line: line, whole[0]) for line in splits)):
        (tmp_path / "my.yaml").write_text(text)
        assert [task.name for task in load_task_file(tmp_path / "my.yaml")][:2] == ["plot-yield", "plot-crops"]


def test_tables_are_joined_on_columns_of_two_names(tmp_path: Path) -> None:
    csv(tmp_path, "fips_code,lon,lat", lambda i: f"{i:05d},{i},{i}")
    csv(tmp_path, "fips,y", lambda i: f"{19 - i:05d},{i}", name="u.csv")
    table = "{path: t.csv, id: fips_code, lon: lon, lat: lat, join: [{path: u.csv, on: {fips_code: fips}}]}"
    source = source_of(declare(tmp_path, table=table), tmp_path)
    values = source.labelled("y (regression)").values
    assert values.tolist() == [*range(19, -1, -1)]
    same = table.replace("{fips_code: fips}", "{fips_code: fips_code}")
    with pytest.raises(DataError, match=r"u\.csv has no column 'fips_code'; did you mean 'fips'"):
        source_of(declare(tmp_path, table=same), tmp_path).fingerprint()


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ("{a: b, c: d}", r"key 'datasets\.own\.table\.join\[0\]\.on': 2 pairs of columns; write one"),
        ("{}", "0 pairs of columns; write one"),
        ("{a: {b: c}}", "is not a word"),
        ("{a: [b]}", "is not a word"),
        ("[a, b]", "is not a word or a mapping"),
        ("{a: 5}", "is not a word; put it in quotes"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_as_it_is_written(tmp_path: Path, on: str, message: str) -> None:
    table = f"{{path: t.csv, lon: lon, lat: lat, join: [{{path: u.csv, on: {on}}}]}}"
    with pytest.raises(UsageError, match=message) as error:
        declare(tmp_path, table=table)
    assert "object at 0x" not in str(error.value)


@pytest.mark.parametrize("ext", ["gpkg", "geojson", "shp", "parquet"])
def test_places_of_a_task_come_from_points_in_any_system(tmp_path: Path, ext: str) -> None:
    geopandas = pytest.importorskip("geopandas")
    lon, lat = np.linspace(12, 18, 20), np.linspace(40, 50, 20)
    frame = geopandas.GeoDataFrame({"y": np.arange(20.0)}, geometry=geopandas.points_from_xy(lon, lat), crs=4326)
    projected = frame.to_crs(32633)
    path = tmp_path / f"t.{ext}"
    projected.to_parquet(path) if ext == "parquet" else projected.to_file(path)
    source = source_of(declare(tmp_path, table=f"{{path: t.{ext}, lon: lon, lat: lat}}"), tmp_path)
    np.testing.assert_allclose(source.lonlat, np.stack([lon, lat], axis=1), atol=1e-9)
    assert len(source.fingerprint()) == 64


def test_lists_of_parquet_are_the_labels_of_a_multilabel_task_only(tmp_path: Path) -> None:
    frame = {"lon": np.arange(20.0), "lat": np.arange(20.0), "y": np.arange(20.0), "vector": [np.ones(3)] * 20}
    frame["tags"] = [["a", "b"][: 1 + i % 2] for i in range(20)]
    pd.DataFrame(frame).to_parquet(tmp_path / "t.parquet")
    table = "{path: t.parquet, lon: lon, lat: lat}"
    task = declare(tmp_path, table=table, tasks="label: tags, kind: multilabel, separator: ';'")
    labels = source_of(task, tmp_path).labelled(task.target)
    values, classes = labels.values, labels.classes
    assert classes == ("a", "b")
    assert values.tolist() == [[True, i % 2 == 1] for i in range(20)]
    for label, kind in (("tags", "classification"), ("vector", "regression")):
        task = declare(tmp_path, table=table, tasks=f"label: {label}, kind: {kind}")
        with pytest.raises(DataError, match=rf"t\.parquet, row 1, column '{label}' holds lists"):
            source_of(task, tmp_path).labelled(task.target)
    task = declare(tmp_path, table=table)
    assert source_of(task, tmp_path).labelled(task.target).values.tolist() == [*range(20)], "no list stands in the way"
