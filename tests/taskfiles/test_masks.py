"""Masks and classes that are left out: what is declared is what is learned, and mistakes name the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin

from gairbench.errors import DataError
from gairbench.evaluation.sample_pool import SamplePool
from gairbench.evaluation.samples import select
from gairbench.files.masks import resized_mask
from gairbench.spec import DataContext, Kind, TaskSpec
from gairbench.split_policy import SPLITS
from gairbench.taskfiles.parsing import load_task_file
from gairbench.taskfiles.source import FileSource

TEXT = """\
datasets:
  own:
    licence: CC0-1.0
    synthetic: false
    images: {modality: rs, folder: im, pattern: "*/*.tif", bands: [B4], unit: s2_dn}
    split: {by: random}
tasks:
  - name: cover
    dataset: own
    kind: segmentation
    mask: {folder: masks, file: "{folder}/{stem}_m.png", classes: {0: water, 7: wood, 9: wood}, ignore: 255}
  - name: height
    dataset: own
    kind: dense_regression
    mask: {folder: heights, file: "{folder}/{stem}.tif", ignore: [-9999]}
"""


def tiff(path: Path, values: NDArray[Any], east: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1}
    place = from_origin(500_000 + east, 4_000_000, 80 / values.shape[1], 80 / values.shape[0])
    with rasterio.open(path, "w", dtype=values.dtype, crs="EPSG:32633", transform=place, **profile) as file:
        file.write(values[None])


def png(path: Path, values: NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images in two folders, each with a mask of classes and one of heights."""
    for i in range(12):
        name = f"{'ab'[i % 2]}/{i}"
        tiff(tmp_path / "im" / f"{name}.tif", np.full((8, 8), 100 + i, dtype=np.uint16), 100 * i)
        classes = np.full((8, 8), [0, 7, 9][i % 3], dtype=np.uint8)
        classes[0, 0], classes[1, 1] = 255, 0
        png(tmp_path / "masks" / f"{name}_m.png", classes)
        heights = np.full((8, 8), i, dtype=np.float32)
        heights[0, 0] = -9999
        tiff(tmp_path / "heights" / f"{name}.tif", heights, 100 * i)
    return tmp_path


def load(folder: Path, text: str = TEXT) -> tuple[TaskSpec, ...]:
    (folder / "my.yaml").write_text(text)
    return load_task_file(folder / "my.yaml")


def opened(task: TaskSpec, folder: Path) -> FileSource:
    assert callable(task.dataset.factory)
    source = task.dataset.factory(DataContext(root=folder))
    assert isinstance(source, FileSource)
    return source


def targets(task: TaskSpec, folder: Path) -> dict[str, NDArray[Any]]:
    source = opened(task, folder)
    splits = [source.split(name) for name in ("train", "val", "test")]
    return {i: mask for split in splits for i, mask in zip(split.ids, split.target(task.target), strict=True)}


def test_masks_are_read_with_their_images(folder: Path) -> None:
    cover, height = load(folder)
    assert (cover.kind, cover.metric, height.kind, height.metric) == (
        Kind.SEGMENTATION,
        "miou",
        Kind.DENSE_REGRESSION,
        "pixel_r2",
    )
    source = opened(cover, folder)
    assert source.classes(cover.target) == ("water", "wood")
    assert source.classes(height.target) == ()
    found = targets(cover, folder)
    assert found["b/7.tif"].dtype == np.uint8
    assert found["b/7.tif"][:2, :2].tolist() == [[255, 1], [1, 0]]
    assert (found["a/8.tif"][2:] == 1).all(), "two values of one name are one class"
    assert (found["a/6.tif"][2:] == 0).all()
    heights = targets(height, folder)
    assert np.isnan(heights["b/7.tif"][0, 0])
    assert (heights["b/7.tif"][1:] == 7).all()
    splits = {name: source.split(name) for name in ("train", "val", "test")}
    for task in (cover, height):
        assert [len(chosen.rows) for chosen in select(task, source, splits, None).values()] == [7, 2, 3]


def test_masks_are_part_of_the_fingerprint(folder: Path) -> None:
    cover, _ = load(folder)
    before = opened(cover, folder).fingerprint()
    png(folder / "masks" / "a" / "4_m.png", np.zeros((8, 8), dtype=np.uint8))
    assert opened(cover, folder).fingerprint() != before


