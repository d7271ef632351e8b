"""Masks and maps that a split reads sample by sample are never in memory together, and give the same numbers."""

from __future__ import annotations

import threading
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from generated import SHADES
from numpy.typing import NDArray

import gairbench
from gairbench import RGB, Category, DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec
from gairbench.data import ArraySplit
from gairbench.disk_array import disk_array
from gairbench.evaluation import jobs, runner
from gairbench.evaluation.dense_store import DenseStore
from gairbench.predictions import Predictions, load_predictions, save_predictions
from gairbench.results import Result
from gairbench.sample_blocks import sample_blocks
from gairbench.testing.dataset_report import check_dataset

SIZES = {"train": 40, "val": 12, "test": 16}
EDGE = 16


def arrays(name: str, times: int = 1) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]], NDArray[np.float64]]:
    """Return images, the masks and maps that follow from their brightness, and places."""
    n = SIZES[name] * times
    rng = np.random.default_rng(list(SIZES).index(name))
    level = np.repeat(np.repeat(rng.uniform(0, 1, (n, 4, 4)), EDGE // 4, axis=1), EDGE // 4, axis=2)
    image = np.repeat((level * 200 + rng.uniform(0, 40, level.shape)).astype(np.uint8)[:, None], 3, axis=1)
    classes = (level > 0.5).astype(np.uint8)
    classes[:, :2] = 255
    heights = (level * 30).astype(np.float32)
    heights[:, :, :2] = np.nan
    lonlat = np.stack([rng.uniform(-180, 180, n), rng.uniform(-80, 80, n)], axis=1)
    return image, {"cover": classes, "height": heights}, lonlat


class Whole:
    """All masks of a split are one array."""

    def __init__(self, context: object) -> None:
        pass

    def fingerprint(self) -> str:
        return "scenes"

    def classes(self, target: str) -> tuple[str, ...]:
        return {"cover": ("dark", "bright"), "height": ()}[target]

    def split(self, name: str) -> Any:
        image, targets, lonlat = arrays(name)
        return ArraySplit([f"{name}-{i}" for i in range(len(image))], {"image": image, "lonlat": lonlat}, targets)


class OneByOne(ArraySplit):
    """Masks are read one by one, and asking for all of them is an error."""

    read: ClassVar[Counter[tuple[str, str]]] = Counter()
    _lock = threading.Lock()

    def target(self, name: str) -> NDArray[Any]:
        if name in self._targets:
            raise AssertionError("all masks are asked for")
        raise KeyError(name)

    def target_at(self, name: str, index: int) -> NDArray[Any]:
        values: NDArray[Any] = self._targets[name][index]
        with self._lock:
            OneByOne.read[name, self.ids[index]] += 1
        return values


class Single(Whole):
    """The same samples, read one by one."""

    def split(self, name: str) -> Any:
        image, targets, lonlat = arrays(name)
        return OneByOne([f"{name}-{i}" for i in range(len(image))], {"image": image, "lonlat": lonlat}, targets)


class Drawn(ArraySplit):
    """Masks that are drawn when they are read, far larger than the images."""

    edge = 256

    def target_at(self, name: str, index: int) -> NDArray[Any]:
        if name != "cover":
            raise KeyError(name)
        small = self._targets["small"][index]
        return np.repeat(np.repeat(small, self.edge // EDGE, axis=0), self.edge // EDGE, axis=1)


class Large(Whole):
    """Eight times as many samples."""

    times = 8

    def fingerprint(self) -> str:
        return "large"

    def split(self, name: str) -> Any:
        image, targets, lonlat = arrays(name, self.times)
        ids = [f"{name}-{i}" for i in range(len(image))]
        return Drawn(ids, {"image": image, "lonlat": lonlat}, {"small": targets["cover"]})


def dataset(factory: type) -> DatasetSpec:
    image = ImageInput(modality=Modality.RS, bands=RGB, size=EDGE)
    return DatasetSpec(
        name="scenes",
        version=1,
        factory=factory,
        delivers=(image, LocationInput()),
        licence="CC0-1.0",
        citation="generated",
    )


COVER = TaskSpec(
    name="cover",
    version=1,
    category=Category.RS,
    family="generated",
    kind=Kind.SEGMENTATION,
    dataset=dataset(Single),
    target="cover",
    inputs=(Modality.RS,),
    metric="miou",
    extra_metrics=("macro_f1",),
    synthetic=False,
)
HEIGHT = replace(
    COVER,
    name="height",
    kind=Kind.DENSE_REGRESSION,
    target="height",
    metric="pixel_r2",
    extra_metrics=("pixel_rmse",),
)


@pytest.fixture(autouse=True)
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count from 0, with a cache of one's own."""
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    OneByOne.read.clear()


def run(tasks: Any, folder: Path, model: Any = "pixel-stats", **more: Any) -> list[Result]:
    found = gairbench.run(model, tasks, results=folder, device="cpu", **more)
    assert [record.reason for record in found if record.status != "ok"] == []
    return list(found)


@pytest.mark.parametrize(
    "more",
    [{}, {"limit": 9}, {"labels": "30%"}, {"split": "random", "labels": "50%", "limit": 30}],
    ids=["all", "limit", "labels", "split"],
)
@pytest.mark.parametrize("task", [COVER, HEIGHT], ids=["classes", "measurements"])
def test_numbers_are_those_of_whole_arrays(
    task: TaskSpec, more: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run([replace(task, dataset=dataset(Whole))], tmp_path / "whole", **more)
    monkeypatch.setattr(sample_blocks, "__defaults__", (3 * EDGE**2,))
    single = run([task], tmp_path / "single", **more)
    assert OneByOne.read
    for one, other in zip(whole, single, strict=True):
        assert (one.metrics, one.n, one.probe_params) == (other.metrics, other.n, other.probe_params)
        first, second = load_predictions(one, tmp_path / "whole"), load_predictions(other, tmp_path / "single")
        np.testing.assert_array_equal(first.ids, second.ids)
        np.testing.assert_array_equal(first.target, second.target)
        np.testing.assert_array_equal(first.prediction, second.prediction)


def test_masks_are_read_once_for_all_cells_of_a_division_and_leave_no_file(tmp_path: Path) -> None:
    run([COVER, HEIGHT], tmp_path / "one", labels="all,50%")
    assert set(OneByOne.read.values()) == {1}
    assert len(OneByOne.read) == 2 * sum(SIZES.values())
    kept = {path.suffix for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert kept <= {".npy", ".json", ".lock"}, kept


def test_only_the_samples_that_take_part_are_read(tmp_path: Path) -> None:
    run([COVER], tmp_path / "limit", limit=9)
    assert len(OneByOne.read) == 3 * 9


def test_what_is_kept_of_another_division_goes() -> None:
    split = Single(None).split("val")
    rows = np.arange(3)
    store = DenseStore(Path())
    first = store.of("a").read("val", split, "cover", rows, "masks")
    assert store.of("a").read("val", split, "cover", rows, "masks") is first
    assert store.of("b").read("val", split, "cover", rows, "masks") is not first
    assert not first.flags.writeable


def test_cells_of_other_seeds_and_limits_are_given_their_own_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process keeps is shared by all runs here, as by the jobs of one worker."""
    memories: list[jobs.Memory] = []

    def shared(*given: Any) -> jobs.Memory:
        memories.append(jobs.Memory(*given))
        return memories[0]

    runs: list[dict[str, Any]] = [
        {"split": "random", "seed": [0, 1], "limit": 30},
        {"split": "random", "seed": 0, "limit": 20},
        {"split": "random", "seed": 1, "limit": 30},
        {"limit": 30},
        {"limit": 9},
    ]
    apart = [run([COVER], tmp_path / f"apart{i}", **more) for i, more in enumerate(runs)]
    monkeypatch.setattr(runner, "Memory", shared)
    together = [run([COVER], tmp_path / f"together{i}", **more) for i, more in enumerate(runs)]
    assert len(memories) == len(runs)
    for one, other in zip(chain(*apart), chain(*together), strict=True):
        assert (one.seed, one.limit, one.metrics, one.n) == (other.seed, other.limit, other.metrics, other.n)


def test_no_array_of_all_masks_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Blocks of one mask: beside all of them they are then as small as real ones beside gigabytes.
    monkeypatch.setattr(sample_blocks, "__defaults__", (1,))
    # NumPy writes 16 MiB at a time, which is all of these.
    monkeypatch.setattr(jobs, "save_predictions", lambda *_: "")
    task = replace(COVER, dataset=dataset(Large))
    # Its token grids are little beside the masks.
    run([task], tmp_path / "first", SHADES, limit=8)  # whatever is imported is in memory now
    tracemalloc.start()
    try:
        run([task], tmp_path / "second", SHADES, labels="80%")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One mask's confusion takes some twenty times its bytes; val, the smallest split, has 96 masks.
    assert peak < SIZES["val"] * Large.times * Drawn.edge**2 / 2, f"{peak / Drawn.edge**2:.1f} masks"


def test_predictions_are_saved_without_a_copy(tmp_path: Path) -> None:
    masks = disk_array(tmp_path / "cache", (48, 1024, 1024), "uint8")
    for mask in masks:  # what cannot be compressed
        mask[:] = np.random.default_rng(0).integers(0, 256, mask.shape, dtype=np.uint8)
    tracemalloc.start()
    try:
        save_predictions(tmp_path / "one.json", Predictions(np.arange(48), masks[:1], masks))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # NumPy writes 16 MiB at a time; beside them is what they are compressed to.
    assert peak < 5 * 2**24, f"{peak / 2**20:.1f} MiB"


@pytest.mark.parametrize("task", [COVER, HEIGHT], ids=["classes", "measurements"])
def test_data_check_reads_masks_one_by_one(task: TaskSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check_dataset(dataset(Whole), None, [replace(task, dataset=dataset(Whole))])
    monkeypatch.setattr(sample_blocks, "__defaults__", (3 * EDGE**2,))
    report = check_dataset(task.dataset, None, [task])
    assert report.render() == whole.render()
    assert report.ok
    assert set(OneByOne.read.values()) == {2}, "once from each of two instances"
