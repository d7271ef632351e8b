"""LocBench, TorchSpatial's benchmark (arXiv 2406.15658): what is known of a place; the classes are in ``classes/``.

Its images and what networks say of them are not read: models are given coordinates alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gairbench import DatasetSpec, Kind, LocationInput, TaskSpec
from gairbench_tasks.suite.entries import LONLAT, OURS, ask_of_place, measured
from gairbench_tasks.torchgeo.source import Draw, Label, TorchGeoSource

_PAGE = "https://doi.org/10.6084/m9.figshare.26026798"
_NOT_STATED = "not stated (its page)"
_TRAIN_AND_TEST = {"train": {"split": "train"}, "test": {"split": "test"}}
_TRAIN_AND_VAL = {"train": {"split": "train"}, "test": {"split": "val"}}

_MOSAIKS = {
    "elevation": ("elevation", "Elevation, metres"),
    "forest": ("log-forest", "Forest cover, as the logarithm that is published"),
    "nightlights": ("log-nightlights", "Night lights, as the logarithm that is published"),
    "population": ("log-population", "People per square kilometre, as the logarithm that is published"),
}


def _mosaiks(measurement: str, what: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"mosaiks-{what}",
        version=1,
        folder="mosaiks",
        factory=TorchGeoSource(
            f"{OURS}locbench_measurements:MOSAIKS",
            measured(measurement),
            options={"measurement": measurement},
            splits=_TRAIN_AND_TEST,
            draw=Draw("train", (0.9, 0.1, 0.0), by="blocks"),
            inputs={},
            ids=".ids",
            lonlat=LONLAT,
            files=(f"Y_{measurement}.csv",),
            page=_PAGE,
        ),
        delivers=(LocationInput(),),
        description=f"A twentieth of MOSAIKS's places, {measurement}; published test, at random, val cells of train",
        licence=_NOT_STATED,
        citation="doi:10.1038/s41467-021-24638-z, arXiv:2406.15658",
    )


_INDICATORS = {
    "asset_index": "Wealth of households, by what they own",
    "under5_mort": "Children who die before they are five",
    "water_index": "Quality of the water of households",
    "women_bmi": "Body mass index of women",
    "women_edu": "Years that women went to school",
    "sanitation_index": "Quality of the toilets of households",
}


def _sustainbench(indicator: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"sustainbench-{indicator.replace('_', '-')}",
        version=1,
        folder="sustainbench_dhs",
        factory=TorchGeoSource(
            f"{OURS}locbench_measurements:SustainBenchDHS",
            measured(indicator),
            options={"indicator": indicator},
            splits=_TRAIN_AND_TEST,
            draw=Draw("train", (0.8, 0.2, 0.0), by="blocks"),
            inputs={},
            ids=".ids",
            lonlat=LONLAT,
            page=_PAGE,
        ),
        delivers=(LocationInput(),),
        description=f"SustainBench's villages, {indicator}; published test by country, val cells of train",
        licence=_NOT_STATED,
        citation="arXiv:2111.04724, arXiv:2406.15658",
    )


def _classes(
    name: str, folder: str, cls: str, description: str, licence: str, citation: str, **declared: Any
) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        version=1,
        folder=folder,
        factory=TorchGeoSource(
            f"{OURS}locbench_classes:{cls}",
            {"label": Label(".table.label", kind=Kind.CLASSIFICATION)},
            inputs={},
            ids=".ids",
            lonlat=LONLAT,
            page=_PAGE,
            **declared,
        ),
        delivers=(LocationInput(),),
        description=description,
        licence=licence,
        citation=f"{citation}, arXiv:2406.15658",
    )


_AS_PUBLISHED = ("top3_accuracy", "top5_accuracy", "class_mrr")

# Labels of their tests were never published: LocBench's test is their val.
_OWN_VAL: Mapping[str, Any] = {"splits": _TRAIN_AND_VAL, "draw": Draw("train", (0.9, 0.1, 0.0), by="blocks")}

_BIRDSNAP, _BIRDSNAP_EBIRD, _NABIRDS, _INAT2017, _INAT2018, _YFCC, _FMOW = (
    _classes(
        "birdsnap",
        "birdsnap",
        "BirdSnapPlaces",
        "Where photos of 500 species of birds were taken, of which few say it; published splits",
        _NOT_STATED,
        "doi:10.1109/CVPR.2014.259",
        options={"meta": "orig_meta"},
    ),
    _classes(
        "birdsnap-ebird",
        "birdsnap",
        "BirdSnapPlaces",
        "The same photos at places where eBird has sightings of the same species; published splits",
        _NOT_STATED,
        "doi:10.1109/CVPR.2014.259, arXiv:1906.05272",
        options={"meta": "ebird_meta"},
    ),
    _classes(
        "nabirds-ebird",
        "nabirds",
        "NABirdsPlaces",
        "Photos of 555 kinds of birds at places where eBird has sightings of the same species; published splits",
        _NOT_STATED,
        "doi:10.1109/CVPR.2015.7298658, arXiv:1906.05272",
    ),
    _classes(
        "inat2017",
        "inat_2017",
        "INaturalistPlaces",
        "Where photos of 5,089 species were taken; test is the published val, val cells of train",
        _NOT_STATED,
        "arXiv:1707.06642",
        options={"year": 2017},
        **_OWN_VAL,
    ),
    _classes(
        "inat2018",
        "inat_2018",
        "INaturalistPlaces",
        "Where photos of 8,142 species were taken; test is the published val, val cells of train",
        _NOT_STATED,
        "arXiv:1707.06642",
        options={"year": 2018},
        **_OWN_VAL,
    ),
    _classes(
        "yfcc100m-geo100",
        "yfcc",
        "YFCC100MGEO100",
        "Where photos of 100 things were taken, as a beach or snow; published splits",
        _NOT_STATED,
        "doi:10.1109/ICCV.2015.121",
    ),
    _classes(
        "fmow-places",
        "fmow",
        "FMoWPlaces",
        "Places of 62 kinds of buildings and land use; test is the published val, val cells of train",
        _NOT_STATED,
        "arXiv:1711.07846",
        **_OWN_VAL,
    ),
)

LOCBENCH: tuple[TaskSpec, ...] = (
    *(ask_of_place(_mosaiks(name, what), "place", name, text) for name, (what, text) in _MOSAIKS.items()),
    *(
        ask_of_place(_sustainbench(name), "place", name, f"{text}, standardized as it is published")
        for name, text in _INDICATORS.items()
    ),
    *(
        ask_of_place(dataset, "class", "label", description, kind=Kind.CLASSIFICATION, extra_metrics=_AS_PUBLISHED)
        for dataset, description in (
            (_BIRDSNAP, "Which species of bird, from where the photo was taken"),
            (_BIRDSNAP_EBIRD, "Which species of bird, from where one was seen"),
            (_NABIRDS, "Which kind of bird, from where one was seen"),
            (_INAT2017, "Which species, from where the photo was taken"),
            (_INAT2018, "Which species, from where the photo was taken"),
            (_YFCC, "What a photo shows, from where it was taken"),
            (_FMOW, "What a building or land is used for, from where it is"),
        )
    ),
)
