"""How each folder of shared/data/torchgeo_layouts becomes a task dataset: at most ten lines each.

The pixels there are random, and some folders hold one file for train, val and test: they are read, never scored.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torchgeo

from gairbench import DataContext, DatasetSpec, Kind
from gairbench_tasks.suite import DATASETS
from gairbench_tasks.torchgeo.opened import OpenedSource
from gairbench_tasks.torchgeo.source import INDEX, Draw, Grid, Label, Part, TorchGeoSource

SINCE_0_10 = tuple(map(int, torchgeo.__version__.split(".")[:2])) >= (0, 10)
TG = "torchgeo.datasets:"
PAGE = "https://torchgeo.readthedocs.io"
WHOLE = {"all": {}}
TRAIN_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
AERIAL = ".all_bands_dict.aerial" if SINCE_0_10 else ".all_bands.aerial"
HALVES = (0.5, 0.0, 0.5)
"""Many layouts hold two samples."""

SUITE = {spec.name: spec for spec in DATASETS}

REGRESSION, MULTILABEL = Kind.REGRESSION, Kind.MULTILABEL
YES_NO = ("no", "yes")


@dataclass(frozen=True)
class Adapted:
    """A layout as a task dataset.

    Args:
        layout: Its folder.
        source: How it is read.
        splits: The splits that have files there.
        prepare: What is to be done with the folder first.
        leaks: Some samples there are in two splits.
    """

    layout: str
    source: TorchGeoSource
    splits: tuple[str, ...] = ("train", "val", "test")
    prepare: Callable[[Path], None] | None = None
    leaks: bool = False

    def open(self, root: Path, **delivers: Any) -> OpenedSource:
        """Open a copy below a data root."""
        spec = self.spec(**delivers)
        return self.source(DataContext(root=root, dataset=spec))

    def spec(self, **delivers: Any) -> DatasetSpec:
        """Return a dataset; without ``delivers`` it says nothing of its samples."""
        given = {"delivers": (), "licence": "MIT", "citation": "https://github.com/torchgeo/torchgeo", **delivers}
        name = f"layout-{self.layout.lower().replace('/', '-').replace('_', '-')}"
        return DatasetSpec(name=name, version=1, factory=self.source, splits=self.splits, folder=self.layout, **given)

    def copy(self, layouts: Path, root: Path) -> Path:
        """Copy its files below a data root, where archives can be unpacked."""
        folder = root / self.layout
        if not folder.exists():
            shutil.copytree(layouts / self.layout, folder)
            if self.prepare is not None:
                self.prepare(folder)
        return folder


def unzip(folder: Path) -> None:
    """Unpack what the class only unpacks after its own download."""
    for path in sorted(folder.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)


def as_downloaded(folder: Path) -> None:
    """Name the cloud challenge's folders as the class does after its own download."""
    if SINCE_0_10:
        return
    for split, old in (("train", "public"), ("test", "private")):
        (folder / old).rename(folder / split)
        for part in ("features", "labels"):
            (folder / split / f"{split}_{part}").rename(folder / split / f"{split}_{part}")


def once(folder: Path) -> None:
    """List each tile of USAVars once."""
    for path in folder.glob("*_split.txt"):
        path.write_text("\n".join(dict.fromkeys(path.read_text().split())))


def labelled(folder: Path) -> None:
    """Take away the files of CropHarvest that have no label, which the class cannot read."""
    for name in ("2_TestDataset1.h5", "0_TestDataset2.h5"):
        (folder / "features" / "arrays" / name).unlink()


def drawn(address: str, shares: tuple[float, float, float] = HALVES, **more: Any) -> TorchGeoSource:
    """Return a source whose class has no splits."""
    return TorchGeoSource(TG + address, splits=WHOLE, draw=Draw("all", shares), page=PAGE, **more)


def train_test(address: str, target: Any, **more: Any) -> TorchGeoSource:
    """Return a source whose class has no val; real tasks draw it from train."""
    return TorchGeoSource(TG + address, target, splits=TRAIN_TEST, page=PAGE, **more)


TT = ("train", "test")


