"""Several images of a sample, series, arrays and dates: what is declared is delivered, and mistakes are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.transform import from_origin

from gairbench.errors import DataError, UsageError
from gairbench.inputs import ImageInput, LocationInput, Modality, Rendering, Unit
from gairbench.spec import DataContext, Kind, TaskSpec
from gairbench.taskfiles.parsing import load_task_file
from gairbench.taskfiles.source import FileSource

HEAD = "datasets:\n  own:\n    licence: CC0-1.0\n    synthetic: false\n"
N = 12

SEVERAL = """\
    table: {path: t.csv, id: id, lon: lon, lat: lat}
    images:
      before: {modality: rs, folder: im, file: "{id}_a.png", unit: uint8}
      sv: {folder: im, file: "{id}_b.png", unit: uint8, missing: drop}
    split: {by: random}
tasks:
  - {name: own, dataset: own, label: y, kind: regression}
"""

SERIES = """\
    table: {path: t.csv, id: id}
    images:
      modality: rs
      folder: im
      file: "{path}"
      series: {path: frames.csv, on: {id: sample}, date: taken}
      frames: [1, 3]
      unit: uint8
    split: {by: random}
tasks:
  - {name: own, dataset: own, label: y, kind: regression}
"""

ARRAY = """\
    table:
      arrays: {y: y.npy, lon: {path: ll.npy, at: 1}, lat: {path: ll.npy, at: 0}, use: use.npy}
      lon: lon
      lat: lat
    images:
      modality: rs
      array: {path: x.npy, axes: [band, sample, time]}
      frames: 3
      dates: {path: month.npy, year: 2019, first_month: 0}
      bands: [B4, temperature]
      unit: [s2_dn, kelvin]
    split: {by: random}
