"""Task files: what they declare is what is evaluated, and every mistake is told by file, line and key."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from gairbench.data import sample_key
from gairbench.errors import DataError, UsageError
from gairbench.evaluation.samples import select
from gairbench.inputs import ImageInput, LocationInput, Modality, Unit
from gairbench.plugins import Origin, Registry
from gairbench.spec import DataContext, Kind, TaskSpec
from gairbench.taskfiles.parsing import load_task_file
from gairbench.taskfiles.source import FileSource
from gairbench.testing.dataset_report import check_dataset

RUN_CONFIGS = {"distillation.yaml", "paper_study.yaml"}
EXAMPLES = sorted(
    path for path in (Path(__file__).parents[2] / "examples").glob("*.yaml") if path.name not in RUN_CONFIGS
)

IMAGES = """\
datasets:
  fields:
    licence: CC0-1.0
    synthetic: false
    images:
      modality: rs
      folder: fields
      pattern: "*/*.png"
      location: '(?P<lon>-?\\d+)_(?P<lat>-?\\d+)'
      unit: uint8
    split: {by: random, stratify: folder, seed: 1}
tasks:
  - {name: crop, dataset: fields, label: folder, kind: classification}
"""

TABLE = """\
datasets:
  points:
    licence: CC0-1.0
    synthetic: false
    table: {path: points.csv, id: key, lon: lon, lat: lat}
    split: {by: blocks, degrees: 10}
tasks:
  - {name: height, dataset: points, label: metres, kind: regression}
  - {name: kinds, dataset: points, label: tags, kind: multilabel, separator: ";"}
  - {name: log-height, dataset: points, label: metres, kind: regression, transform: log1p}
