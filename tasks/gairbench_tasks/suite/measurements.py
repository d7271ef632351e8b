"""Numbers measured at the place, or of what the image shows."""

from __future__ import annotations

from gairbench import Category, DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec, Unit
from gairbench.inputs import Rendering
from gairbench_tasks.suite.entries import PER_SAMPLE, TORCHGEO, aerial, ask
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, Part, TorchGeoSource

_NEAR = "blocks:1"
_PLACES = f"{PER_SAMPLE}usavars"
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

_CARS = DatasetSpec(
    name="cowc-counting",
    version=1,
    folder="cowc_counting",
    factory=TorchGeoSource(
        TORCHGEO + "COWCCounting",
        {"cars": Label(f"{PER_SAMPLE}cars", kind=Kind.REGRESSION)},
        splits={"train": {"split": "train"}, "test": {"split": "test"}},
        draw=Draw("train", (0.9, 0.1, 0.0)),
        ids=".images",
        groups=f"{PER_SAMPLE}car_towns",
    ),
    delivers=(aerial(256, 0.15),),
    description="Aerial images of six towns; published test, val a tenth of train",
    licence="AGPL-3.0-only",
    citation="doi:10.1007/978-3-319-46487-9_48",
)

_INFRARED = ("infrared", "infrared", "infrared")

_TYPHOON = DatasetSpec(
    name="digital-typhoon",
    version=1,
    folder="digital_typhoon",
    factory=TorchGeoSource(
        TORCHGEO + "DigitalTyphoon",
        {
            "wind": Label(f"{PER_SAMPLE}typhoon_wind", kind=Kind.REGRESSION),
            "pressure": Label(f"{PER_SAMPLE}typhoon_pressure", kind=Kind.REGRESSION),
        },
        # Of weak storms nobody has estimated the wind, which the table says with a 0.
        options={"sequence_length": 1, "min_feature_value": {"wind": 1.0}},
        splits={"all": {}},
        draw=Draw("all", (0.6, 0.2, 0.2), by="group"),
        inputs={"image": Part("image", span=(170, 300))},
        ids=(".sample_sequences.id", ".sample_sequences.seq_id"),
        groups=".sample_sequences.id",
    ),
    delivers=(
        ImageInput(
            modality=Modality.RS,
            bands=("infrared",),
            unit=Unit.KELVIN,
            size=512,
            gsd_m=5_000.0,
            rendering=Rendering(bands=_INFRARED, low=170, high=300),
        ),
    ),
    description="Infrared images of 1,099 typhoons whose wind is known; whole storms drawn 60/20/20, none is published",
    licence="CC-BY-4.0",
    citation="doi:10.20783/DIAS.664",
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
    ask(_CARS, "cars", "cars", "How many cars, 0 to 63", kind=Kind.REGRESSION, target="cars", group=GROUP),
    ask(
        _TYPHOON,
        "wind",
        "tropical cyclones",
        "Greatest sustained wind at the surface, knots",
        kind=Kind.REGRESSION,
        target="wind",
        group=GROUP,
    ),
    ask(
        _TYPHOON,
        "pressure",
        "tropical cyclones",
        "Pressure in the middle, hPa",
        kind=Kind.REGRESSION,
        target="pressure",
        group=GROUP,
    ),
)
