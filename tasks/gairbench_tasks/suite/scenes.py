"""What a whole image shows: one class, or several labels."""

from __future__ import annotations

from gairbench import DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec, Unit
from gairbench_tasks.suite.entries import PER_SAMPLE, TORCHGEO, aerial, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, INDEX, Draw, Label, Part, TorchGeoSource

_PUBLISHED_BY_NEUMANN = "splits of arXiv:1911.06721"

# Of Level-1C; the class has B8A last, where the files have it, and not after B8.
_EUROSAT_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")


def _eurosat(name: str, cls: str, description: str) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        version=1,
        folder="eurosat100" if cls == "EuroSAT100" else "eurosat",
        factory=TorchGeoSource(TORCHGEO + cls, lonlat=".samples.0"),
        delivers=(sentinel2(_EUROSAT_BANDS, 64), LocationInput()),
        description=description,
        licence="MIT",
        citation="doi:10.1109/JSTARS.2019.2918242",
    )


_EUROSAT = _eurosat("eurosat", "EuroSAT", f"27,000 Sentinel-2 images of Europe; {_PUBLISHED_BY_NEUMANN}")
_EUROSAT_SPATIAL = _eurosat("eurosat-spatial", "EuroSATSpatial", "The same, divided by longitude")
_EUROSAT_100 = _eurosat("eurosat-100", "EuroSAT100", "100 images of EuroSAT; to try things out, and not to compare")

_UC_MERCED = DatasetSpec(
    name="uc-merced",
    version=1,
    folder="ucmerced",
    factory=TorchGeoSource(TORCHGEO + "UCMerced"),
    delivers=(aerial(256, 0.3),),
    description=f"2,100 aerial images of towns in the United States; {_PUBLISHED_BY_NEUMANN}",
    licence="public domain (USGS)",
    citation="doi:10.1145/1869790.1869829",
)

_RESISC45 = DatasetSpec(
    name="resisc45",
    version=1,
    folder="resisc45",
    factory=TorchGeoSource(TORCHGEO + "RESISC45"),
    delivers=(aerial(256),),
    description=f"31,500 pictures of Google Earth, 0.2 to 30 m a pixel; {_PUBLISHED_BY_NEUMANN}",
    licence="CC-BY-NC-4.0",
    citation="doi:10.1109/JPROC.2017.2675998",
)

_PATTERNNET = DatasetSpec(
    name="patternnet",
    version=1,
    folder="patternnet",
    factory=TorchGeoSource(
        TORCHGEO + "PatternNet", splits={"all": {}}, draw=Draw("all", (0.6, 0.2, 0.2), stratify="label")
    ),
    delivers=(aerial(256),),
    description="30,400 pictures of Google Earth, 0.06 to 5 m a pixel; drawn 60/20/20 by class, none is published",
    licence="CC-BY-4.0",
    citation="doi:10.1016/j.isprsjprs.2018.01.004",
)

_ADVANCE = DatasetSpec(
    name="advance",
    version=1,
    folder="advance",
    factory=TorchGeoSource(
        TORCHGEO + "ADVANCE", splits={"all": {}}, draw=Draw("all", (0.6, 0.2, 0.2), stratify="label")
    ),
    delivers=(aerial(512, 0.5),),
    description="5,075 pictures of Google Earth, whose sounds are not used; drawn 60/20/20 by class",
    licence="CC-BY-4.0",
    citation="doi:10.1007/978-3-030-58586-0_5",
)

_FIRE_RISK = DatasetSpec(
    name="fire-risk",
    version=1,
    folder="fire_risk",
    factory=TorchGeoSource(
        TORCHGEO + "FireRisk",
        splits={"train": {"split": "train"}, "test": {"split": "val"}},
        draw=Draw("train", (0.9, 0.1, 0.0), stratify="label"),
        lonlat=f"{PER_SAMPLE}fire_risk",
    ),
    delivers=(aerial(320, 1.0), LocationInput()),
    description="91,872 aerial images of the United States; test is the published val, val a tenth of train",
    licence="CC-BY-NC-4.0",
    citation="arXiv:2303.07035",
)

_SO2SAT_BANDS = tuple(f"S2_B{band}" for band in ("02", "03", "04", "05", "06", "07", "08", "8A", "11", "12"))

_SO2SAT = DatasetSpec(
    name="so2sat",
    version=1,
    folder="so2sat",
    factory=TorchGeoSource(
        TORCHGEO + "So2Sat",
        options={"version": "2", "bands": _SO2SAT_BANDS},
        splits={"train": {"split": "train"}, "val": {"split": "validation"}, "test": {"split": "test"}},
        ids=INDEX,
        page="https://mediatum.ub.tum.de/1454690",
    ),
    delivers=(
        sentinel2(
            ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), 32, white=0.3, unit=Unit.REFLECTANCE
        ),
    ),
    description="400,673 Sentinel-2 images of 52 cities; test is the eastern half of ten cities that train has not",
    licence="CC-BY-4.0",
    citation="doi:10.1109/MGRS.2020.2964708",
)