"""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty pictures in two folders, with coordinates in their names."""
    rng = np.random.default_rng(0)
    for label in ("maize", "wheat"):
        (tmp_path / "fields" / label).mkdir(parents=True)
        for i in range(10):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "fields" / label / f"{i * 5}_{i - 60}{label}.png")
    return tmp_path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty points in a table."""
    rng = np.random.default_rng(0)
    places = rng.uniform([-180, -90], [180, 90], (60, 2)).round(3)
    lines = ["key,lon,lat,metres,tags"]
    lines += [f"p{i},{lon},{lat},{i * 10},a;{'b' if i % 2 else 'c'}" for i, (lon, lat) in enumerate(places)]
    (tmp_path / "points.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def load(folder: Path, text: str) -> tuple[TaskSpec, ...]:
    file = folder / "my.yaml"
    file.write_text(text)
    return load_task_file(file)


def open_(spec: TaskSpec, root: Path) -> FileSource:
    source = spec.dataset.factory(DataContext(root=root))  # type: ignore[operator]
    assert isinstance(source, FileSource)
    return source


def test_folder_of_images_is_a_dataset_with_classes_and_coordinates(images: Path) -> None:
    (task,) = load(images, IMAGES)
    assert task.inputs == (Modality.RS,)
    assert task.dataset.delivers == (
        ImageInput(modality=Modality.RS, unit=Unit.UINT8, masked=True),
        LocationInput(),
    )
    source = open_(task, images)
    assert source.classes(task.target) == ("maize", "wheat")
    splits = {name: source.split(name) for name in ("train", "val", "test")}
    assert sorted(i for s in splits.values() for i in s.ids) == sorted(source.ids)
    assert [len(s) for s in splits.values()] == [12, 4, 4]
    first = splits["train"][0]
    identifier = splits["train"].ids[0]
    picture = np.asarray(Image.open(images / "fields" / identifier)).transpose(2, 0, 1)
    np.testing.assert_array_equal(first["image"].numpy(), picture)
    number = int(Path(identifier).name.split("_")[0])
    assert first["lonlat"].tolist() == [number, number // 5 - 60]
    assert splits["train"].target(task.target)[0] == ("maize", "wheat").index(identifier.split("/")[0])


def test_table_gives_regression_multilabel_and_transformed_targets(table: Path) -> None:
    height, kinds, logs = load(table, TABLE)
    assert height.dataset == kinds.dataset == logs.dataset, "tasks of one dataset share its embeddings"
    source = open_(height, table)
    metres = source.labelled(height.target).values
    np.testing.assert_allclose(metres, np.arange(60) * 10.0)
    np.testing.assert_allclose(source.labelled(logs.target).values, np.log1p(metres))
    tags, names = source.labelled(kinds.target).values, source.classes(kinds.target)
    assert names == ("a", "b", "c")
    assert tags[:2].tolist() == [[True, False, True], [True, True, False]]
    blocks = {
        name: {tuple(np.floor((s[i]["lonlat"].numpy() + np.array([180, 90])) / 10)) for i in range(len(s))}
        for name, s in ((n, source.split(n)) for n in ("train", "val", "test"))
    }
    assert not blocks["train"] & blocks["test"]
    assert not blocks["train"] & blocks["val"]


def test_tasks_enter_the_registry_like_a_plugin_s(table: Path) -> None:
    registry = Registry()
    registry.add(Origin("task-file", "my.yaml", "0"), tasks=load(table, TABLE))
    assert set(registry.tasks) == {"height", "kinds", "log-height"}
    assert set(registry.datasets) == {"points"}


def test_evaluators_and_metrics_are_those_of_the_kind_or_chosen(table: Path) -> None:
    height, kinds, _ = load(table, TABLE)
    assert (height.metric, height.extra_metrics, height.evaluators) == ("r2", ("pearson_r",), ())
    assert (kinds.metric, kinds.extra_metrics) == ("micro_f1", ())
    chosen = TABLE.replace("kind: regression}", "kind: regression, metric: rmse, evaluators: [ridge, mlp]}").replace(
        'separator: ";"}', 'separator: ";", extra_metrics: [map, auc], evaluators: mlp}'
    )
    height, kinds, _ = load(table, chosen)
    assert (height.metric, height.extra_metrics, height.evaluators) == ("rmse", ("pearson_r",), ("ridge", "mlp"))
    assert (kinds.metric, kinds.extra_metrics, kinds.evaluators) == ("micro_f1", ("map", "auc"), ("mlp",))


def test_geotiff_is_read_with_its_bands_and_resized(tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    values = np.arange(4 * 8 * 8, dtype=np.uint16).reshape(4, 8, 8)
    for i in range(8):
        with rasterio.open(
            tmp_path / "tiles" / f"t{i}.tif", "w", driver="GTiff", width=8, height=8, count=4, dtype="uint16"
        ) as file:
            file.write(values + i)
    (tmp_path / "labels.csv").write_text("tile,yield\n" + "".join(f"t{i},{i}\n" for i in range(8)))
    (task,) = load(
        tmp_path,
        "datasets:\n  tiles:\n    licence: x\n    synthetic: false\n    table: {path: labels.csv, id: tile}\n"
        "    images: {modality: rs, folder: tiles, file: '{tile}.tif', bands: [B2, B3, B4, B8], unit: s2_dn, size: 4}\n"
        "    split: {by: random}\n"
        "tasks:\n  - {name: t, dataset: tiles, label: yield, kind: regression}\n",
    )
    source = open_(task, tmp_path)
    sample = source.split("train")[0]
    assert sample["image"].shape == (4, 4, 4)
    index = int(source.split("train").ids[0][1:])
    assert float(sample["image"].float().mean()) == pytest.approx(values.mean() + index, abs=0.6)


def test_fingerprint_follows_the_data_and_the_split_but_not_the_labels_asked(table: Path, images: Path) -> None:
    height = load(table, TABLE)[0]
    before = open_(height, table).fingerprint()
    fewer = load(table, "\n".join(TABLE.splitlines()[:-1]))[0]
    assert open_(fewer, table).fingerprint() == before
    other = load(table, TABLE.replace("degrees: 10", "degrees: 20"))[0]
    assert open_(other, table).fingerprint() != before
    text = (table / "points.csv").read_text()
    (table / "points.csv").write_text(text.replace("p3,", "p3x,"))
    assert open_(height, table).fingerprint() != before
    (crop,) = load(images, IMAGES)
    before = open_(crop, images).fingerprint()
    picture = next((images / "fields").rglob("*.png"))
    Image.fromarray(np.zeros((12, 12, 3), dtype=np.uint8)).save(picture)
    assert open_(crop, images).fingerprint() != before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "unit: uint8",
            "unit: unit8",
            "line 10, key 'datasets.fields.images.unit': unknown unit 'unit8'; did",
        ),
        ("    licence: CC0-1.0\n", "", r"key 'datasets.fields.licence': missing"),
        ("synthetic: false", "synthetik: false", r"line 4, key .*synthetik': unknown key; did you mean 'synthetic'\?"),
        ("modality: rs", "modality: xs", "unknown modality 'xs'"),
        ("seed: 1", "seed: one", "'one' is not a whole number"),
        ("kind: classification", "kind: classify", "unknown kind 'classify'; did you mean 'classification'"),
        ("dataset: fields", "dataset: field", "unknown dataset 'field'; did you mean 'fields'"),
        ("folder: fields", "folder: ../fields", "leaves the data root"),
        ("folder: fields", "folder: fields\n      folder: b", "key 'folder' is there twice"),
        ("(?P<lat>", "(?P<lot>", "has no groups lon and lat"),
        ("by: random", "by: blocks, degrees: 1", "stratify': does not fit 'by: blocks'"),
        ("tasks:", "tasks: []\nmore:", "unknown key"),
        ("datasets:", "datasets: [", "line"),
        ("name: crop", "name: Crop It", "is not a plain name"),
        ("name: crop", "name: crop, evaluators: [knn, knn]", r"evaluators': 'knn' is there twice; name it once"),
        ("name: crop", "name: crop, extra_metrics: [1]", "extra_metrics': 1 .* in the list is not a word"),
        ("name: crop", "name: crop, metrics: auc", "metrics': unknown key; did you mean 'metric'"),
        ("unit: uint8", "unit: !!python/name:os.system x", "line 10"),
    ],
)
def test_mistake_in_the_file_is_told_by_line_and_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in IMAGES
    with pytest.raises(UsageError, match=message) as caught:
        load(tmp_path, IMAGES.replace(old, new, 1))
    assert "\n" not in str(caught.value)
    assert "my.yaml" in str(caught.value)


def read_all(task: TaskSpec, root: Path) -> None:
    source = open_(task, root)
    splits = {name: source.split(name) for name in ("train", "val", "test")}
    select(task, source, splits, None)
    for split in splits.values():
        for i in range(len(split)):
            split[i]


@pytest.mark.parametrize(
    ("cell", "value", "message"),
    [
        ((5, "lat"), "95", r"points.csv, line 7, column 'lat': longitude .*, latitude 95 is out of range"),
        ((5, "lon"), "", r"points.csv, line 7, column 'lon' is empty"),
        ((5, "metres"), "", r"points.csv, line 7, column 'metres' is empty"),
        ((5, "metres"), "high", r"line 7, column 'metres': 'high' is not a number"),
        ((5, "key"), "p4", r"points.csv, line 7, column 'key': 'p4' is there twice"),
    ],
)
def test_bad_cell_is_told_by_row_and_column(table: Path, cell: tuple[int, str], value: str, message: str) -> None:
    rows = [line.split(",") for line in (table / "points.csv").read_text().splitlines()]
    rows[cell[0] + 1][rows[0].index(cell[1])] = value
    (table / "points.csv").write_text("\n".join(",".join(row) for row in rows))
    with pytest.raises(DataError, match=message) as caught:
        read_all(load(table, TABLE)[0], table)
    assert "\n" not in str(caught.value)


def test_swapped_coordinates_are_refused_and_named(table: Path) -> None:
    task = load(table, TABLE.replace("lon: lon, lat: lat", "lon: lat, lat: lon"))[0]
    with pytest.raises(DataError, match="longitude and latitude look swapped; exchange them"):
        read_all(task, table)


def test_missing_column_names_the_nearest(table: Path) -> None:
    task = load(table, TABLE.replace("label: metres", "label: meters"))[0]
    with pytest.raises(DataError, match=r"has no column 'meters'; did you mean 'metres'\?"):
        read_all(task, table)


def test_class_that_train_lacks_is_refused(table: Path) -> None:
    text = (table / "points.csv").read_text().splitlines()
    names = ["split,tag"] + ["train,a" if i < 40 else "val,a" if i < 50 else "test,b" for i in range(60)]
    (table / "points.csv").write_text("\n".join(f"{a},{b}" for a, b in zip(text, names, strict=True)))
    yaml = TABLE.replace("by: blocks, degrees: 10", "by: column, column: split").split("tasks:")[0]
    (task,) = load(table, yaml + "tasks:\n  - {name: c, dataset: points, label: tag, kind: classification}\n")
    assert task.kind is Kind.CLASSIFICATION
    with pytest.raises(DataError, match=r"class 'b' is in split 'test' \(10 samples\) but not in train"):
        read_all(task, table)


def test_empty_split_is_refused(table: Path) -> None:
    task = load(table, TABLE.replace("degrees: 10", "degrees: 360"))[0]
    with pytest.raises(DataError, match=r"split '(val|test)' of dataset 'points' is empty"):
        read_all(task, table)


@pytest.mark.parametrize("damage", ["cut short", "not an image", "grey", "missing"])
def test_broken_image_is_named(images: Path, damage: str) -> None:
    victim = sorted((images / "fields").rglob("*.png"))[3]
    if damage == "cut short":
        victim.write_bytes(victim.read_bytes()[:200])
    elif damage == "not an image":
        victim.write_text("hello")
    elif damage == "grey":
        Image.fromarray(np.zeros((12, 12), dtype=np.uint8)).save(victim)
    (task,) = load(images, IMAGES)
    source = open_(task, images)
    splits = [source.split(name) for name in ("train", "val", "test")]
    if damage == "missing":
        victim.unlink()
    message = {"grey": "has 1 band, and 3 are declared", "missing": "no image"}.get(damage, "cannot read image")
    with pytest.raises(DataError, match=message) as caught:  # noqa: PT012 - which split holds it is the seed's affair
        for split in splits:
            for i in range(len(split)):
                split[i]
    assert victim.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_name_without_coordinates_is_named(images: Path) -> None:
    odd = images / "fields" / "maize" / "nowhere.png"
    Image.fromarray(np.zeros((12, 12, 3), dtype=np.uint8)).save(odd)
    with pytest.raises(DataError, match=r"nowhere\.png does not match the location pattern"):
        read_all(load(images, IMAGES)[0], images)


def test_row_without_an_image_is_refused_or_left_out_as_declared(
    images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [p.relative_to(images / "fields").as_posix() for p in sorted((images / "fields").rglob("*.png"))]
    (images / "t.csv").write_text("file,score\n" + "".join(f"{n},{i}\n" for i, n in enumerate([*names, "maize/x.png"])))
    text = (
        "datasets:\n  d:\n    licence: x\n    synthetic: false\n    table: {path: t.csv, id: file}\n"
        "    images: {modality: rs, folder: fields, file: '{file}', unit: uint8}\n    split: {by: random}\n"
        "tasks:\n  - {name: t, dataset: d, label: score, kind: regression}\n"
    )
    with pytest.raises(DataError, match=r"t.csv, line 22: no image .*maize/x\.png; add it, or declare"):
        read_all(load(images, text)[0], images)
    (task,) = load(images, text.replace("unit: uint8}", "unit: uint8, missing: drop}"))
    read_all(task, images)
    assert len(open_(task, images).ids) == 20
    assert "1 of 21 rows have no image" in caplog.text


def test_check_lists_every_broken_file_and_duplicates_across_splits(images: Path) -> None:
    files = sorted((images / "fields").rglob("*.png"))
    (task,) = load(images, IMAGES)
    source = open_(task, images)
    assert check_dataset(task.dataset, images).ok
    train, test = (images / "fields" / source.split(s).ids[0] for s in ("train", "test"))
    test.write_bytes(train.read_bytes())
    broken = [f for f in files if f not in {train, test}][:2]
    for file in broken:
        file.write_text("hello")
    report = check_dataset(task.dataset, images)
    assert not report.ok
    assert len(report.problems) == 3
    assert all(any(file.name in problem for problem in report.problems) for file in broken)
    assert "are equal but in different splits" in report.problems[-1]
    assert "NOT OK" in report.render()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_reads_the_real_data(example: Path, shared: Path) -> None:
    tasks = load_task_file(example)
    for task in tasks:
        source = open_(task, shared / "data")
        splits = {name: source.split(name) for name in task.dataset.splits}
        ids = [i for split in splits.values() for i in split.ids]
        assert len(ids) == len(set(ids)) == len(source.ids)
        if task.kind is not Kind.RETRIEVAL:
            assert all(len(selection.rows) >= 3 for selection in select(task, source, splits, None).values())
        for split in splits.values():
            for index in (0, len(split) - 1):
                sample = split[index]
                for declared in task.dataset.delivers:
                    value = sample[sample_key(declared.name)]
                    if isinstance(declared, LocationInput):
                        lon, lat = value.tolist()
                        assert -180 <= lon <= 180
                        assert -90 <= lat <= 90
                        continue
                    assert value.shape[1 if declared.frames else 0] == len(declared.bands)
                    if declared.unit is Unit.UINT8:
                        assert value.shape[1:] == (declared.size, declared.size)
                        assert 0 <= int(value.min()) < int(value.max()) <= 255


def test_examples_hold_the_counts_that_the_sources_state(shared: Path) -> None:
    counts = {}
    for example in EXAMPLES:
        for task in load_task_file(example):
            counts[task.dataset.name] = len(open_(task, shared / "data").ids)
    assert counts == {
        "croatia": 200,
        "croatia-ahead": 100,
        "dhs": 19_669,
        "fuel-moisture": 2_313,
        "harvey": 3_000,
        "mosaiks-elevation": 4_981,
        "mosaiks-forest": 4_981,
        "mosaiks-nightlights": 4_922,
        "mosaiks-population": 4_256,
        "rsscn7": 210,
        "s2-tiles@blocks30": 20,
        "s2-tiles@random": 20,
        "stations": 3_076,
        "streetscapes": 2_246,
        "streetscapes-photos": 25,
        "triples": 3,
    }


def test_groups_diagnostics_and_sweeps_are_those_of_the_task(table: Path, tmp_path: Path) -> None:
    keys = "group: country, family: shifts, diagnostic: true, sweep: {quantity: offset (m), value: 30}"
    text = f"{TABLE}  - {{name: shifted, dataset: points, label: metres, kind: regression, {keys}}}\n"
    (tmp_path / "own.yaml").write_text(text)
    height, *_, shifted = load_task_file(tmp_path / "own.yaml")
    assert (shifted.group, shifted.diagnostic, shifted.sweep) == ("country", True, ("offset (m)", 30.0))
    assert (height.group, height.diagnostic, height.sweep) == ("", False, None)


def test_a_sweep_is_of_diagnostic_tasks(table: Path, tmp_path: Path) -> None:
    task = "{name: s, dataset: points, label: metres, kind: regression, sweep: {quantity: m, value: 1}}"
    (tmp_path / "own.yaml").write_text(f"{TABLE}  - {task}\n")
    with pytest.raises(
        UsageError, match=r"line 11, key 'tasks\[3\]\.sweep': is for diagnostic tasks; add 'diagnostic: true'"
    ):
        load_task_file(tmp_path / "own.yaml")


def test_every_rule_of_several_is_its_own_grouping(tmp_path: Path) -> None:
    rules = "splits: {near: {by: blocks, degrees: 2.5}, far: {by: group, column: zone}, any: {by: random}}"
    (tmp_path / "t.yaml").write_text(
        "datasets:\n  d:\n    licence: CC0-1.0\n    synthetic: false\n    table: {path: t.csv, lon: x, lat: y}\n"
        f"    {rules}\ntasks:\n  - {{name: t, dataset: d, label: zone, kind: classification}}\n"
    )
    tasks = load_task_file(tmp_path / "t.yaml")
    found = {task.dataset.name: task.dataset.group for task in tasks}
    assert found == {"d@near": "blocks:2.5", "d@far": "zone", "d@any": ""}
