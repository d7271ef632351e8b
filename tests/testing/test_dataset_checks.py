"""The checks of datasets catch what they are there to catch."""

from __future__ import annotations

import contextlib
import socket
import unittest
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from points import DATASET, SIZES, Points, checks
from torch import Tensor

from gairbench import (
    DataContext,
    ImageInput,
    Modality,
    ModelContext,
    Normalization,
    Unit,
)
from gairbench.data import ArraySplit, Sample
from gairbench.published import Download, RemoteFile
from gairbench.testing import (
    dataset_checks,
)

FILE = RemoteFile(url="https://example.org/a", path="a", size=1, checksum=f"md5:{'0' * 32}")
DOWNLOAD = Download(files=(FILE,), licence="CC0-1.0")


class Radar(Points):
    """Backscatter around -12 dB."""

    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays, targets = super().arrays(name)
        levels = arrays["image"][:, :2].astype(np.float32) / 255 * 20 - 22
        return {"s1": levels, "lonlat": arrays["lonlat"]}, targets


class LinearRadar(Radar):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        arrays, targets = super().arrays(name)
        return arrays | {"s1": 10 ** (arrays["s1"] / 10)}, targets


@pytest.mark.parametrize(
    ("factory", "unit", "why"),
    [
        (Radar, Unit.DB, ""),
        (LinearRadar, Unit.POWER, ""),
        (LinearRadar, Unit.DB, "no s1 value below 0 is seen: is the unit db?"),
        (Radar, Unit.POWER, "which are not in unit power"),
    ],
)
def test_backscatter_in_another_unit_is_noticed(factory: type, unit: Unit, why: str) -> None:
    radar = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=unit, size=8)
    spec = replace(DATASET, factory=factory, delivers=(radar, DATASET.delivers[2]))
    check = checks(dataset_checks)["check_samples_hold_what_is_declared"]
    if not why:
        check(spec, None)
        return
    with pytest.raises(AssertionError, match=why):
        check(spec, None)


def masked(change: Callable[[Any], dict[str, Any]]) -> type:
    """Return a dataset with what a function makes of masks of one band."""

    class Masked(Points):
        def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            arrays, targets = super().arrays(name)
            return arrays | change(arrays["image"][:, :1] > 99), targets

    return Masked


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda mask: {"mask": mask}, ""),
        (lambda mask: {"mask": np.repeat(mask, 3, axis=1)}, ""),
        (lambda mask: {}, "no 'mask', and rs is declared masked"),
        (lambda mask: {"mask": mask.astype(np.uint8)}, r"mask is torch\.uint8, wanted bool"),
        (lambda mask: {"mask": mask[:, 0]}, r"mask has shape \(8, 8\), and the image \(3, 8, 8\)"),
        (lambda mask: {"mask": mask & False}, "mask is false everywhere in all images: it is true where"),
    ],
    ids=["one band", "each band", "none", "type", "shape", "all false"],
)
def test_masks_that_are_not_as_declared_are_noticed(change: Callable[[Any], dict[str, Any]], why: str) -> None:
    image = replace(DATASET.delivers[0], masked=True)
    spec = replace(DATASET, factory=masked(change), delivers=(image, *DATASET.delivers[1:]))
    with pytest.raises(AssertionError, match=why) if why else contextlib.nullcontext():
        checks(dataset_checks)["check_samples_hold_what_is_declared"](spec, None)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_images_of_unsigned_numbers_are_looked_at(dtype: Any) -> None:
    image = replace(DATASET.delivers[0], unit=Unit.S2_DN)
    spec = replace(DATASET, delivers=(image, *DATASET.delivers[1:]))
    for factor in (10, 500):
        factory = changed(image=lambda a, factor=factor: a.astype(dtype) * factor)
        check = checks(dataset_checks)["check_samples_hold_what_is_declared"]
        with contextlib.nullcontext() if factor == 10 else pytest.raises(AssertionError, match="not in unit s2_dn"):
            check(replace(spec, factory=factory), None)


class NewFingerprint(Points):
    def fingerprint(self) -> str:
        return str(id(self))


class Fetching(Points):
    """Looks for a newer version of itself, and goes on if it cannot."""

    def fingerprint(self) -> str:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=0.1)
        return super().fingerprint()


class Uncaught(Points):
    def split(self, name: str) -> Any:
        urllib.request.urlopen("http://example.org/points.csv", timeout=0.1)
        return super().split(name)


class EmptySplit(Points):
    def split(self, name: str) -> Any:
        return ArraySplit([], {}, {}) if name == "val" else super().split(name)


class LeakingIds(Points):
    def ids(self, name: str) -> list[str]:
        return [str(i) for i in range(SIZES[name])]


class TwiceInOneSplit(Points):
    def ids(self, name: str) -> list[str]:
        return [f"{name}-{i // 2}" for i in range(SIZES[name])]


class OtherPlaces(ArraySplit):
    def places(self) -> Any:
        return self._inputs["lonlat"][:, ::-1]


class FewPlaces(ArraySplit):
    def places(self) -> Any:
        return self._inputs["lonlat"][1:]


