"""TorchGeo's classes on files in their published layouts: the adapter reads the same samples and labels as they do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchgeo_layouts
from torchgeo_layouts import ADAPTED, Adapted, drawn, train_test

from gairbench import ImageInput, LocationInput, Modality
from gairbench.errors import DataError, GairbenchError, PluginError
from gairbench.spec import Kind
from gairbench.testing import dataset_checks
from gairbench_tasks.torchgeo.opened import TorchGeoSplit
from gairbench_tasks.torchgeo.source import INDEX, Label, Part

ONE_BAND = {"bands": ("B01",)}
"""These classes make room for all dates of whole tiles, gigabytes with all bands."""

UNADAPTABLE = {
    # TorchGeo's own tests change the size of its tiles first.
    "cv4a_kenya_crop_type": (
        drawn("CV4AKenyaCropType", ids=".chips_metadata", target={}, options=ONE_BAND),
        "expanded size",
    ),
    "technoserve-cashew-benin": (
        drawn("BeninSmallHolderCashews", ids=INDEX, target={}, options=ONE_BAND),
        "expanded size",
    ),
    # The class counts its files, and there are fewer.
    "rwanda_field_boundary": (train_test("RwandaFieldBoundary", "mask", ids=INDEX), "does not find"),
}

BY_LAYOUT = {adapted.layout: adapted for adapted in ADAPTED}

USAVARS = {f"usavars_{name}" for name in ("treecover", "elevation", "population")}
"""Of these one entry of a sample has all."""

HDF5 = {"cabuar", "chabud", "cropharvest", "digital_typhoon", "quakeset", "so2sat", "zuericrop", "copernicus/l3_lcz_s2"}


@pytest.fixture
def layouts(shared: Path) -> Path:
    return shared / "data" / "torchgeo_layouts"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("layouts")


def open_split(adapted: Adapted, layouts: Path, root: Path, split: str) -> TorchGeoSplit:
    adapted.copy(layouts, root)
    return adapted.open(root).split(split)


@pytest.mark.parametrize("layout", BY_LAYOUT)
def test_samples_and_labels_are_those_of_torchgeo(layout: str, layouts: Path, root: Path) -> None:
    if layout in HDF5:
        pytest.importorskip("h5py")
    adapted = BY_LAYOUT[layout]
    adapted.copy(layouts, root)
    source = adapted.open(root)
    if adapted.leaks:
        with pytest.raises(DataError, match=r"sample .* is in \w+ and \w+"):
            source.fingerprint()
    else:
        assert source.fingerprint() == adapted.open(root).fingerprint()
    for name in adapted.splits:
        split = source.split(name)
        assert len(split) == len(split.ids) == len(set(split.ids)) > 0
        samples = source.samples(adapted.source.draw.of if adapted.source.draw else name)
        for index in {0, len(split) - 1}:
            row = samples.ids.index(split.ids[index])
            sample, raw = split[index], samples.read(row) if adapted.source.parts else {}
            for key, part in adapted.source.parts.items():
                assert torch.equal(sample[key], taken(raw, part, samples.dataset))
            for target, declared in adapted.source.targets.items():
                compare(split.target(target)[index], raw, declared)


def taken(raw: dict[str, Any], part: Part, dataset: Any) -> torch.Tensor:
    """Take an input out of TorchGeo's sample, channel by channel."""
    value = raw[part.key] if part.frame is None else raw[part.key][part.frame]
    if part.span is not None:
        # Both classes that scale do so for values of which single precision keeps four digits after the point.
        value = (part.span[0] + value.double() * (part.span[1] - part.span[0])).round(decimals=4).float()
    channels = [dataset.bands.index(band) for band in part.bands] or part.channels
    return torch.stack([value.select(-3, c) for c in channels], dim=-3) if channels else value


def compare(ours: Any, raw: dict[str, Any], declared: Label) -> None:
    """Compare a target with TorchGeo's label, which is an entry of the sample, or read otherwise."""
    name = declared.read.rpartition(".")[2]
    key = name if name in raw else "mask" if declared.kind is Kind.SEGMENTATION else "label"
    # Of some targets no sample has the number itself.
    if declared.read.rpartition(":")[2] in {"cropharvest_crops", "typhoon_wind", "typhoon_pressure"} | USAVARS:
        return
    theirs = raw[key] if declared.index is None else raw[key][declared.index]
    kept = np.ravel(ours) != 255
    assert kept.any() or set(theirs.ravel().tolist()) <= set(declared.ignore)
    found = np.ravel(ours)[kept]
    assert np.array_equal(np.array(declared.values)[found] if declared.values else found, theirs.numpy().ravel()[kept])


def test_every_layout_is_adapted_or_named_with_the_reason(layouts: Path, root: Path) -> None:
    folders = {path.name for path in layouts.iterdir() if path.is_dir()}
    assert folders - {layout.partition("/")[0] for layout in BY_LAYOUT} == set(UNADAPTABLE)


@pytest.mark.parametrize("layout", UNADAPTABLE)
def test_what_cannot_be_adapted_says_why(layout: str, layouts: Path, root: Path) -> None:
    adapted = Adapted(layout, UNADAPTABLE[layout][0], ("train", "test"))
    adapted.copy(layouts, root)
    with pytest.raises(GairbenchError, match=UNADAPTABLE[layout][1]) as raised:
        adapted.open(root).split("train")[0]
    assert raised.value.hint


def test_no_declaration_takes_more_than_ten_lines() -> None:
    text = Path(torchgeo_layouts.__file__).read_text(encoding="utf-8").partition("ADAPTED = (")[2]
    longest = max(
        len(part.strip().splitlines()) for part in re.split(r"^    (?:Adapted|registered)\(", text, flags=re.M)
    )
    # The name of the layout, its splits and the brackets are not of the source.
    assert longest <= 10 + 4