def registered(layout: str, name: str, splits: tuple[str, ...] = ("train", "val", "test"), **more: Any) -> Adapted:
    """Return a layout as the suite reads it; what the suite draws from train is left whole, or divided in halves."""
    source = SUITE[name].factory
    assert isinstance(source, TorchGeoSource)
    if source.draw is not None:
        own = source.splits.keys() - {source.draw.of}
        source = replace(source, draw=None if own else Draw(source.draw.of, HALVES))
    return Adapted(layout, source, splits, **more)


TWO_FRAMES = {"image1": Part("image", frame=0), "image2": Part("image", frame=1)}
CHANGE = {"mask": Label(classes=("unchanged", "changed"))}


def masks(*classes: str, **more: Any) -> dict[str, Label]:
    """Return a mask as the only target."""
    return {"mask": Label(classes=classes, **more)}


def biomassters_ids(dataset: Any) -> list[str]:
    """Return chip and month of each sample; the table has a row for each sensor."""
    rows = dataset.df.drop_duplicates("num_index").sort_values("num_index")
    return [f"{chip}/{month}" for chip, month in zip(rows["chip_id"], rows["month"], strict=True)]


def cropharvest_crops(dataset: Any) -> list[int]:
    """Return whether there is a crop; the table of labels is in another order than the files."""
    keys = ["properties.dataset", "properties.index"]
    table = dataset.labels.drop_duplicates(keys).set_index(keys)["properties.is_crop"]
    return [int(table[file["dataset"], int(file["index"])]) for file in dataset.files]


def sites(dataset: Any) -> list[str]:
    """Return the site of each tile of ReforesTree."""
    return [Path(path).parent.name for path in dataset.files]


