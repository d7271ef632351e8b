"""What has changed between two images of a place."""

from __future__ import annotations

from dataclasses import replace

from gairbench import DatasetSpec, ImageInput, Kind, TaskSpec
from gairbench_tasks.suite.entries import NOT_STATED, TORCHGEO, aerial, ask, sentinel2
from gairbench_tasks.torchgeo.source import Draw, Label, Part, TorchGeoSource

_FRAMES = {"before": Part("image", frame=0), "after": Part("image", frame=1)}


def _both(image: ImageInput) -> tuple[ImageInput, ImageInput]:
    return replace(image, name="before"), replace(image, name="after")


_CABUAR = DatasetSpec(
    name="cabuar",
    version=1,
    folder="cabuar",
    factory=TorchGeoSource(TORCHGEO + "CaBuAr", {"mask": Label(classes=("not burned", "burned"))}, inputs=_FRAMES),
    delivers=_both(
        sentinel2(("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"), 512, gsd_m=20.0)
    ),
    description="424 pairs of Sentinel-2 before and after fires in California; test is that of the ChaBuD challenge",
    licence="OpenRAIL",
    citation="doi:10.1109/MGRS.2023.3292467",
)

_BUILT = {"mask": Label(classes=("unchanged", "changed"))}

_LEVIR_CD = DatasetSpec(
    name="levir-cd",
    version=1,
    folder="levircd",
    factory=TorchGeoSource(TORCHGEO + "LEVIRCD", _BUILT, inputs=_FRAMES),
    delivers=_both(aerial(1024, 0.5)),
    description="637 pairs of Google Earth, 5 to 14 years apart, in Texas; published splits",
    licence=NOT_STATED,
    citation="doi:10.3390/rs12101662",
)

_LEVIR_CD_PLUS = DatasetSpec(
    name="levir-cd-plus",
    version=1,
    folder="levircdplus",
    factory=TorchGeoSource(
        TORCHGEO + "LEVIRCDPlus",
        _BUILT,
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0)),
        inputs=_FRAMES,
    ),
    delivers=_both(aerial(1024, 0.5)),
    description="985 pairs of Google Earth in Texas; published test, val a tenth of train",
    licence=NOT_STATED,
    citation="arXiv:2107.09244",
)


def _change(dataset: DatasetSpec, what: str, family: str, description: str) -> TaskSpec:
    return ask(dataset, what, family, description, kind=Kind.SEGMENTATION, target="mask", inputs=("before", "after"))


CHANGE: tuple[TaskSpec, ...] = (
    _change(_CABUAR, "burned", "burn scar segmentation", "Where a fire has burned, from before and after"),
    _change(_LEVIR_CD, "buildings", "change detection", "Buildings that were built or taken down"),
    _change(_LEVIR_CD_PLUS, "buildings", "change detection", "Buildings that were built or taken down"),
)
