"""What each pixel shows."""

from __future__ import annotations

from gairbench import DatasetSpec, ImageInput, Kind, Modality, TaskSpec, Unit
from gairbench_tasks.suite.entries import NOT_STATED, PER_SAMPLE, TORCHGEO, aerial, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, Part, TorchGeoSource

_LANDCOVER_AI = DatasetSpec(
    name="landcover-ai",
    version=1,
    folder="landcoverai",
    factory=TorchGeoSource(TORCHGEO + "LandCoverAI", "mask", groups=f"{PER_SAMPLE}landcover_ai_orthophotos"),
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

_GEONRW = DatasetSpec(
    name="geonrw",
    version=1,
    folder="geonrw",
    factory=TorchGeoSource(
        TORCHGEO + "GeoNRW",
        {
            "mask": Label(
                classes=(
                    "forest",
                    "water",
                    "agricultural",
                    "residential, commercial, industrial",
                    "grassland, swamp, shrubbery",
                    "railway, train station",
                    "highway, squares",
                    "airport, shipyard",
                    "roads",
                    "buildings",
                ),
                values=tuple(range(1, 11)),
                ignore=(0,),  # background: of none of the paper's ten classes
            )
        },
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0), by="group"),
        inputs={"image": Part("image", span=(0, 255))},
        groups=f"{PER_SAMPLE}geonrw_squares",
    ),
    delivers=(aerial(1000, 1.0),),
    description="7,783 aerial images of 43 cities in Germany; test is three cities, val a tenth of the others' squares",
    licence="CC-BY-4.0",
    citation="doi:10.1109/JSTARS.2021.3071829",
)

_DFC2022 = DatasetSpec(
    name="dfc2022",
    version=1,
    folder="dfc2022",
    factory=TorchGeoSource(
        TORCHGEO + "DFC2022",
        {
            "mask": Label(
                classes=(
                    "urban fabric",
                    "industrial, commercial, public, military, private and transport units",
                    "mine, dump and construction sites",
                    "artificial non-agricultural vegetated areas",
                    "arable land",
                    "permanent crops",
                    "pastures",
                    "complex and mixed cultivation patterns",
                    "orchards at the fringe of urban classes",
                    "forests",
                    "herbaceous vegetation associations",
                    "open spaces with little or no vegetation",
                    "wetlands",
                    "water",
                ),
                values=tuple(range(1, 15)),
                ignore=(0, 15),  # no information; clouds and shadows
            )
        },
        # The others have no labels.
        splits={"labelled": {"split": "train"}},
        draw=Draw("labelled", (0.6, 0.2, 0.2), by="group"),
        # The fourth channel is the height of the ground.
        inputs={"image": Part("image", channels=(0, 1, 2))},
        groups=f"{PER_SAMPLE}dfc2022_squares",
        page="https://ieee-dataport.org/competitions/data-fusion-contest-2022-dfc2022",
    ),
    delivers=(aerial(2000, 0.5),),
    description="The labelled aerial images of Nantes and Nice; squares of 5 km drawn 60/20/20, none is published",
    licence="CC-BY-4.0",
    citation="doi:10.1007/s10994-020-05943-y",
)

_ETCI = DatasetSpec(
    name="etci2021",
    version=1,
    folder="etci2021",
    factory=TorchGeoSource(
        TORCHGEO + "ETCI2021",
        {
            "water": Label("mask", index=0, classes=("no water", "water body")),
            "flood": Label("mask", index=1, classes=("no flood", "flood")),
        },
        # Of the published test only permanent water is labelled.
        splits={"train": {"split": "train"}, "test": {"split": "val"}},
        draw=Draw("train", (0.8, 0.2, 0.0), by="group"),
        # Each polarization is a grey picture of three equal channels.
        inputs={"image": Part("image", channels=(0, 3))},
        groups=f"{PER_SAMPLE}etci_scenes",
    ),
    delivers=(ImageInput(modality=Modality.RS, bands=("VV", "VH"), unit=Unit.UINT8, size=256),),
    description="Pictures of Sentinel-1 of floods; test is the published val, val whole scenes of train",
    licence=NOT_STATED,
    citation="https://nasa-impact.github.io/etci2021",
)

_FIELDS_BANDS = ("B4", "B3", "B2", "B8")

_FIELDS = DatasetSpec(
    name="fields-of-the-world",
    version=1,
    folder="ftw",
    factory=TorchGeoSource(
        TORCHGEO + "FieldsOfTheWorld",
        {"mask": Label(classes=("background", "field", "field boundary"), values=(0, 1, 2), ignore=(3,))},
        options={
            "target": "3-class",
            "countries": (
                "austria", "belgium", "brazil", "cambodia", "corsica", "croatia", "denmark", "estonia", "finland",
                "france", "germany", "india", "kenya", "latvia", "lithuania", "luxembourg", "netherlands", "portugal",
                "rwanda", "slovakia", "slovenia", "south_africa", "spain", "sweden", "vietnam",
            ),
        },
        # The class has the later image first.
        inputs={"planting": Part("image", channels=(4, 5, 6, 7)), "harvest": Part("image", channels=(0, 1, 2, 3))},
        groups=f"{PER_SAMPLE}field_countries",
    ),
    delivers=(sentinel2(_FIELDS_BANDS, 256, name="planting"), sentinel2(_FIELDS_BANDS, 256, name="harvest")),
    description="70,462 pairs of Sentinel-2 in 25 countries and regions; published splits within each",
    licence="of each country",
    citation="arXiv:2409.16252",
)  # fmt: skip