class NoPlaces(ArraySplit):
    def places(self) -> Any:
        return None


def with_splits(kind: type[ArraySplit]) -> type:
    """Return a dataset with splits of a class."""

    class Other(Points):
        def split(self, name: str) -> Any:
            return kind(self.ids(name), *self.arrays(name))

    return Other


def changed(**inputs: Callable[[Any], Any]) -> type:
    """Return a dataset whose inputs are passed through functions."""

    class Changed(Points):
        def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            arrays, targets = super().arrays(name)
            return arrays | {key: change(arrays[key]) for key, change in inputs.items()}, targets

    return Changed


def dark_blue(images: Any) -> Any:
    images[:, 2] = 0
    return images


def alike(images: Any) -> Any:
    images[:] = np.arange(64).reshape(8, 8)
    return images


def swapped_land(lonlat: Any) -> Any:
    """Points of Germany and Kenya as (lat, lon)."""
    return np.where(np.arange(len(lonlat))[:, None] % 2, [52.5, 13.4], [-1.3, 36.8]) + lonlat * 1e-3


class InTwoSplits(Points):
    """Groups of which one is in train and val."""

    def split(self, name: str) -> Any:
        split = super().split(name)
        split.groups = lambda grouping: np.array(["shared" if i == 3 else f"{name} {i}" for i in range(len(split))])
        return split


class FewGroups(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)
        split.groups = lambda grouping: np.array(["a"])
        return split