def test_another_meaning_of_the_pixels_is_another_target(folder: Path) -> None:
    names = {load(folder, TEXT.replace("7: wood", f"7: {word}"))[0].target for word in ("wood", "meadow")}
    assert len(names) == 2


def test_masks_of_another_size_are_resized_only_where_that_is_declared(folder: Path) -> None:
    png(folder / "masks" / "a" / "4_m.png", np.repeat(np.array([[0, 7], [9, 255]], dtype=np.uint8), 2, axis=0))
    with pytest.raises(DataError, match=r"4_m\.png has 4 x 2 pixels and its image 8 x 8; declare 'resize: nearest'"):
        targets(load(folder)[0], folder)
    found = targets(load(folder, TEXT.replace("ignore: 255", "ignore: 255, resize: nearest"))[0], folder)["a/4.tif"]
    assert found[[0, 3, 4, 7]][:, [0, 3, 4, 7]].tolist() == [[0, 0, 1, 1]] * 2 + [[1, 1, 255, 255]] * 2
    smaller = TEXT.replace("unit: s2_dn", "unit: s2_dn, size: 4").replace("ignore: 255", "ignore: 255, resize: nearest")
    assert targets(load(folder, smaller)[0], folder)["a/4.tif"].shape == (4, 4)


def test_the_nearest_pixel_is_that_at_the_centre() -> None:
    values = np.arange(9).reshape(3, 3)
    assert resized_mask(values, 1, 1).tolist() == [[4]]
    np.testing.assert_array_equal(resized_mask(values, 3, 3), values)


def jpeg(folder: Path) -> None:
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folder / "masks" / "a" / "4_m.png", format="JPEG")