ADAPTED = (
    registered("advance", "advance", TT, prepare=unzip),
    Adapted("agrifieldnet", drawn("AgriFieldNet", target=masks(*map(str, range(14))), chips=Grid(16)), TT),
    registered("bigearthnet/v1", "bigearthnet-v1"),
    registered("bigearthnet/v2", "bigearthnet-v2"),
    Adapted(
        "biomassters",
        train_test(
            "BioMassters",
            {"agb": Label("label", kind=REGRESSION)},
            inputs={"s1": "image_S1", "image": "image_S2"},
            ids="torchgeo_layouts:biomassters_ids",
        ),
        ("train",),  # test has no labels
    ),
    registered("bright", "bright", TT),
    registered("cabuar", "cabuar"),
    registered("caffe", "caffe"),
    registered("chabud", "chabud", TT),
    registered("copernicus/l2_eurosat_s1s2", "copernicus-eurosat-s2", ("test",)),
    registered("copernicus/l3_flood_s1", "copernicus-flood-s1", ("test",)),
    Adapted(
        "copernicus/l2_dfc2020_s1s2",
        TorchGeoSource(TG + "CopernicusBenchDFC2020S2", "mask", splits={"test": {"split": "test"}}),
        ("test",),
    ),
    Adapted(
        "copernicus/l3_airquality_s5p",
        TorchGeoSource(
            TG + "CopernicusBenchAQNO2S5P",
            {"no2": Label("mask", kind=REGRESSION)},
            splits={"test": {"split": "test"}},
            options={"mode": "seasonal"},
        ),
        ("test",),
    ),
    Adapted("copernicus/l3_lcz_s2", TorchGeoSource(TG + "CopernicusBenchLCZS2", ids=INDEX)),
    Adapted(
        "cropharvest",
        drawn(
            "CropHarvest",
            target={"crop": Label("torchgeo_layouts:cropharvest_crops", classes=YES_NO)},
            inputs={"image": "array"},
        ),
        TT,
        labelled,
    ),
    registered("cyclone", "tropical-cyclone", TT),
    registered("deepglobelandcover", "deepglobe", TT),
    Adapted(
        "dfc2022",
        TorchGeoSource(
            TG + "DFC2022",
            {},  # the masks there hold random bytes
            splits={"all": {"split": "train"}},
            draw=Draw("all", HALVES),
            inputs={"image": Part("image", channels=(0, 1, 2)), "dem": Part("image", channels=(3,))},
            page=PAGE,
        ),
        TT,
    ),
    Adapted(
        # The suite takes single images; of the first there are no features.
        "digital_typhoon",
        drawn(
            "DigitalTyphoon",
            (0.6, 0.2, 0.2),
            target={"wind": Label(kind=REGRESSION)},
            ids=(".sample_sequences.id", ".sample_sequences.seq_id"),
        ),
    ),
    Adapted("eddmaps", drawn("EDDMapS", target={}, inputs={}, ids=INDEX, lonlat=".index.geometry"), TT),
    registered("etci2021", "etci2021", TT),
    registered("eurosat", "eurosat", leaks=True),
    registered("fire_risk", "fire-risk", TT),
    Adapted("forestdamage", drawn("ForestDamage", target={}), TT),
    Adapted(
        "ftw",
        TorchGeoSource(
            TG + "FieldsOfTheWorld",
            masks("background", "field"),
            inputs={"image1": Part("image", channels=(0, 1, 2, 3)), "image2": Part("image", channels=(4, 5, 6, 7))},
        ),
    ),
    Adapted("gbif", drawn("GBIF", (0.6, 0.2, 0.2), target={}, inputs={}, ids=INDEX, lonlat=".index.geometry")),
    registered("geonrw", "geonrw", TT),
    Adapted(
        "gid15",
        TorchGeoSource(TG + "GID15", "mask", splits={"train": {"split": "train"}, "test": {"split": "val"}}),
        TT,
    ),
    Adapted("inaturalist", drawn("INaturalist", target={}, inputs={}, ids=INDEX, lonlat=".index.geometry"), TT),
    Adapted("l7irish", drawn("L7Irish", target=masks(*map(str, range(5))), chips=Grid(16)), TT),
    Adapted("l8biome", drawn("L8Biome", target=masks(*map(str, range(5))), chips=Grid(16)), TT),
    registered("landcoverai", "landcover-ai", leaks=True),
    registered("levircd/levircd", "levir-cd"),
    registered("levircd/levircdplus", "levir-cd-plus", TT),
    registered("loveda", "loveda", TT),
    Adapted("millionaid", train_test("MillionAID", "label"), TT),
    Adapted(
        "mmflood", TorchGeoSource(TG + "MMFlood", masks("dry", "flooded", ignore=(255,)), chips=Grid(8)), leaks=True
    ),
    Adapted("nasa_marine_debris", drawn("NASAMarineDebris", target={}), TT),
    Adapted("oscd", train_test("OSCD", CHANGE, inputs=TWO_FRAMES), TT),
    registered("pastis", "pastis"),
    registered("patternnet", "patternnet", TT),
    Adapted("potsdam", train_test("Potsdam2D", "mask"), TT),
    Adapted(
        "quakeset",
        TorchGeoSource(
            TG + "QuakeSet",
            {"label": Label(".data.label"), "magnitude": Label(".data.magnitude", kind=REGRESSION)},
            inputs={"image1": Part("image", channels=(0, 1)), "image2": Part("image", channels=(2, 3))},
            ids=(".data.key", ".data.patch", ".data.images"),
            groups=".data.key",
        ),
    ),
    Adapted(
        "ref_cloud_cover_detection_challenge_v1",
        train_test("CloudCoverDetection", {}),  # the masks there hold random numbers
        TT,
        as_downloaded,
        leaks=True,
    ),
    Adapted(
        "reforestree",
        TorchGeoSource(
            TG + "ReforesTree",
            target={},
            splits=WHOLE,
            draw=Draw("all", (0.4, 0.2, 0.4), by="group"),
            groups="torchgeo_layouts:sites",
            page=PAGE,
        ),
    ),
    registered("resisc45", "resisc45", leaks=True),
    registered("sen12ms", "sen12ms", TT, leaks=True),
    registered("so2sat", "so2sat", ("train", "val")),
    Adapted(
        "south_africa_crop_type", drawn("SouthAfricaCropType", target=masks(*map(str, range(10))), chips=Grid(16)), TT
    ),
    Adapted("substation", drawn("Substation", target={"mask": Label(index=1, classes=YES_NO)}), TT),
    registered("treesatai", "treesatai", TT),
    registered("ucmerced", "uc-merced", leaks=True),
    registered("usavars", "usavars", ("train", "val"), prepare=once),
    Adapted("vaihingen", train_test("Vaihingen2D", "mask"), TT),
    Adapted(
        "zuericrop",
        drawn("ZueriCrop", target={}, ids=INDEX, inputs={"image": Part("image", bands=("B04", "B03"))}),
        TT,
    ),
)
