"""Datasets of the PANGAEA benchmark (arXiv 2412.04204) that TorchGeo has no class for; ours are in ``classes/``."""

from __future__ import annotations

from gairbench import DatasetSpec, ImageInput, Kind, Modality, TaskSpec, Unit
from gairbench_tasks.suite.entries import OURS, PER_SAMPLE, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, Label, TorchGeoSource

_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")

_BURN_SCARS = DatasetSpec(
    name="hls-burn-scars",
    version=1,
    folder="hls_burn_scars",
    factory=TorchGeoSource(
        f"{OURS}hls_burn_scars:HLSBurnScars",
        {"mask": Label(ignore=(-1,))},
        ids=".files.image",
        groups=f"{PER_SAMPLE}hls_tiles",
        page="https://huggingface.co/datasets/ibm-nasa-geospatial/hls_burn_scars",
    ),
    delivers=(sentinel2(("B2", "B3", "B4", "B8A", "B11", "B12"), 512, white=0.3, unit=Unit.REFLECTANCE, gsd_m=30.0),),
    description="804 scenes of Landsat and Sentinel-2 over fires; test is the published validation, val as PANGAEA's",
    licence="CC-BY-4.0",
    citation="arXiv:2310.18660",
)

_FLOODS = DatasetSpec(
    name="sen1floods11",
    version=1,
    folder="sen1floods11",
    factory=TorchGeoSource(
        f"{OURS}sen1floods11:Sen1Floods11",
        {"mask": Label(ignore=(-1,))},
        inputs={"s1": "image_s1", "s2": "image_s2"},
        ids=".chips",
        groups=f"{PER_SAMPLE}sen1floods11_events",
        page="https://github.com/cloudtostreet/Sen1Floods11",
    ),
    delivers=(
        ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=512, gsd_m=10.0),
        sentinel2(_L1C, 512, name="s2"),
    ),
    description="446 chips of eleven floods that people labelled; published splits, each flood in all of them",
    licence="not stated (its page)",
    citation="doi:10.1109/CVPRW50498.2020.00113",
)

_MADOS = DatasetSpec(
    name="mados",
    version=1,
    folder="mados",
    factory=TorchGeoSource(
        f"{OURS}mados:MADOS",
        {
            "mask": Label(
                classes=(
                    "marine debris", "dense sargassum", "sparse floating algae", "natural organic material", "ship",
                    "oil spill", "marine water", "sediment-laden water", "foam", "turbid water", "shallow water",
                    "waves and wakes", "oil platform", "jellyfish", "sea snot",
                ),
                values=tuple(range(1, 16)),
                ignore=(0,),
            )
        },
        ids=".tiles",
        groups=f"{PER_SAMPLE}mados_scenes",
        page="https://doi.org/10.5281/zenodo.10664073",
    ),
    delivers=(
        sentinel2(
            ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
            240,
            white=0.1,
            unit=Unit.REFLECTANCE,
        ),
    ),
    description="2,803 tiles of 174 scenes of the sea, whose pixels are labelled here and there; published splits",
    licence="CC-BY-4.0",
    citation="doi:10.1016/j.isprsjprs.2024.02.017",
)  # fmt: skip

_SMALL_FARMS = DatasetSpec(
    name="ai4smallfarms",
    version=1,
    folder="ai4smallfarms",
    factory=TorchGeoSource(
        f"{OURS}ai4smallfarms:AI4SmallFarms",
        {"mask": Label()},
        ids=".files.image",
        page="https://doi.org/10.17026/dans-xy6-ngg6",
    ),
    delivers=(sentinel2(("B2", "B3", "B4", "B8"), 496),),
    description="62 tiles of Vietnam and Cambodia with the boundaries of small fields; published splits",
    licence="not stated (its page)",
    citation="doi:10.1109/LGRS.2023.3323095",
)

_SOUTH_SUDAN = DatasetSpec(
    name="crops-south-sudan",
    version=1,
    folder="crops_south_sudan",
    factory=TorchGeoSource(
        f"{OURS}south_sudan:CropTypeMappingSouthSudan",
        {"mask": Label(ignore=(-1,))},
        inputs={"s1": "image_s1", "s2": "image_s2"},
        ids=".squares",
        page="https://sustainlab-group.github.io/sustainbench/docs/datasets/sdg2/crop_type_mapping_ghana-ss.html",
    ),
    delivers=(
        ImageInput(
            modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=64, gsd_m=10.0, frames=(1, 6)
        ),
        sentinel2(("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"), 64, name="s2", frames=(1, 6)),
    ),
    description="Squares of 640 m with the four most common crops, at up to six dates; published splits",
    licence="not stated (its page)",
    citation="arXiv:2111.04724",
)

_SEEN = (Modality.RS,)

PANGAEA: tuple[TaskSpec, ...] = tuple(
    ask(dataset, what, family, description, kind=Kind.SEGMENTATION, target="mask", inputs=inputs, group=group)
    for dataset, what, family, description, inputs, group in (
        (_BURN_SCARS, "burned", "burn scar segmentation", "Where a fire has burned, from six bands", _SEEN, GROUP),
        (_FLOODS, "s1", "floods", "Where water is, from Sentinel-1", ("s1",), GROUP),
        (_FLOODS, "s2", "floods", "The same from Sentinel-2", ("s2",), GROUP),
        (_FLOODS, "s1-s2", "floods", "The same from both", ("s1", "s2"), GROUP),
        (_MADOS, "pollution", "marine pollution", "15 classes of what floats on the sea", _SEEN, GROUP),
        (_SMALL_FARMS, "boundaries", "cropland polygon segmentation", "Where small fields end", _SEEN, ""),
        (_SOUTH_SUDAN, "s1", "crop type mapping", "Which of four crops, from Sentinel-1", ("s1",), ""),
        (_SOUTH_SUDAN, "s2", "crop type mapping", "The same from Sentinel-2", ("s2",), ""),
        (_SOUTH_SUDAN, "s1-s2", "crop type mapping", "The same from both", ("s1", "s2"), ""),
    )
)