def elsewhere(folder: Path) -> None:
    tiff(folder / "masks" / "a" / "4_m.png", np.zeros((8, 8), dtype=np.uint8), 100 * 4 + 10)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda f: png(f / "masks/a/4_m.png", np.full((8, 8), 3, dtype=np.uint8)),
            "holds the value 3, which is neither",
        ),
        (lambda f: png(f / "masks/a/4_m.png", np.zeros((8, 8, 3), dtype=np.uint8)), "has 3 bands"),
        (lambda f: (f / "masks/a/4_m.png").write_text("hello"), "is neither GeoTIFF nor PNG"),
        (lambda f: (f / "masks/a/4_m.png").unlink(), r"no mask .*4_m\.png; add it"),
        (lambda f: tiff(f / "masks/a/4_m.png", np.zeros((8, 8), dtype=np.float32), 400), "holds float32, not whole"),
        (jpeg, "JPEG changes values"),
        (elsewhere, "lies elsewhere than its image"),
    ],
    ids=["value", "bands", "text", "missing", "float", "jpeg", "elsewhere"],
)
def test_masks_that_cannot_be_used_are_named(folder: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(folder)
    with pytest.raises(DataError, match=message) as caught:
        targets(load(folder)[0], folder)
    assert "4_m.png" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_indices_of_a_palette_are_classes(folder: Path) -> None:
    image = Image.fromarray(np.full((8, 8), 7, dtype=np.uint8), mode="P")
    image.putpalette([i // 3 for i in range(768)])
    image.save(folder / "masks" / "a" / "4_m.png")
    assert (targets(load(folder)[0], folder)["a/4.tif"] == 1).all()


def test_all_masks_have_the_size_of_the_first(folder: Path) -> None:
    tiff(folder / "im" / "b" / "7.tif", np.full((4, 4), 107, dtype=np.uint16), 700)
    png(folder / "masks" / "b" / "7_m.png", np.zeros((4, 4), dtype=np.uint8))
    with pytest.raises(DataError, match=r"7_m\.png is of another size than .*_m\.png; declare the images' 'size'"):
        targets(load(folder)[0], folder)


def test_the_image_that_all_masks_are_compared_with_is_opened_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load(folder)[0]
    source = opened(task, folder)
    sizes: list[int] = []
    shape = source.pixels.shape
    monkeypatch.setattr(source.pixels, "shape", lambda images, row: sizes.append(row) or shape(images, row))
    assert len(source.target(task.target, np.arange(12))) == 12
    assert sorted(sizes) == [0, *range(12)], "each image for its own mask, and the first for all"


def test_one_mask_is_read_alone_and_as_with_all_others(folder: Path) -> None:
    (folder / "masks" / "a" / "4_m.png").write_text("hello")
    cover, height = load(folder)
    for task in (cover, height):
        source = opened(task, folder)
        for name in SPLITS:
            split = source.split(name)
            alone = {i: split.target_at(task.target, n) for n, i in enumerate(split.ids) if i != "a/4.tif"}
            if task is height:
                np.testing.assert_array_equal(
                    np.stack(list(alone.values())),
                    [mask for i, mask in zip(split.ids, split.target(task.target), strict=True) if i != "a/4.tif"],
                )
    with pytest.raises(KeyError):
        split.target_at("no-such-target", 0)


LABELS = """\
datasets:
  own:
    licence: CC0-1.0
    synthetic: false
    table: {path: t.csv, id: id, lon: lon, lat: lat}
    split: {by: column, column: split}
tasks:
  - {name: own, dataset: own, label: tag, kind: classification, KEYS}
  - {name: several, dataset: own, label: tags, kind: multilabel, separator: ";", KEYS}
"""


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """Thirty samples of classes a and b, and three of a rare one of which train has one."""
    rows = []
    for i in range(33):
        tag = "rare" if i >= 30 else "ab"[i % 2]
        split = ("train", "val", "test")[i % 3] if i < 30 else ("train", "val", "test")[i - 30]
        rows.append(f"s{i},{i},0,{split},{tag},{tag};{'ab'[i % 2]}")
    (tmp_path / "t.csv").write_text("\n".join(["id,lon,lat,split,tag,tags", *rows]) + "\n")
    return tmp_path


@pytest.mark.parametrize("keys", ["min_samples: 2", "drop_classes: rare", "min_samples: 2, drop_classes: [rare]"])
def test_classes_are_left_out_of_all_splits_counted_and_named(rare: Path, keys: str) -> None:
    task, several = load(rare, LABELS.replace("KEYS", keys))
    source = opened(task, rare)
    splits = {name: source.split(name) for name in ("train", "val", "test")}
    chosen = select(task, source, splits, None)
    assert source.classes(task.target) == ("a", "b")
    for name, selection in chosen.items():
        assert len(selection.rows) == 10, name
        assert selection.dropped == "1 samples of classes that are left out: 'rare' (1)"
        assert set(selection.target.tolist()) == {0, 1}
    chosen = select(several, source, splits, None)
    assert source.classes(several.target) == ("a", "b")
    assert chosen["test"].target.shape == (11, 2)
    assert chosen["test"].dropped == "labels left out: 'rare'"


def test_why_classes_are_left_out_is_said_of_splits_that_a_policy_makes(rare: Path) -> None:
    task, several = load(rare, LABELS.replace("KEYS", "min_samples: 2"))
    source = opened(task, rare)
    pool = SamplePool(task.dataset, {name: source.split(name) for name in SPLITS})
    dropped = [i for i, number in enumerate(pool.target(task.target)) if number < 0]
    kept = [i for i in range(len(pool)) if i not in dropped]
    # Two of three are tested on; none is in val.
    rows = {"train": [*kept[:15], dropped[0]], "val": kept[15:20], "test": [*kept[20:], *dropped[1:]]}
    splits = {name: pool.split(np.array(some)) for name, some in rows.items()}
    chosen = select(task, source, splits, None, policy="mine")
    why = "1 samples of classes that are left out: 'rare' (1)"
    assert {name: selection.dropped for name, selection in chosen.items()} == {
        "train": f"1 samples without this label (published train, val: {why})",
        "val": "",
        "test": f"2 samples without this label (published val, test: {why})",
    }
    chosen = select(several, source, splits, None, policy="mine")
    assert chosen["test"].dropped == "published val, test: labels left out: 'rare'"


def test_a_class_that_stays_is_learned_as_before(rare: Path) -> None:
    (task, _) = load(rare, LABELS.replace("KEYS", "min_samples: 1"))
    source = opened(task, rare)
    assert source.classes(task.target) == ("a", "b", "rare")
    assert select(task, source, {n: source.split(n) for n in ("train", "val", "test")}, None)["val"].dropped == ""


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("drop_classes: [rar]", "drop_classes of 'tag' names 'rar', which no sample has"),
        ("min_samples: 100", "no class of 'tag' is left: the largest has 5 samples in train"),
    ],
)
def test_classes_that_cannot_be_left_out_are_named(rare: Path, keys: str, message: str) -> None:
    (task, _) = load(rare, LABELS.replace("KEYS", keys))
    with pytest.raises(DataError, match=message):
        opened(task, rare).classes(task.target)
