"""Numbers measured at the place, or of what the image shows."""

from __future__ import annotations

from gairbench import Category, DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec
from gairbench_tasks.suite.entries import TORCHGEO, aerial, ask
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, TorchGeoSource

_NEAR = "blocks:1"
_PLACES = "gairbench_tasks.suite.per_sample:usavars"
_MEASURED = {
    "treecover": "Tree cover, percent",
    "elevation": "Elevation, metres",
    "population": "People per square kilometre",
}

_USAVARS = DatasetSpec(
    name="usavars",
    version=1,
    folder="usavars",
    factory=TorchGeoSource(
        TORCHGEO + "USAVars",
        {name: Label(f"{_PLACES}_{name}", kind=Kind.REGRESSION) for name in _MEASURED},
        lonlat=_PLACES,
    ),
    delivers=(
        # NAIP, a square kilometre, resampled.
        ImageInput(modality=Modality.RS, bands=("red", "green", "blue", "nir"), gsd_m=4.0),
        LocationInput(),
    ),
    description="About 100,000 square kilometres of the United States at random; splits as TorchGeo has them",
    licence="CC-BY-4.0",
    citation="doi:10.1038/s41467-021-24638-z",
)

_CYCLONE = DatasetSpec(
    name="tropical-cyclone",
    version=1,
    folder="cyclone",
    factory=TorchGeoSource(
        TORCHGEO + "TropicalCyclone",
        {"wind": Label(".labels.Wind Speed", kind=Kind.REGRESSION)},
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.85, 0.15, 0.0), by="group"),
        ids=".features.Image ID",
        groups=".features.Storm ID",
    ),
    delivers=(aerial(366),),
    description="Infrared pictures of more than 600 storms; published test, val whole storms of train",
    licence="CC-BY-4.0",
    citation="doi:10.1109/JSTARS.2020.3011907",
)

MEASUREMENTS: tuple[TaskSpec, ...] = (
    *(
        ask(_USAVARS, name, "USAVars", f"{what}, from an aerial image", kind=Kind.REGRESSION, target=name, group=_NEAR)
        for name, what in _MEASURED.items()
    ),
    *(
        ask(
            _USAVARS,
            f"{name}-location",
            "geo-aware regression",
            f"{what}, from the place alone",
            kind=Kind.REGRESSION,
            target=name,
            inputs=(Modality.LOCATION,),
            category=Category.LOCATION,
            group=_NEAR,
        )
        for name, what in _MEASURED.items()
    ),
    ask(
        _CYCLONE,
        "wind",
        "tropical cyclones",
        "Greatest sustained wind at the surface, knots",
        kind=Kind.REGRESSION,
        target="wind",
        group=GROUP,
    ),
)
