"""What each pixel shows."""

from __future__ import annotations

from gairbench import DatasetSpec, Kind, TaskSpec
from gairbench_tasks.suite.entries import NOT_STATED, TORCHGEO, aerial, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, TorchGeoSource

_LANDCOVER_AI = DatasetSpec(
    name="landcover-ai",
    version=1,
    folder="landcoverai",
    factory=TorchGeoSource(
        TORCHGEO + "LandCoverAI", "mask", groups="gairbench_tasks.suite.per_sample:landcover_ai_orthophotos"
    ),
    # Eight of the 41 orthophotos have 0.5 m.
    delivers=(aerial(512),),
    description="10,674 aerial tiles of Poland, 0.25 or 0.5 m a pixel; published splits, neighbours in several",
    licence="CC-BY-NC-SA-4.0",
    citation="arXiv:2005.02264",
)

_LOVEDA = DatasetSpec(
    name="loveda",
    version=1,
    folder="loveda",
    factory=TorchGeoSource(
        TORCHGEO + "LoveDA",
        # Masks hold 1 to 7, and 0 where there are no data; the class lists the names from 0 on, and those last.
        {
            "mask": Label(
                classes=("background", "building", "road", "water", "barren", "forest", "agriculture"),
                values=(1, 2, 3, 4, 5, 6, 7),
                ignore=(0,),
            )
        },
        splits={"train": {"split": "train"}, "test": {"split": "val"}},
        draw=Draw("train", (0.9, 0.1, 0.0)),
    ),
    delivers=(aerial(1024, 0.3),),
    description="4,191 pictures of three cities of China; test is the published val, val a tenth of train",
    licence="CC-BY-NC-SA-4.0",
    citation="arXiv:2110.08733",
)

_DEEPGLOBE = DatasetSpec(
    name="deepglobe",
    version=1,
    folder="deepglobelandcover",
    factory=TorchGeoSource(
        TORCHGEO + "DeepGlobeLandCover",
        {
            "mask": Label(
                classes=("urban", "agriculture", "rangeland", "forest", "water", "barren"),
                values=(0, 1, 2, 3, 4, 5),
                ignore=(6,),  # unknown
            )
        },
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0)),
        page="https://www.kaggle.com/datasets/geoap96/deepglobe2018-landcover-segmentation-traindataset",
    ),
    delivers=(aerial(2448, 0.5),),
    description="803 satellite pictures of rural land; test as TorchGeo's class has it, val a tenth of train",
    licence=NOT_STATED,
    citation="arXiv:1805.06561",
)

_PASTIS = DatasetSpec(
    name="pastis",
    version=1,
    folder="pastis",
    factory=TorchGeoSource(
        TORCHGEO + "PASTIS",
        {
            # Void pixels belong to parcels without a known crop.
            "mask": Label("._load_semantic_targets", kind=Kind.SEGMENTATION, ignore=(19,)),
        },
        splits={"train": {"folds": (1, 2, 3)}, "val": {"folds": (4,)}, "test": {"folds": (5,)}},
    ),
    delivers=(sentinel2(("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), 128, frames=(38, 61)),),
    description="2,433 series of a year of Sentinel-2 in France; folds 1 to 3, 4 and 5 as published",
    licence="CC-BY-4.0",
    citation="arXiv:2107.07933",
)

_MASK = Kind.SEGMENTATION

MASKS: tuple[TaskSpec, ...] = (
    ask(
        _LANDCOVER_AI,
        "land-cover",
        "land cover",
        "Buildings, woodland, water, roads",
        kind=_MASK,
        target="mask",
        group=GROUP,
    ),
    ask(_LOVEDA, "land-cover", "land cover", "Seven classes in cities and villages", kind=_MASK, target="mask"),
    ask(_DEEPGLOBE, "land-cover", "land cover", "Six classes of rural land", kind=_MASK, target="mask"),
    ask(_PASTIS, "crops", "crop type mapping", "18 crops and background", kind=_MASK, target="mask"),
)