def test_bands_are_taken_by_the_names_of_the_class(layouts: Path, root: Path) -> None:
    pytest.importorskip("h5py")
    registered = BY_LAYOUT["so2sat"]
    inputs = {"s1": Part("image", bands=("S1_B2",)), "image": Part("image", bands=("S2_B04", "S2_B03"))}
    adapted = replace(registered, source=replace(registered.source, options={}, inputs=inputs))
    split = open_split(adapted, layouts, root, "train")
    image = adapted.open(root).samples("train").read(0)["image"]
    assert torch.equal(split[0]["image"], image[[10, 9]])
    assert torch.equal(split[0]["s1"], image[[1]])


def test_declared_bands_must_be_those_of_the_class(layouts: Path, root: Path) -> None:
    adapted = BY_LAYOUT["eurosat"]
    adapted.copy(layouts, root)
    own = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")
    right = ImageInput(modality=Modality.RS, bands=own)
    assert len(adapted.open(root, delivers=(right,)).split("train")) == 2
    # The usual order has B8A after B8, and TorchGeo's has it last.
    wrong = ImageInput(modality=Modality.RS, bands=(*own[:8], "B8A", *own[8:-1]))
    with pytest.raises(PluginError, match="EuroSAT gives bands B01"):
        adapted.open(root, delivers=(wrong,)).split("train")


def test_bigearthnet_is_two_images_and_several_labels(layouts: Path, root: Path) -> None:
    adapted = BY_LAYOUT["bigearthnet/v1"]
    split = open_split(adapted, layouts, root, "train")
    assert {key: tuple(value.shape) for key, value in split[0].items()} == {
        "s1": (2, 120, 120),
        "s2": (12, 120, 120),
    }
    assert split.target("label").dtype == bool
    assert split.target("label").any(axis=1).all()


def test_pastis_is_a_time_series_with_masks(layouts: Path, root: Path) -> None:
    split = open_split(BY_LAYOUT["pastis"], layouts, root, "train")
    sample = split[0]
    assert sample["image"].ndim == 4
    assert split.target("mask").shape == (len(split), *sample["image"].shape[2:])
    assert len(BY_LAYOUT["pastis"].open(root).classes("mask")) == 20


def test_usavars_has_places_and_measurements(layouts: Path, root: Path) -> None:
    split = open_split(BY_LAYOUT["usavars"], layouts, root, "val")
    assert split[0]["lonlat"].tolist() == [0.1, 0.1]
    assert split.target("treecover").tolist() == [1.0]
    assert split.target("elevation").dtype == np.float64


def test_time_series_of_pixels_pass_as_they_are(layouts: Path, root: Path) -> None:
    pytest.importorskip("h5py")
    split = open_split(BY_LAYOUT["cropharvest"], layouts, root, "train")
    assert split[0]["image"].shape == (12, 18)
    crop = dict(zip(split.ids, split.target("crop").tolist(), strict=True))
    samples = BY_LAYOUT["cropharvest"].open(root).samples("all")
    for identifier, value in crop.items():
        label = samples.read(samples.ids.index(identifier))["label"]
        assert (samples.dataset.classes[label] != "None") == value


def test_chips_of_a_geodataset_have_places(layouts: Path, root: Path) -> None:
    adapted = BY_LAYOUT["l8biome"]
    split = open_split(adapted, layouts, root, "train")
    sample = split[0]
    lon, lat = sample["lonlat"].tolist()
    west, north, east, south = sample["bbox"].tolist()
    assert west < lon < east
    assert south < lat < north
    x0, y0, x1, y1 = map(float, split.ids[0].partition("@")[0].split(","))
    # Web Mercator: 20,037,508.34 m are 180 degrees.
    assert lon == pytest.approx((x0 + x1) / 2 / 20037508.342789244 * 180)
    assert (west, east) == pytest.approx((x0 / 20037508.342789244 * 180, x1 / 20037508.342789244 * 180))
    assert y1 > y0


def test_groups_stay_together(layouts: Path, root: Path) -> None:
    adapted = BY_LAYOUT["reforestree"]
    adapted.copy(layouts, root)
    source = adapted.open(root)
    groups = [set(source.split(name).groups("group")) for name in adapted.splits]
    assert all(groups)
    with pytest.raises(KeyError):
        source.split(adapted.splits[0]).groups("city")
    assert not groups[0] & groups[1] | groups[0] & groups[2] | groups[1] & groups[2]


CONFORMING = {
    "fire_risk": (ImageInput(modality=Modality.RS, size=32), LocationInput()),
    "treesatai": (ImageInput(modality=Modality.RS, bands=("nir", "red", "green", "blue"), size=32),),
    "bigearthnet/v2": (),
    "levircd/levircd": (),
    "quakeset": (),
    "cyclone": (ImageInput(modality=Modality.RS, size=366),),
    "digital_typhoon": (),
}


@pytest.mark.parametrize("layout", CONFORMING)
def test_adapted_datasets_pass_the_suite(layout: str, layouts: Path, root: Path) -> None:
    if layout in HDF5:
        pytest.importorskip("h5py")
    adapted = BY_LAYOUT[layout]
    adapted.copy(layouts, root)
    spec = adapted.spec(delivers=CONFORMING[layout])
    for check in (
        dataset_checks.check_source_has_the_methods,
        dataset_checks.check_fingerprint_is_stable,
        dataset_checks.check_ids_are_unique_over_all_splits,
        dataset_checks.check_samples_hold_what_is_declared,
        dataset_checks.check_no_image_is_in_two_splits,
        dataset_checks.check_samples_stay_the_same,
    ):
        check(spec, root)