tasks:
  - {name: own, dataset: own, label: y, kind: regression}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures a and b of each sample, a table of frames, and arrays of twelve samples."""
    (tmp_path / "im").mkdir()
    for i in range(N):
        for number, letter in enumerate("ab"):
            Image.fromarray(np.full((6, 6, 3), 10 * i + number, dtype=np.uint8)).save(
                tmp_path / "im" / f"s{i}_{letter}.png"
            )
    lines = [f"s{i},{i},{i / 2},{i},2020-01-{i + 1:02},2020-02-01" for i in range(N)]
    (tmp_path / "t.csv").write_text("\n".join(["id,lon,lat,y,first,second", *lines]) + "\n")
    frames = [f"s{i},2020-0{2 - k}-01,s{i}_{'ba'[k]}.png" for i in range(N) for k in range(1 + i % 2)]
    (tmp_path / "frames.csv").write_text("\n".join(["sample,taken,path", *frames]) + "\n")
    values = np.arange(2 * N * 3, dtype=np.float64).reshape(2, N, 3) + 300
    months = np.tile([10, 11, 0], (N, 1))
    arrays: dict[str, Any] = {"x": values, "y": np.arange(N) * 0.1, "month": months, "use": np.array(["a", "b"] * 6)}
    arrays["ll"] = np.stack([np.linspace(40, 50, N), np.linspace(100, 120, N)], axis=1)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    return tmp_path


def load(folder: Path, text: str) -> tuple[TaskSpec, ...]:
    (folder / "my.yaml").write_text(HEAD + text)
    return load_task_file(folder / "my.yaml")


def opened(folder: Path, text: str) -> FileSource:
    (task, *_) = load(folder, text)
    assert callable(task.dataset.factory)
    source = task.dataset.factory(DataContext(root=folder))
    assert isinstance(source, FileSource)
    return source


def samples(source: FileSource) -> dict[str, dict[str, torch.Tensor]]:
    splits = [source.split(name) for name in ("train", "val", "test")]
    return {split.ids[i]: split[i] for split in splits for i in range(len(split))}


def test_several_images_are_delivered_by_their_names(folder: Path) -> None:
    (task,) = load(folder, SEVERAL)
    assert task.dataset.delivers == (
        ImageInput(modality=Modality.RS, name="before", masked=True),
        ImageInput(modality=Modality.SV, masked=True),
        LocationInput(),
    )
    found = samples(opened(folder, SEVERAL))
    assert len(found) == N
    assert found["s7"].keys() == {"before", "before_mask", "street_view", "sv_mask", "lonlat"}
    assert all(found["s7"][key].shape == (3, 6, 6) and found["s7"][key].all() for key in ("before_mask", "sv_mask"))
    assert (found["s7"]["before"].unique().tolist(), found["s7"]["street_view"].unique().tolist()) == ([70], [71])


def test_a_row_that_lacks_one_of_its_images_is_dropped_or_refused_as_that_image_says(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = opened(folder, SEVERAL).fingerprint()
    (folder / "im" / "s4_b.png").unlink()
    source = opened(folder, SEVERAL)
    found = samples(source)
    assert "s4" not in found
    assert found["s5"]["before"].unique().tolist() == [50], "the images stay with their rows"
    assert "1 of 12 rows have no image" in caplog.text
    assert source.fingerprint() != before
    (folder / "im" / "s6_a.png").unlink()
    with pytest.raises(DataError, match=r"t\.csv, line 8: no image .*s6_a\.png; add it, or declare 'missing: drop'"):
        samples(opened(folder, SEVERAL))


def test_every_image_is_part_of_the_fingerprint(folder: Path) -> None:
    before = opened(folder, SEVERAL).fingerprint()
    Image.fromarray(np.zeros((6, 6, 3), dtype=np.uint8)).save(folder / "im" / "s3_b.png")
    assert opened(folder, SEVERAL).fingerprint() != before


def test_a_template_a_frame_is_a_series_with_its_dates(folder: Path) -> None:
    text = SEVERAL.replace('file: "{id}_a.png"', 'file: ["{id}_a.png", "{id}_b.png"], dates: [first, second]')
    (task,) = load(folder, text)
    before = ImageInput(modality=Modality.RS, name="before", frames=2, dated=True, masked=True)
    assert task.dataset.delivers[0] == before
    found = samples(opened(folder, text))["s3"]
    assert found["before"].shape == (2, 3, 6, 6)
    assert found["before"].flatten(1)[:, 0].tolist() == [30, 31]
    # 2020-01-04 and 2020-02-01.
    assert found["before_dates"].tolist() == [18265.0, 18293.0]


def test_frames_and_resized_images_say_which_pixels_are_missing(folder: Path) -> None:
    for i in range(N):
        values = np.full((2, 6, 6), 500, dtype=np.uint16)
        values[:, 0, : i % 3] = 0
        grid = {"driver": "GTiff", "count": 2, "height": 6, "width": 6, "dtype": "uint16", "nodata": 0}
        with rasterio.open(folder / "im" / f"s{i}_a.tif", "w", transform=from_origin(0, 60, 10, 10), **grid) as file:
            file.write(values)
    files = 'file: ["{id}_a.tif", "{id}_a.tif"], bands: [B4, B8], size: 3, unit: s2_dn'
    text = SEVERAL.replace('file: "{id}_a.png", unit: uint8', files)
    found = samples(opened(folder, text))
    assert found["s6"]["before_mask"].all()
    assert found["s6"]["before_mask"].shape == (2, 2, 3, 3)
    corner = (~found["s5"]["before_mask"]).nonzero()
    # Shrunk to half, a pixel has parts of those beside its own.
    assert corner.tolist() == [[frame, band, 0, x] for frame in (0, 1) for band in (0, 1) for x in (0, 1)]


def test_frames_of_a_table_are_in_the_order_of_their_dates(folder: Path) -> None:
    found = samples(opened(folder, SERIES))
    assert found["s4"]["image"].flatten(1)[:, 0].tolist() == [41]
    assert found["s5"]["image"].flatten(1)[:, 0].tolist() == [50, 51], "January before February"
    assert found["s5"]["dates"].tolist() == [18262.0, 18293.0]
    frames = (folder / "frames.csv").read_text().splitlines()
    (folder / "frames.csv").write_text("\n".join(line for line in frames if not line.startswith("s5,")))
    with pytest.raises(DataError, match=r"line 7: no image of 's5' in .*frames\.csv"):
        samples(opened(folder, SERIES))
    assert "s5" not in samples(opened(folder, SERIES.replace("unit: uint8", "unit: uint8\n      missing: drop")))


def test_arrays_are_read_by_row_with_their_axes_named(folder: Path) -> None:
    (task,) = load(folder, ARRAY)
    delivered = task.dataset.delivers[0]
    assert isinstance(delivered, ImageInput)
    assert (delivered.size, delivered.frames, delivered.dated, delivered.masked) == (1, 3, True, True)
    found = samples(opened(folder, ARRAY))
    values = np.load(folder / "x.npy")
    assert found.keys() == {f"row:{i + 1}" for i in range(N)}
    np.testing.assert_array_equal(found["row:5"]["image"], values[:, 4].T)
    assert found["row:5"]["mask"].tolist() == [[True, True]] * 3
    assert found["row:1"]["lonlat"].tolist() == [100, 40]
    # 15 November and December 2019, 15 January 2020.
    assert found["row:5"]["dates"].tolist() == [18215.0, 18245.0, 18276.0]
    kept = ARRAY.replace("      lat: lat\n", "      lat: lat\n      keep: {use: b}\n").replace(
        "by: random", "by: random, shares: [0.4, 0.3, 0.3]"
    )
    found = samples(opened(folder, kept))
    assert found.keys() == {f"row:{i}" for i in range(2, N + 1, 2)}
    np.testing.assert_array_equal(found["row:6"]["image"], values[:, 5].T)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"x": np.zeros((2, N - 1, 3))}, r"x\.npy has 11 along axis sample, wanted 12"),
        ({"x": np.zeros((3, N, 3))}, r"x\.npy has 3 along axis band, wanted 2"),
        ({"x": np.zeros((2, N, 4))}, r"x\.npy has 4 along axis time, declared 3"),
        ({"x": np.zeros((2, N))}, r"x\.npy has shape \(2, 12\), and its axes are band, sample, time"),
        ({"x": np.full((2, N, 3), np.nan)}, r"x\.npy, row \d+ holds values that are not finite"),
        ({"x": np.full((2, N, 3), 5.0)}, r"x\.npy, row \d+, band temperature .*5"),
        ({"month": np.full((N, 3), 12)}, r"month\.npy holds values that are not months such as 12 \(0 to 11\)"),
        ({"month": np.zeros((N, 2))}, r"month\.npy has shape \(12, 2\), wanted \(12, 3\)"),
        ({"y": np.zeros(3)}, r"wanted|rows and"),
        ({"ll": np.zeros((N, 1))}, r"ll\.npy of shape \(12, 1\) has no column 1"),
        ({"x": np.array([{"a": 1}], dtype=object)}, r"cannot read array .*x\.npy: .*Python objects"),
    ],
    ids=["samples", "bands", "frames", "axes", "nan", "unit", "months", "dates", "rows", "column", "pickle"],
)
def test_arrays_that_are_not_as_declared_are_named(folder: Path, damage: dict[str, Any], message: str) -> None:
    for name, array in damage.items():
        np.save(folder / f"{name}.npy", array)
    with pytest.raises(DataError, match=message) as caught:  # noqa: PT012  (some are found before any sample is read)
        source = opened(folder, ARRAY)
        source.fingerprint()
        samples(source)
    assert "\n" not in str(caught.value)


def test_an_array_cut_short_or_of_another_format_is_an_error(folder: Path) -> None:
    whole = (folder / "x.npy").read_bytes()
    for content, message in ((whole[:200], "cannot read array"), (b"PK\x03\x04" + whole, "is not a NumPy array")):
        (folder / "x.npy").write_bytes(content)
        with pytest.raises(DataError, match=message):
            opened(folder, ARRAY).fingerprint()


def test_dates_that_are_none_or_run_backwards_are_named(folder: Path) -> None:
    text = SEVERAL.replace('file: "{id}_a.png"', 'file: ["{id}_a.png", "{id}_b.png"], dates: [second, first]')
    with pytest.raises(DataError, match=r"t\.csv, line 2: the dates of before are not in the order of time"):
        opened(folder, text).fingerprint()
    text = SEVERAL.replace('file: "{id}_a.png"', 'file: "{id}_a.png", dates: first')
    table = (folder / "t.csv").read_text()
    (folder / "t.csv").write_text(table.replace("2020-01-03", ""))
    assert samples(opened(folder, text))["s2"]["before_dates"].isnan()
    (folder / "t.csv").write_text(table.replace("2020-01-03", "3 January"))
    with pytest.raises(DataError, match=r"t\.csv, line 4, column 'first': '3 January' is not a date"):
        opened(folder, text).fingerprint()


def test_a_rendering_and_a_gsd_belong_to_the_image(folder: Path) -> None:
    text = ARRAY.replace("axes: [band, sample, time]}", "axes: [band, sample, height, width]}").replace(
        "      frames: 3\n      dates: {path: month.npy, year: 2019, first_month: 0}\n", "      gsd_m: 10\n"
    )
    text = text.replace(
        "bands: [B4, temperature]",
        "bands: [B4, B3, B2]\n      rendering: {bands: [b04, B3, B2], low: 0, high: 3000, gamma: 2}",
    )
    (task,) = load(folder, text.replace("unit: [s2_dn, kelvin]", "unit: s2_dn"))
    delivered = task.dataset.delivers[0]
    assert isinstance(delivered, ImageInput)
    assert delivered.rendering == Rendering(bands=("B4", "B3", "B2"), low=0, high=3000, gamma=2)
    assert (delivered.gsd_m, delivered.unit, delivered.size) == (10, Unit.S2_DN, None)


TASK = "label: y, kind: regression"
MASK = "folder: m, file: '{id}.png'"
SHOWN = "rendering: {bands: [red, green, blue], low: 2, high: 1}"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            "label: y, kind: regression, input: [before, location], localized: true",
            {"localized": True, "category": "cross-modal"},
        ),
        ("label: y, kind: regression, input: before", {"inputs": ("before",), "category": "rs"}),
        ("kind: retrieval, input: [sv, before]", {"kind": Kind.RETRIEVAL, "target": "", "metric": "recall@10"}),
        ("kind: retrieval, input: [rs, sv], localized: true", {"localized": True}),
        ("kind: geolocalization, input: sv", {"target": "place", "metric": "median_km"}),
        ("label: y, kind: classification, min_samples: 2, drop_classes: ['3']", {"kind": Kind.CLASSIFICATION}),
    ],
)
def test_tasks_say_what_is_fed_and_asked(folder: Path, task: str, expected: dict[str, object]) -> None:
    (spec,) = load(folder, SEVERAL.replace(TASK, task))
    assert {name: getattr(spec, name) for name in expected} == expected


def test_the_target_of_geolocalization_is_the_place(folder: Path) -> None:
    source = opened(folder, SEVERAL.replace(TASK, "kind: geolocalization, input: sv"))
    split = source.split("test")
    assert split.target("place").tolist() == [[int(i[1:]), int(i[1:]) / 2] for i in split.ids]
    assert source.classes("place") == ()


def test_each_split_policy_is_a_task_of_its_own(folder: Path) -> None:
    text = SEVERAL.replace("split: {by: random}", "splits: {random: {by: random}, blocks1: {by: blocks, degrees: 1}}")
    first, second = load(folder, text)
    assert (first.name, first.dataset.name) == ("own@random", "own@random")
    assert (second.name, second.dataset.name) == ("own@blocks1", "own@blocks1")
    splits = [[*task.dataset.factory(DataContext(root=folder)).split("test").ids] for task in (first, second)]  # type: ignore[operator]
    assert splits[0] != splits[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "before: {modality: rs,",
            "lonlat: {modality: rs,",
            r"line 7, key '.*images\.lonlat': this name has another meaning",
        ),
        ("before: {modality: rs,", "mask: {modality: rs,", r"images\.mask': this name has another meaning"),
        ("before: {modality: rs,", "s2_mask: {modality: rs,", r"images\.s2_mask': this name has another meaning"),
        ("before: {modality: rs,", "B e: {modality: rs,", r"key '.*images\.B e': is not a plain name"),
        ("sv: {folder", "rs: {modality: sv, folder", r"images\.rs\.modality': sv does not fit the name 'rs'"),
        ("before: {modality: rs, ", "before: {", r"images\.before\.modality': missing"),
        ("before: {modality: rs,", "before: {modality: rs, frames: 2,", r"line 7, .*before\.frames': is not known"),
        ('"{id}_a.png"', '"a.png"', r"before\.file': 'a\.png' names no column"),
        ('"{id}_a.png"', '"{id}_a.png", dates: [first, second]', r"before\.dates': 2 columns for 1 images"),
        (
            '"{id}_a.png"',
            '"{id}_a.png", rendering: {bands: [B4, B3, B2], low: 0, high: 1}',
            r"rendering\.bands': B4, B3, B2: not among red",
        ),
        ('"{id}_a.png"', '"{id}_a.png", ' + SHOWN, r"rendering\.high': 1 is not above low, 2"),
        (TASK, "label: y, kind: regression, input: [sv, sv]", r"line 11, .*input': nothing, or an input twice"),
        (TASK, "label: y, kind: regression, input: befor", r"unknown input 'befor'; did you mean 'before'\?"),
        (TASK, "label: y, kind: regression, input: sv, localized: true", r"localized': does not fit input sv"),
        (TASK, "kind: retrieval, input: sv", r"input': sv: retrieval has two"),
        (TASK, "kind: retrieval, label: y, input: [sv, rs]", r"label': does not fit kind retrieval"),
        (TASK, "kind: geolocalization, input: [sv, location]", r"input': gives the place away"),
        (TASK, "kind: geolocalization, input: before, localized: true", r"localized': gives the place away"),
        (
            TASK,
            "kind: segmentation, input: sv, mask: {MASK, classes: [a, b]}",
            r"input': does not fit kind segmentation",
        ),
        (TASK, "kind: segmentation, input: before", r"mask': missing"),
        (TASK, "kind: segmentation, input: before, mask: {MASK}", r"mask\.classes': does not fit"),
        (TASK, "kind: dense_regression, input: before, mask: {MASK, classes: [a, b]}", r"mask\.classes': does not fit"),
        (
            TASK,
            "kind: segmentation, input: before, mask: {MASK, classes: {a: b, c: d}}",
            r"classes\.a': is not a pixel value",
        ),
        (
            TASK,
            "kind: segmentation, input: before, mask: {MASK, classes: [a, b], ignore: 1}",
            r"ignore': 1 is a class too",
        ),
        (TASK, "label: y, kind: regression, min_samples: 3", r"min_samples': does not fit kind regression"),
        (TASK, "label: y, kind: classification, min_samples: 0", r"min_samples': 0 is not a number of samples"),
        ("split: {by: random}", "split: {by: test_only}", r"tasks\[0\]\.kind': regression learns from a train split"),
        (
            "split: {by: random}",
            "split: {by: random}\n    splits: {a: {by: random}}",
            r"exactly one of 'split' and 'splits'",
        ),
        ("split: {by: random}", "splits: {A b: {by: random}}", r"splits\.A b': is not a plain name"),
        ("table: {path: t.csv,", "table: {path: t.csv, arrays: {a: a.npy},", r"exactly one of 'path' and 'arrays'"),
    ],
)
def test_mistakes_are_named_by_line_and_key(folder: Path, old: str, new: str, message: str) -> None:
    assert old in SEVERAL
    with pytest.raises(UsageError, match=message) as caught:
        load(folder, SEVERAL.replace(old, new.replace("MASK", MASK), 1))
    assert "my.yaml, line " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("axes: [band, sample, time]", "axes: [band, time]", r"array\.axes': band, time: no sample"),
        ("axes: [band, sample, time]", "axes: [band, sample, width]", r"array\.axes': .*half a grid"),
        ("axes: [band, sample, time]", "axes: [band, sample, year]", r"unknown axis 'year'"),
        ("      frames: 3\n", "", r"images\.frames': missing"),
        ("frames: 3", "frames: [3, 1]", r"\[3, 1\] is not a number of frames"),
        ("frames: 3", "frames: 3\n      size: 8", r"images\.size': does not fit single pixels"),
        ("frames: 3", "frames: 3\n      folder: im", r"images\.folder': does not fit an array"),
        ("year: 2019, ", "", r"dates\.first_month': needs a year"),
        ("first_month: 0", "first_month: 2", r"dates\.first_month': 2 is not the number of January"),
        ("at: 1", "at: -1", r"arrays\.lon\.at': -1 is not a position"),
        ("path: x.npy", "path: ../x.npy", r"leaves the data root"),
    ],
)
def test_mistakes_in_arrays_are_named_by_line_and_key(folder: Path, old: str, new: str, message: str) -> None:
    assert old in ARRAY
    with pytest.raises(UsageError, match=message):
        load(folder, ARRAY.replace(old, new, 1))
