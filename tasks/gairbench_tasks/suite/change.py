"""What has changed between two images of a place."""

from __future__ import annotations

from dataclasses import replace

from gairbench import DatasetSpec, ImageInput, Kind, TaskSpec
from gairbench_tasks.suite.entries import NOT_STATED, PER_SAMPLE, TORCHGEO, aerial, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, Part, TorchGeoSource

_FRAMES = {"before": Part("image", frame=0), "after": Part("image", frame=1)}


def _both(image: ImageInput) -> tuple[ImageInput, ImageInput]:
    return replace(image, name="before"), replace(image, name="after")


_L2A = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
_FIRES = f"{PER_SAMPLE}fires"
_BURNED = {"mask": Label(classes=("not burned", "burned"))}

_CABUAR = DatasetSpec(
    name="cabuar",
    version=1,
    folder="cabuar",
    factory=TorchGeoSource(TORCHGEO + "CaBuAr", _BURNED, inputs=_FRAMES, groups=_FIRES),
    delivers=_both(sentinel2(_L2A, 512, gsd_m=20.0)),
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

_TRAIN_AND_VAL = {"train": {"split": "train"}, "test": {"split": "val"}}

_CHABUD = DatasetSpec(
    name="chabud",
    version=1,
    folder="chabud",
    factory=TorchGeoSource(
        TORCHGEO + "ChaBuD",
        _BURNED,
        splits=_TRAIN_AND_VAL,
        draw=Draw("train", (0.8, 0.2, 0.0), by="group"),
        inputs=_FRAMES,
        groups=_FIRES,
    ),
    delivers=_both(sentinel2(_L2A, 512)),
    description="356 pairs of Sentinel-2 before and after fires, many of CaBuAr; test is the published val",
    licence="OpenRAIL",
    citation="doi:10.1109/MGRS.2023.3292467",
)

_BRIGHT = DatasetSpec(
    name="bright",
    version=1,
    folder="bright",
    factory=TorchGeoSource(
        TORCHGEO + "BRIGHTDFC2025",
        "mask",
        # Labels of the published test are not.
        splits=_TRAIN_AND_VAL,
        draw=Draw("train", (0.9, 0.1, 0.0)),
        inputs=_FRAMES,
        groups=f"{PER_SAMPLE}bright_events",
    ),
    # After it, radar as a grey picture of three equal channels.
    delivers=_both(aerial(1024)),
    description="Optical images before and radar after disasters; test is the published val, val a tenth of train",
    licence="CC-BY-4.0 AND CC-BY-NC-4.0",
    citation="arXiv:2501.06019",
)

_XVIEW2 = DatasetSpec(
    name="xview2",
    version=1,
    folder="xview2",
    factory=TorchGeoSource(
        TORCHGEO + "XView2",
        {
            # The class takes the mask before from the mask after: an intact building, 1 in both, becomes 0, and so on
            # by one. It is 4 only where no building was before.
            "mask": Label(
                classes=("background or intact", "minor damage", "major damage", "destroyed"),
                values=(0, 1, 2, 3),
                ignore=(4,),
            )
        },
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0)),
        inputs=_FRAMES,
        ids=".files.image1",
        groups=f"{PER_SAMPLE}xview2_events",
        page="https://xview2.org/dataset",
    ),
    delivers=_both(aerial(1024)),
    description="3,732 pairs of satellite pictures before and after disasters; published test, val a tenth of train",
    licence="CC-BY-NC-SA-4.0",
    citation="arXiv:1911.09296",
)


def _change(dataset: DatasetSpec, what: str, family: str, description: str, group: str = "") -> TaskSpec:
    both = ("before", "after")
    return ask(dataset, what, family, description, kind=Kind.SEGMENTATION, target="mask", inputs=both, group=group)


CHANGE: tuple[TaskSpec, ...] = (
    _change(_CABUAR, "burned", "burn scar segmentation", "Where a fire has burned, from before and after", GROUP),
    _change(_LEVIR_CD, "buildings", "change detection", "Buildings that were built or taken down"),
    _change(_LEVIR_CD_PLUS, "buildings", "change detection", "Buildings that were built or taken down"),
    _change(_CHABUD, "burned", "burn scar segmentation", "Where a fire has burned, from before and after", GROUP),
    _change(_BRIGHT, "damage", "disaster damage", "Buildings that are intact, damaged or destroyed", GROUP),
    _change(_XVIEW2, "damage", "disaster damage", "Minor or major damage to buildings, and destroyed ones", GROUP),
)
