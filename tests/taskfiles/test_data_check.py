"""``gairbench data check``: everything that is wrong, each thing once, and what there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import generated
import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from gairbench.data import ArraySplit
from gairbench.errors import DataError
from gairbench.spec import DatasetSpec, ImageInput, Kind, LocationInput, Modality, Unit
from gairbench.testing.dataset_report import DataReport, check_dataset

IMAGE = ImageInput(modality=Modality.RS, size=4)
SPLITS = ("train", "val", "test")


class Samples:
    """A source of the given splits; a split that is an exception is raised."""

    def __init__(self, splits: Mapping[str, Any], classes: tuple[str, ...] = ("a", "b", "c")) -> None:
        self.splits = splits
        self._classes = classes

    def __call__(self, context: object) -> Samples:
        return self

    def fingerprint(self) -> str:
        return "x"

    def classes(self, target: str) -> tuple[str, ...]:
        return self._classes

    def split(self, name: str) -> Any:
        if isinstance(self.splits[name], Exception):
            raise self.splits[name]
        return self.splits[name]


def split(
    name: str, n: int = 6, seed: int = 0, changes: Mapping[str, NDArray[Any]] | None = None, **targets: NDArray[Any]
) -> ArraySplit:
    rng = np.random.default_rng([seed, SPLITS.index(name)])
    arrays = {
        "image": rng.integers(0, 256, (n, 3, 4, 4), dtype=np.uint8),
        "lonlat": np.stack([rng.uniform(100, 120, n), rng.uniform(-10, 10, n)], axis=1),
    }
    return ArraySplit([f"{name}{i}" for i in range(n)], arrays | dict(changes or {}), targets)


def check(source: Samples, kind: Kind | None = None, **spec: Any) -> DataReport:
    declared = DatasetSpec(
        name="own", version=1, factory=source, delivers=spec.pop("delivers", (IMAGE, LocationInput())), **spec
    )
    tasks = [generated.task("own-y", kind, "y", "accuracy", Modality.RS, dataset=declared)] if kind else []
    return check_dataset(declared, None, tasks)


def test_sound_dataset_is_described() -> None:
    y = {"train": [0, 0, 1, 1, 1, -1], "val": [0, 1, 1, 1, 1, 1], "test": [1, 1, 0, 0, 0, 0]}
    source = Samples({name: split(name, y=np.array(y[name])) for name in SPLITS})
    report = check(source, Kind.CLASSIFICATION)
    assert report.ok
    assert report.counts == {"train": 6, "val": 6, "test": 6}
    assert report.balance["y"]["train"] == {"": 1, "a": 2, "b": 3}
    lonlat = np.concatenate([source.splits[name]._inputs["lonlat"] for name in SPLITS])
    assert report.ranges["longitude"] == (lonlat[:, 0].min(), lonlat[:, 0].max())
    assert report.ranges["latitude"] == (lonlat[:, 1].min(), lonlat[:, 1].max())
    text = report.render()
    assert text.startswith("own: ok; train 6, val 6, test 6; values: image 0 to 25")
    assert "  y, test: a 4, b 2" in text


def test_class_that_train_lacks_is_a_problem() -> None:
    y = {"train": [0, 1] * 3, "val": [0, 2] * 3, "test": [0, 1] * 3}
    report = check(Samples({name: split(name, y=np.array(y[name])) for name in SPLITS}), Kind.CLASSIFICATION)
    assert report.problems == ["target 'y': 'c' is in val but not in train"]
    assert not report.ok


def test_labels_of_several_and_measurements_are_summed_up() -> None:
    tags = {name: np.array([[True, False, i % 2 == 0] for i in range(6)]) for name in SPLITS}
    report = check(Samples({name: split(name, y=tags[name]) for name in SPLITS}), Kind.MULTILABEL)
    assert report.balance["y"]["val"] == {"a": 6, "c": 3}
    report = check(Samples({name: split(name, y=np.arange(6.0)) for name in SPLITS}), Kind.REGRESSION)
    assert report.spans["y"]["test"] == (0.0, 2.5, 5.0)
    assert "  y, test: 0 to 5, mean 2.5" in report.render()
    bad = {name: split(name, y=np.array([1, 2, 3, 4, 5, np.nan if name == "val" else 6])) for name in SPLITS}
    assert check(Samples(bad), Kind.REGRESSION).problems == ["target 'y' has values in val that are no finite numbers"]


def test_target_that_does_not_exist_is_told_once() -> None:
    assert check(Samples({name: split(name) for name in SPLITS}), Kind.REGRESSION).problems == [
        "there is no target 'y'"
    ]


class Broken(ArraySplit):
    """Raises what a stranger's code may raise for two of its samples."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if index in {1, 4}:
            raise ValueError(f"cannot decode {index}")
        return super().__getitem__(index)


class BrokenBatches(Broken):
    """The same, read in batches."""

    def __getitems__(self, indices: list[int]) -> list[dict[str, Tensor]]:
        return [self[i] for i in indices]


