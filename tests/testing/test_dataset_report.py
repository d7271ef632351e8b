"""``gairbench data check``: everything that is wrong, each thing once, and what there is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import generated
import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from gairbench.data import ArraySplit
from gairbench.errors import DataError, PluginError
from gairbench.inputs import ImageInput, LocationInput, Modality, Unit
from gairbench.kinds import DEFAULT_METRICS
from gairbench.spec import DatasetSpec, Kind
from gairbench.testing.dataset_report import DataReport, check_dataset

IMAGE = ImageInput(modality=Modality.RS, size=4)
SPLITS = ("train", "val", "test")


class Samples:
    """A source of the given splits; a split that is an exception is raised."""

    def __init__(self, splits: Mapping[str, Any], classes: tuple[str, ...] = ("a", "b", "c")) -> None:
        self.splits = splits
        self._classes = classes

        self.extent: Any = None
        self.warnings: Callable[[], list[str]] = list

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
        "lonlat": np.stack([rng.uniform(100, 120, n), rng.uniform(25, 40, n)], axis=1),
    }
    return ArraySplit([f"{name}{i}" for i in range(n)], arrays | dict(changes or {}), targets)


def check(source: Samples, kind: Kind | None = None, **spec: Any) -> DataReport:
    declared = DatasetSpec(
        name="own", version=1, factory=source, delivers=spec.pop("delivers", (IMAGE, LocationInput())), **spec
    )
    tasks = (
        [generated.task("own-y", kind, "y", DEFAULT_METRICS[kind][0], Modality.RS, dataset=declared)] if kind else []
    )
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
    assert report.problems == ["target 'y': class 'c' is in split 'val' but not in train"]
    assert not report.ok


def test_labels_of_several_and_measurements_are_summed_up() -> None:
    tags = {name: np.array([[True, False, i % 2 == 0] for i in range(6)]) for name in SPLITS}
    report = check(Samples({name: split(name, y=tags[name]) for name in SPLITS}), Kind.MULTILABEL)
    assert report.balance["y"]["val"] == {"a": 6, "c": 3}
    report = check(Samples({name: split(name, y=np.arange(6.0)) for name in SPLITS}, ()), Kind.REGRESSION)
    assert report.spans["y"]["test"] == (0.0, 2.5, 5.0)
    assert "  y, test: 0 to 5, mean 2.5" in report.render()
    pairs = {name: np.stack([np.arange(6.0), 10 - np.arange(6.0)], axis=1) for name in SPLITS}
    report = check(
        Samples({name: split(name, y=pairs[name]) for name in SPLITS}, ("up", "down")), Kind.MULTI_REGRESSION
    )
    assert report.spans == {
        "y: up": dict.fromkeys(SPLITS, (0.0, 2.5, 5.0)),
        "y: down": dict.fromkeys(SPLITS, (5.0, 7.5, 10.0)),
    }
    assert "  y: down, test: 5 to 10, mean 7.5" in report.render()
    bad = {name: split(name, y=np.array([1, 2, 3, 4, 5, np.nan if name == "val" else 6.0])) for name in SPLITS}
    assert check(Samples(bad, ()), Kind.REGRESSION).problems == [
        "target 'y' of split 'val' has values that are not finite (1; first: entry 5)"
    ]


def test_target_that_does_not_exist_is_told_once() -> None:
    assert check(Samples({name: split(name) for name in SPLITS}), Kind.REGRESSION).problems == [
        "there is no target 'y'; correct the task's target"
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
    assert check(Samples(splits)).problems == ["split 'val' is empty", "id 'train0' is in splits 'train' and 'test'"]


def test_equal_images_across_splits_are_leaks_and_within_one_are_not() -> None:
    splits = {name: split(name) for name in SPLITS}
    images = splits["test"]._inputs["image"]
    images[2] = splits["train"]._inputs["image"][5]
    images[4] = images[3]
    report = check(Samples(splits))
    assert report.problems == ["train/train5 and test/test2 are equal but in different splits"]
    assert not report.ok
    assert "problem: train/train5 and test/test2 are equal but in different splits" in report.render()


def test_equal_points_without_images_are_no_leak() -> None:
    same = {"lonlat": np.zeros((6, 2))}
    splits = {name: split(name, changes=same) for name in SPLITS}
    assert check(Samples(splits), delivers=(LocationInput(),)).ok


@pytest.mark.parametrize(
    ("declared", "image", "problem"),
    [
        (IMAGE, np.zeros((6, 2, 4, 4), dtype=np.uint8), "image has 2 bands, declared red, green, blue"),
        (IMAGE, np.zeros((6, 3, 5, 4), dtype=np.uint8), "image has size (5, 4), declared 4"),
        (IMAGE, np.full((6, 3, 4, 4), 3000), "image has values 3000 to 3000, which are not in unit uint8"),
        (
            replace(IMAGE, unit=Unit.REFLECTANCE),
            np.full((6, 3, 4, 4), 40.0),
            "image has values 40 to 40, which are not in unit reflectance",
        ),
        (
            replace(IMAGE, unit=Unit.REFLECTANCE),
            np.full((6, 3, 4, 4), np.nan),
            "image has values that are not finite",
        ),
    ],
)
def test_images_that_are_not_as_declared_are_each_reported_and_are_no_duplicates(
    declared: ImageInput, image: NDArray[Any], problem: str
) -> None:
    splits = {name: split(name, changes={"image": image}) for name in SPLITS}
    report = check(Samples(splits), delivers=(declared, LocationInput()))
    assert len(report.problems) == 18
    assert all(problem in line for line in report.problems)
    assert report.problems[0].startswith("train/train0: ")


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
    assert report.problems[0] == "train/train0: no 'street_view', only image, lonlat"


def images(change: Callable[[NDArray[Any]], None], n: int = 6) -> Samples:
    splits = {name: split(name, n) for name in SPLITS}
    for name in SPLITS:
        change(splits[name]._inputs["image"])
    return Samples(splits)


def test_band_of_one_value_in_all_images_is_a_problem_and_in_some_a_warning() -> None:
    def zero_blue(values: NDArray[Any]) -> None:
        values[:, 2] = 0

    def two_blue_ones(values: NDArray[Any]) -> None:
        values[:2, 2] = [[[0]], [[9]]]

    def one_blank(values: NDArray[Any]) -> None:
        values[3] = 7

    report = check(images(zero_blue))
    assert report.problems == ["band 'blue' of image is 0 in all 18 images: replace or leave out the band"]
    report = check(images(two_blue_ones))
    assert report.ok
    assert report.warnings == ["band 'blue' of image has one value in 6 of 18 (33.3%) images, such as train/train0"]
    assert report.render().startswith("own: ok, 1 warning; train 6, ")
    one_split = {name: split(name) for name in SPLITS}
    one_blank(one_split["val"]._inputs["image"])
    assert check(Samples(one_split)).warnings == [
        "1 of 18 (5.6%) images of image have one value in every band, such as val/val3"
    ]


def test_a_raw_band_may_be_zero_in_all_images_as_the_share_of_a_class_that_never_occurs() -> None:
    def zero_blue(values: NDArray[Any]) -> None:
        values[:, 2] = 0

    report = check(images(zero_blue), delivers=(replace(IMAGE, unit=Unit.RAW), LocationInput()))
    assert report.problems == []
    assert "band 'blue' of image is 0 in all 18 images" in report.warnings


def test_many_zeros_that_nothing_marks_are_a_warning() -> None:
    splits = {name: split(name) for name in SPLITS}
    values = splits["train"]._inputs["image"]
    values[1, :, :3] = 0
    values[2, :2] = 0
    assert check(Samples(splits)).warnings[0] == (
        "1 of 18 (5.6%) images of image have many pixels that are 0 in every band, such as train/train1 (75%): if these"
        " are missing, mark them as nodata"
    )
    for name in SPLITS:
        splits[name]._inputs["mask"] = splits[name]._inputs["image"].any(axis=1, keepdims=True)
    found = check(Samples(splits), delivers=(replace(IMAGE, masked=True), LocationInput())).warnings
    assert not any("0 in every band" in warning for warning in found)


NORWAY, ATLANTIC = (lambda n: (8 + n / 9, 60 + n / 9)), (lambda n: (-40 + n / 9, 30 + n / 9))


@pytest.mark.parametrize(
    ("point", "problem", "warning"),
    [
        (NORWAY, "", ""),
        (lambda n: NORWAY(n)[::-1], "18 of 18 points lie in the sea, and 18 would lie on land", ""),
        (ATLANTIC, "", "18 of 18 (100.0%) points lie in the sea; declare the 'extent'"),
        # Two of six on land are enough for a doubt, not for a verdict.
        (
            lambda n: NORWAY(n) if n < 2 else NORWAY(n)[::-1],
            "",
            "12 of 18 (66.7%) points lie in the sea, and only 6 would with longitude and latitude exchanged: swapped?",
        ),
    ],
)
@pytest.mark.parametrize("extent", [None, ((-180, 180), (-90, 90))], ids=["", "extent"])
def test_points_in_the_sea_are_swapped_if_exchanging_puts_them_on_land(
    point: Callable[[int], tuple[float, float]], problem: str, warning: str, extent: Any
) -> None:
    places = {"lonlat": np.array([point(n) for n in range(6)])}
    source = Samples({name: split(name, changes=places) for name in SPLITS})
    source.extent = extent
    report = check(source)
    # Whoever has declared where the points are has excluded that they are swapped.
    for found, expected in ((report.problems, problem), (report.warnings, warning)):
        assert len(found) == bool(expected and not extent)
        assert expected in "".join(found) or extent


def test_coordinates_may_come_in_the_other_order() -> None:
    places = {"lonlat": np.array([NORWAY(n)[::-1] for n in range(6)])}
    source = Samples({name: split(name, changes=places) for name in SPLITS})
    assert check(source, delivers=(IMAGE, LocationInput(order="latlon"))).ok


@pytest.mark.parametrize(
    ("kind", "train", "test", "classes", "warning"),
    [
        (
            Kind.CLASSIFICATION,
            [0] * 50 + [1] * 10,
            [0] * 10 + [1] * 50,
            ("a", "b"),
            "'a' is 83% of train and 17% of test",
        ),
        (Kind.CLASSIFICATION, [0] * 50 + [1] * 10, [0] * 45 + [1] * 15, ("a", "b"), ""),
        # What chance makes of few samples is no difference.
        (Kind.CLASSIFICATION, [0, 0, 0, 1], [0, 1, 1, 1], ("a", "b"), ""),
        (
            Kind.MULTILABEL,
            [[1, 1]] * 20 + [[0, 1]] * 40,
            [[1, 0]] * 50 + [[0, 1]] * 10,
            ("a", "b"),
            "'b' is 100% of train",
        ),
        (Kind.REGRESSION, np.arange(60), np.arange(60) + 40, (), "medians 29.5 and 69.5"),
        (Kind.REGRESSION, np.arange(60), np.arange(60) + 2, (), ""),
        (Kind.ORDINAL, [0] * 50 + [1] * 10, [0] * 10 + [1] * 50, ("low", "high"), "'high' is 17% of train"),
        (
            Kind.MULTI_REGRESSION,
            np.stack([np.arange(60), np.arange(60)], axis=1),
            np.stack([np.arange(60), np.arange(60) + 40], axis=1),
            ("up", "down"),
            "target 'y: down': the values differ between train and test: medians 29.5 and 69.5",
        ),
    ],
)
def test_splits_that_differ_by_more_than_chance_are_a_warning(
    kind: Kind, train: Any, test: Any, classes: tuple[str, ...], warning: str
) -> None:
    types = {Kind.CLASSIFICATION: np.int64, Kind.ORDINAL: np.int64, Kind.MULTILABEL: bool}
    dtype = types.get(kind, np.float64)
    y = {"train": np.array(train, dtype=dtype), "test": np.array(test, dtype=dtype)}
    y["val"] = y["train"]
    report = check(Samples({name: split(name, len(y[name]), y=y[name]) for name in SPLITS}, classes), kind)
    assert report.problems == []
    assert len(report.warnings) == bool(warning)
    assert warning in "".join(report.warnings)
    assert "differ between train and test" in "".join(report.warnings) or not warning


def test_train_of_one_class_is_reported_though_the_data_are_sound() -> None:
    y = np.zeros(6, dtype=np.int64)
    report = check(Samples({name: split(name, y=y) for name in SPLITS}), Kind.CLASSIFICATION)
    reason = "target 'y': all samples of train are of one class, 'a'; use another target or split"
    assert report.unlearnable == [reason]
    assert report.ok
    headline, *lines = report.render().splitlines()
    assert "data ok, but nothing can be learned from 1 target;" in headline
    assert f"  not learnable: {reason}" in lines


def test_what_a_source_warns_of_is_reported() -> None:
    source = Samples({name: split(name) for name in SPLITS})
    source.warnings = lambda: ["3 hidden files are left out"]
    report = check(source)
    assert report.ok
    assert "  warning: 3 hidden files are left out" in report.render()


def test_factory_that_raises_whatever_is_one_line() -> None:
    def broken(context: object) -> Any:
        raise RuntimeError("no disk")

    spec = DatasetSpec(name="own", version=1, factory=broken, delivers=(IMAGE,))
    with pytest.raises(DataError, match="dataset 'own' cannot be opened: RuntimeError: no disk"):
        check_dataset(spec, None)


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


def test_a_dataset_that_calls_sys_exit_is_named() -> None:
    spec = DatasetSpec(name="exits", version=1, factory=lambda context: sys.exit(3), delivers=(IMAGE,))
    with pytest.raises(PluginError, match=r"dataset 'exits' \(.*\) called sys\.exit\(3\)"):
        check_dataset(spec, None)