_L2A = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
# TorchGeo's documentation says VV, VH; it sorts the files by their names, and so VH is first.
_S1 = ImageInput(modality=Modality.RS, name="s1", bands=("VH", "VV"), unit=Unit.DB, size=120, gsd_m=10.0)
_S2 = sentinel2(_L2A, 120, name="s2", white=2_000)

_BIG_EARTH_NET = DatasetSpec(
    name="bigearthnet-v2",
    version=1,
    folder="bigearthnet_v2",
    factory=TorchGeoSource(
        TORCHGEO + "BigEarthNetV2",
        {"label": Label(kind=Kind.MULTILABEL, classes=".class_set")},
        inputs={"s1": "image_s1", "s2": "image_s2"},
        groups=f"{PER_SAMPLE}bigearthnet_scenes",
    ),
    delivers=(_S1, _S2),
    description="480,038 pairs of Sentinel-1 and 2 in ten countries of Europe; published splits, by place",
    licence="CDLA-Permissive-1.0",
    citation="arXiv:2407.03653",
)

_BIG_EARTH_NET_V1 = DatasetSpec(
    name="bigearthnet-v1",
    version=1,
    folder="bigearthnet",
    factory=TorchGeoSource(
        TORCHGEO + "BigEarthNet",
        {"label": Label("._load_target", kind=Kind.MULTILABEL, classes=".class_sets.19")},
        # The class rounds radar to whole decibels, too.
        inputs={"s1": Part("image", channels=(0, 1)), "s2": Part("image", channels=tuple(range(2, 14)))},
        ids=".folders.s2",
        groups=f"{PER_SAMPLE}bigearthnet_v1_scenes",
    ),
    delivers=(_S1, _S2),
    description="590,326 pairs of Sentinel-1 and 2 less those under snow or clouds; published splits",
    licence="CDLA-Permissive-1.0",
    citation="doi:10.1109/MGRS.2021.3089174",
)

_TREE_SAT_AI = DatasetSpec(
    name="treesatai",
    version=1,
    folder="treesatai",
    factory=TorchGeoSource(
        TORCHGEO + "TreeSatAI",
        {"label": Label(kind=Kind.MULTILABEL)},
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0)),
        options={"sensors": ("aerial",)},
        inputs={"image": "image_aerial"},
    ),
    delivers=(ImageInput(modality=Modality.RS, bands=("nir", "green", "blue", "red"), size=304, gsd_m=0.2),),
    description="50,381 aerial images of forest in Lower Saxony; published test, val a tenth of train",
    licence="CC-BY-4.0",
    citation="doi:10.5194/essd-15-681-2023",
)

_CARS = DatasetSpec(
    name="cowc-detection",
    version=1,
    folder="cowc_detection",
    factory=TorchGeoSource(
        TORCHGEO + "COWCDetection",
        {"car": Label(f"{PER_SAMPLE}cars", classes=("no car", "car"))},
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0), stratify="car"),
        ids=".images",
        groups=f"{PER_SAMPLE}car_towns",
    ),
    delivers=(aerial(256, 0.15),),
    description="Aerial images of six towns, around a car or none; published test, val a tenth of train",
    licence="AGPL-3.0-only",
    citation="doi:10.1007/978-3-319-46487-9_48",
)

_LABELS = Kind.MULTILABEL
_NEAR = "blocks:1"

SCENES: tuple[TaskSpec, ...] = (
    ask(_EUROSAT, "land-use", "scene classification", "Which of ten kinds of land use, from 13 bands", group=_NEAR),
    ask(_EUROSAT_SPATIAL, "land-use", "scene classification", "The same, divided by longitude", group=_NEAR),
    ask(_EUROSAT_100, "land-use", "scene classification", "The same with ten images a class", group=_NEAR),
    ask(_UC_MERCED, "land-use", "scene classification", "Which of 21 kinds of land use"),
    ask(_RESISC45, "scene", "scene classification", "Which of 45 scenes"),
    ask(_PATTERNNET, "scene", "scene classification", "Which of 38 scenes"),
    ask(_ADVANCE, "scene", "scene classification", "Which of 13 scenes"),
    ask(_FIRE_RISK, "level", "wildfire risk", "Which of five levels of fire risk, not burnable, or water", group=_NEAR),
    ask(_SO2SAT, "climate-zone", "local climate zones", "Which of 17 local climate zones"),
    *(
        ask(dataset, what, "multi-label land cover", description, kind=_LABELS, inputs=inputs, group=GROUP)
        for dataset in (_BIG_EARTH_NET, _BIG_EARTH_NET_V1)
        for what, description, inputs in (
            ("s2", "19 classes, from Sentinel-2", ("s2",)),
            ("s1", "The same from Sentinel-1", ("s1",)),
            ("s1-s2", "The same from both", ("s1", "s2")),
        )
    ),
    ask(_CARS, "car", "cars", "Whether there is a car in the middle", target="car", group=GROUP),
    ask(_TREE_SAT_AI, "genera", "tree genera", "Which of 15 genera of trees, from 20 cm aerial images", kind=_LABELS),
)