@pytest.mark.parametrize("kind", [Broken, BrokenBatches])
def test_all_unreadable_samples_are_listed_whatever_they_raise(kind: type[ArraySplit]) -> None:
    whole = split("val")
    splits: dict[str, Any] = {name: split(name) for name in SPLITS}
    splits["val"] = kind(whole.ids, whole._inputs, {})
    report = check(Samples(splits))
    assert report.problems == [
        "val/val1: ValueError: cannot decode 1",
        "val/val4: ValueError: cannot decode 4",
    ]
    assert report.counts["val"] == 6


def test_split_that_cannot_be_opened_does_not_hide_the_others() -> None:
    error = DataError("table t.csv has no column 'x'", "add it")
    splits: dict[str, Any] = {"train": split("train"), "val": error, "test": error}
    report = check(Samples(splits))
    assert report.problems == ["table t.csv has no column 'x'; add it"]
    assert report.counts == {"train": 6}


def test_empty_split_and_shared_identifiers_are_problems() -> None:
    splits = {"train": split("train"), "val": split("val", 0), "test": split("test")}
    splits["test"].ids = ["train0", *splits["test"].ids[1:]]
    assert check(Samples(splits)).problems == ["split 'val' is empty", "sample 'train0' is in splits train and test"]


def test_equal_images_across_splits_are_leaks_and_within_one_are_not() -> None:
    splits = {name: split(name) for name in SPLITS}
    images = splits["test"]._inputs["image"]
    images[2] = splits["train"]._inputs["image"][5]
    images[4] = images[3]
    report = check(Samples(splits))
    assert report.duplicates == [("train/train5", "test/test2")]
    assert not report.ok
    assert "train/train5 and test/test2 are equal but in different splits" in report.render()


def test_equal_points_without_images_are_no_leak() -> None:
    same = {"lonlat": np.zeros((6, 2))}
    splits = {name: split(name, changes=same) for name in SPLITS}
    assert check(Samples(splits), delivers=(LocationInput(),)).ok


@pytest.mark.parametrize(
    ("declared", "image", "problem"),
    [
        (IMAGE, np.zeros((6, 2, 4, 4), dtype=np.uint8), "image of shape (2, 4, 4) does not hold the bands red, green"),
        (IMAGE, np.zeros((6, 3, 5, 4), dtype=np.uint8), "image is 5x4 pixels, not 4x4"),
        (IMAGE, np.full((6, 3, 4, 4), 3000), "image has values 3000 to 3000, which are not uint8"),
        (
            replace(IMAGE, unit=Unit.REFLECTANCE),
            np.full((6, 3, 4, 4), 40.0),
            "image has values 40 to 40, which are not reflectance",
        ),
        (
            replace(IMAGE, unit=Unit.REFLECTANCE),
            np.full((6, 3, 4, 4), np.nan),
            "image has values nan to nan, which are not reflectance",
        ),
    ],
)
def test_images_that_are_not_as_declared_are_each_told_and_are_no_duplicates(
    declared: ImageInput, image: NDArray[Any], problem: str
) -> None:
    splits = {name: split(name, changes={"image": image}) for name in SPLITS}
    report = check(Samples(splits), delivers=(declared, LocationInput()))
    assert len(report.problems) == 18
    assert all(problem in line for line in report.problems)
    assert report.problems[0].startswith("train/train0: ")
    assert report.duplicates == []


@pytest.mark.parametrize(("order", "sound"), [("lonlat", True), ("latlon", False)])
def test_coordinates_are_taken_in_the_declared_order(order: Any, sound: bool) -> None:
    report = check(Samples({name: split(name) for name in SPLITS}), delivers=(IMAGE, LocationInput(order=order)))
    assert report.ok is sound
    if not sound:
        assert len(report.problems) == 18
        assert "latitude 1" in report.problems[0]
        assert "is out of range" in report.problems[0]


def test_declared_input_that_is_not_delivered_is_told() -> None:
    photo = ImageInput(modality=Modality.SV, size=4)
    report = check(Samples({name: split(name) for name in SPLITS}), delivers=(IMAGE, photo))
    assert report.problems[0] == "train/train0: there is no 'street_view'"


def test_generated_world_with_masks_is_sound() -> None:
    report = check_dataset(generated.DATASET, None, generated.TASKS)
    assert report.problems == []
    pixels = sum(report.balance["mask"]["train"].values())
    assert pixels == generated.SIZES["train"] * 16 * 16
    assert set(report.balance) == {"zone", "tags", "mask"}
    assert set(report.spans) == {"height"}


def test_data_of_files_need_a_root() -> None:
    spec = DatasetSpec(name="own", version=1, factory=Samples({}), delivers=(IMAGE,), folder="somewhere")
    with pytest.raises(DataError, match="dataset 'own' needs files in folder 'somewhere'; give --data-root"):
        check_dataset(spec, None)