@pytest.mark.parametrize(
    ("factory", "group", "why"),
    [
        (InTwoSplits, "city", "city 'shared' is in splits 'train' and 'val'"),
        (FewGroups, "city", r"groups\('city'\) has shape \(1,\) for"),
        (Points, "city", "split 'train' has no grouping 'city'"),
        (Points, "blocks:wide", "split 'train' has no grouping 'blocks:wide'"),
        (with_splits(NoPlaces), "blocks:5", "split 'train' has no places to make blocks:5 of"),
    ],
)
def test_a_grouping_that_the_splits_were_not_drawn_by_is_caught(factory: type, group: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(dataset_checks)["check_no_group_is_in_two_splits"](replace(DATASET, factory=factory, group=group), None)


def test_a_grouping_that_holds_is_no_problem() -> None:
    for group in ("", "blocks:5"):
        checks(dataset_checks)["check_no_group_is_in_two_splits"](replace(DATASET, factory=Points, group=group), None)


class SelfCritical(Points):
    def problems(self) -> list[str]:
        return ["row 3 names Kenya, which is far away"]


class SetsThreads(Points):
    def __init__(self, context: DataContext) -> None:
        super().__init__(context)
        torch.set_num_threads(torch.get_num_threads() + 1)


class OrderedBySet(Points):
    """Its samples, classes and values follow hashes of texts."""

    def ids(self, name: str) -> list[str]:
        return sorted(super().ids(name), key=hash)

    def classes(self, target: str) -> tuple[str, ...]:
        return tuple(sorted("abcdefghijklmnopqrstuvwxyz", key=hash)) if target == "zone" else super().classes(target)


class HashedTarget(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"height": targets["height"] + hash("height") % 2**16}


class NoImages(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        del inputs["image"]
        return inputs, targets


class Augmented(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)

        class Random(ArraySplit):
            def __getitem__(self, index: int) -> dict[str, Tensor]:
                sample = super().__getitem__(index)
                return sample | {"lonlat": sample["lonlat"] + torch.rand(2) * 1e-3}

        return Random(split.ids, split._inputs, split._targets)


class WrongBatches(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)

        class Sorted(ArraySplit):
            def __getitems__(self, indices: list[int]) -> list[Sample]:
                return [self[i] for i in sorted(indices)]

        return Sorted(split.ids, split._inputs, split._targets)


class ForgivingTargets(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)
        split.target = lambda _: np.zeros(3)
        return split


SMALL = (("zone", False), ("height", False))
"""The points' targets, neither of them dense."""


class ForgivingMasks(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)
        split.target_at = lambda name, index: np.zeros((2, 2))
        return split


@pytest.mark.parametrize(
    ("data", "check", "why"),
    [
        (NewFingerprint, "check_fingerprint_is_stable", "and then"),
        (Fetching, "check_network_is_left_alone", "opening it asks the network for 127.0.0.1"),
        (Uncaught, "check_network_is_left_alone", "opening it asks the network for example.org"),
        (SetsThreads, "check_the_process_is_left_as_it_was", "SetsThreads.* changed torch's number of threads"),
        (EmptySplit, "check_splits_are_not_empty", "split 'val' is empty"),
        (LeakingIds, "check_ids_are_unique_over_all_splits", "id '0' is in splits 'train' and 'val'"),
        (TwiceInOneSplit, "check_ids_are_unique_over_all_splits", "split 'train' has id 'train-0' twice"),
        (NoImages, "check_samples_hold_what_is_declared", "no 'image', only"),
        (changed(image=lambda a: a[:, :2]), "check_samples_hold_what_is_declared", "image has 2 bands, declared red"),
        (changed(image=lambda a: a[:, :, :4]), "check_samples_hold_what_is_declared", r"size \(4, 8\), declared 8"),
        (changed(image=lambda a: a / 255.0), "check_samples_hold_what_is_declared", "is the unit uint8"),
        (changed(image=lambda a: a * 40.0), "check_samples_hold_what_is_declared", "are not in unit uint8"),
        (changed(image=dark_blue), "check_bands_are_not_constant", "band 'blue' of image is 0 in all 36 images"),
        (changed(image=alike, street_view=alike), "check_no_image_is_in_two_splits", "train/train-0 and val/val-0 are"),
        (changed(lonlat=swapped_land), "check_places_are_plausible", "would lie on land with longitude and latitude"),
        (changed(image=lambda a: a * np.nan), "check_samples_hold_what_is_declared", "not finite"),
        (changed(lonlat=lambda a: np.full_like(a, 120)), "check_samples_hold_what_is_declared", "is not lonlat"),
        (changed(lonlat=lambda a: a.astype(np.float32)), "check_samples_hold_what_is_declared", "float32"),
        (changed(lonlat=lambda a: a * np.nan), "check_samples_hold_what_is_declared", "not lonlat in degrees"),
        (changed(bbox=lambda a: a[:, [0, 3, 2, 1]]), "check_samples_hold_what_is_declared", "lon_min, lat_max"),
        (changed(bbox=lambda a: a + 3), "check_samples_hold_what_is_declared", "does not contain"),
        (
            with_splits(OtherPlaces),
            "check_places_are_those_of_the_samples",
            r"'train-0' .* is at .*, and places\(\) says",
        ),
        (with_splits(FewPlaces), "check_places_are_those_of_the_samples", r"places\(\) has shape \(29, 2\) for 30"),
        (SelfCritical, "check_source_finds_nothing_wrong", "row 3 names Kenya"),
        (Augmented, "check_samples_stay_the_same", "sample .* of split 'train' changes"),
        (WrongBatches, "check_batched_reading_gives_the_same", "__getitems__ differs"),
        (ForgivingTargets, "check_unknown_target_is_a_key_error", "an unknown target raises no KeyError"),
        (ForgivingMasks, "check_unknown_target_is_a_key_error", "target_at of an unknown target raises no KeyError"),
        (ModelContext, "check_source_has_the_methods", "is not a gairbench.data.DataSource"),
    ],
)
def test_a_wrong_dataset_is_caught(data: type, check: str, why: str) -> None:
    factory = (lambda context: "nothing") if data is ModelContext else data
    with pytest.raises(AssertionError, match=why):
        checks(dataset_checks)[check](replace(DATASET, factory=factory), None)


def test_a_dataset_that_another_process_reads_differently_is_caught() -> None:
    (check,) = dataset_checks.IN_ANOTHER_PROCESS
    assert check.__name__ == "check_another_process_reads_the_same"
    check(DATASET, None, SMALL)
    with pytest.raises(AssertionError) as raised:
        check(replace(DATASET, factory=OrderedBySet), None, SMALL)
    for what in ("the order of the classes of 'zone'", "the order of split 'train'"):
        assert f"{what} differs in another process" in str(raised.value)


def test_a_target_that_another_process_reads_differently_is_caught() -> None:
    (check,) = dataset_checks.IN_ANOTHER_PROCESS
    with pytest.raises(AssertionError, match="target 'height' of split 'train' differs in another process"):
        check(replace(DATASET, factory=HashedTarget), None, SMALL)


def test_a_dataset_that_cannot_be_sent_to_another_process_is_skipped() -> None:
    (check,) = dataset_checks.IN_ANOTHER_PROCESS
    with pytest.raises(unittest.SkipTest, match="cannot be sent to another process"):
        check(replace(DATASET, factory=lambda context: Points(context)), None, ())


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "Points!"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        ({"citation": ""}, "check_licence_and_citation_are_stated", "no citation"),
        ({"splits": ("train", "train")}, "check_splits_are_declared_once", "a split twice"),
        ({"download": DOWNLOAD}, "check_download_is_declared_whole", "without a folder"),
        ({"folder": "p", "download": replace(DOWNLOAD, licence="")}, "check_download_is_declared_whole", "licence"),
        ({"folder": "p", "download": replace(DOWNLOAD, files=())}, "check_download_is_declared_whole", "no files"),
        (
            {"folder": "p", "download": replace(DOWNLOAD, files=(FILE, FILE))},
            "check_download_is_declared_whole",
            "two files for one place",
        ),
        (
            {"folder": "p", "download": replace(DOWNLOAD, files=(replace(FILE, path="../x"),))},
            "check_download_is_declared_whole",
            "not below its folder",
        ),
        ({"delivers": ()}, "check_inputs_leave_nothing_to_guess", "declares no inputs"),
        (
            {"delivers": (ImageInput(modality=Modality.RS, normalization=Normalization.NOMINAL),)},
            "check_inputs_leave_nothing_to_guess",
            "'normalization' is for models",
        ),
    ],
)
def test_a_wrong_dataset_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(dataset_checks)[check](replace(DATASET, **changes))