_CLOUD_COVER = DatasetSpec(
    name="cloud-cover",
    version=1,
    folder="ref_cloud_cover_detection_challenge_v1",
    factory=TorchGeoSource(
        TORCHGEO + "CloudCoverDetection",
        {"mask": Label(classes=("clear", "cloud"))},
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0), by="group"),
        ids=".metadata.chip_id",
        groups=".metadata.location",
    ),
    delivers=(sentinel2(("B2", "B3", "B4", "B8"), 512),),
    description="Sentinel-2 of the cloud cover challenge; published test, val whole places of train",
    licence="CC-BY-4.0",
    citation="doi:10.34911/rdnt.hfq6m7",
)

_SEN12MS = DatasetSpec(
    name="sen12ms",
    version=1,
    folder="sen12ms",
    factory=TorchGeoSource(
        TORCHGEO + "SEN12MS",
        {
            "mask": Label(
                classes=(
                    "evergreen needleleaf forests", "evergreen broadleaf forests", "deciduous needleleaf forests",
                    "deciduous broadleaf forests", "mixed forests", "closed shrublands", "open shrublands",
                    "woody savannas", "savannas", "grasslands", "permanent wetlands", "croplands",
                    "urban and built-up lands", "cropland and natural vegetation mosaics", "permanent snow and ice",
                    "barren", "water bodies",
                ),
                values=tuple(range(1, 18)),
                ignore=(0, 255),
            )
        },
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0), by="group"),
        inputs={"s1": Part("image", channels=(0, 1)), "s2": Part("image", channels=tuple(range(2, 15)))},
        groups=f"{PER_SAMPLE}sen12ms_scenes",
        page="https://mediatum.ub.tum.de/1474000",
    ),
    delivers=(
        ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=256, gsd_m=10.0),
        sentinel2(
            ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"), 256, name="s2"
        ),
    ),
    description="180,662 pairs of Sentinel-1 and 2, labels of MODIS; published test, val whole scenes of train",
    licence="CC-BY-4.0",
    citation="doi:10.5194/isprs-annals-IV-2-W7-153-2019",
)  # fmt: skip

_CAFFE = DatasetSpec(
    name="caffe",
    version=1,
    folder="caffe",
    factory=TorchGeoSource(
        TORCHGEO + "CaFFe",
        {
            "zones": Label(
                "mask_zones", classes=("rock", "glacier", "ocean and ice melange"), values=(1, 2, 3), ignore=(0,)
            )
        },
        inputs={"image": Part("image", channels=(0, 0, 0))},
        groups=f"{PER_SAMPLE}caffe_scenes",
    ),
    # Radar of several satellites and resolutions, as grey pictures.
    delivers=(aerial(512),),
    description="19,092 grey pictures of radar of glaciers that end in the sea; published splits",
    licence="CC-BY-4.0",
    citation="doi:10.5194/essd-14-4287-2022",
)

_MASK = Kind.SEGMENTATION
_IMAGE = (Modality.RS,)

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
    *(
        ask(dataset, what, family, description, kind=_MASK, target=target, inputs=inputs, group=GROUP)
        for dataset, what, family, description, target, inputs in (
            (_GEONRW, "land-cover", "land cover", "Ten classes in cities and around them", "mask", _IMAGE),
            (_DFC2022, "land-use", "land use", "14 classes of the Urban Atlas", "mask", _IMAGE),
            (_ETCI, "flood", "floods", "Where there is a flood, from radar", "flood", _IMAGE),
            (_ETCI, "water", "floods", "Permanent water, from radar", "water", _IMAGE),
            (_FIELDS, "boundaries", "fields", "Fields and their boundaries", "mask", ("planting", "harvest")),
            (_CLOUD_COVER, "clouds", "clouds", "Clear or cloud, from four bands", "mask", _IMAGE),
            (_SEN12MS, "s1", "land cover", "17 classes of the IGBP, from Sentinel-1", "mask", ("s1",)),
            (_SEN12MS, "s2", "land cover", "The same from Sentinel-2", "mask", ("s2",)),
            (_SEN12MS, "s1-s2", "land cover", "The same from both", "mask", ("s1", "s2")),
            (_CAFFE, "zones", "glaciers", "Rock, glacier, sea", "zones", _IMAGE),
        )
    ),
)
