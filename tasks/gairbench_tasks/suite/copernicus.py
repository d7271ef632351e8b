"""Copernicus-Bench (arXiv 2503.11849): its tasks on Sentinel-1 and 2, whose units are certain."""

from __future__ import annotations

from dataclasses import replace

from gairbench import DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec, Unit
from gairbench.inputs import Input
from gairbench_tasks.suite.entries import PER_SAMPLE, TORCHGEO, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, INDEX, Label, Part, TorchGeoSource

_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
_L2A = tuple(band for band in _L1C if band != "B10")
_10_AND_20_M = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")

_CLASS = f"{TORCHGEO}CopernicusBench"


def _radar(size: int) -> ImageInput:
    return ImageInput(modality=Modality.RS, bands=("VV", "VH"), unit=Unit.DB, size=size, gsd_m=10.0)


def _dataset(
    name: str, folder: str, source: TorchGeoSource, delivers: tuple[Input, ...], description: str
) -> DatasetSpec:
    return DatasetSpec(
        name=f"copernicus-{name}",
        version=1,
        folder=f"copernicus_bench/{folder}",
        factory=source,
        delivers=delivers,
        description=description,
        licence="CC-BY-4.0",
        citation="arXiv:2503.11849",
    )


# The first class is where nothing was labelled.
_DFC_CLASSES = (
    "forest",
    "shrubland",
    "savanna",
    "grassland",
    "wetlands",
    "croplands",
    "urban",
    "snow and ice",
    "barren",
    "water",
)
_DFC = {"mask": Label(classes=_DFC_CLASSES, values=tuple(range(1, 11)), ignore=(0,))}
_SEVERAL = {"label": Label(kind=Kind.MULTILABEL)}

_CLOUD = _dataset(
    "cloud-s2",
    "cloud_s2",
    TorchGeoSource(f"{_CLASS}CloudS2", "mask", groups=f"{PER_SAMPLE}cloud_regions"),
    (sentinel2(_L1C, 512),),
    "2,817 images of CloudSEN12+ worldwide",
)
_DFC_S1 = _dataset(
    "dfc2020-s1",
    "dfc2020",
    TorchGeoSource(f"{_CLASS}DFC2020S1", _DFC),
    (_radar(256),),
    "Sentinel-1 of the DFC2020 contest",
)
_DFC_S2 = _dataset(
    "dfc2020-s2",
    "dfc2020",
    TorchGeoSource(f"{_CLASS}DFC2020S2", _DFC),
    (sentinel2(_L1C, 256),),
    "Sentinel-2 of the DFC2020 contest",
)
_LABELS_S1 = _dataset(
    "bigearthnet-s1",
    "bigearthnet",
    TorchGeoSource(f"{_CLASS}BigEarthNetS1", _SEVERAL, groups=f"{PER_SAMPLE}radar_scenes"),
    (_radar(120),),
    "5 % of BigEarthNet v2, Sentinel-1",
)
_LABELS_S2 = _dataset(
    "bigearthnet-s2",
    "bigearthnet",
    TorchGeoSource(f"{_CLASS}BigEarthNetS2", _SEVERAL, groups=f"{PER_SAMPLE}optical_scenes"),
    (sentinel2(_L2A, 120, white=2_000),),
    "5 % of BigEarthNet v2, Sentinel-2",
)
_ZONES = _dataset(
    "lcz-s2",
    "lcz_s2",
    TorchGeoSource(f"{_CLASS}LCZS2", ids=INDEX),
    (sentinel2(_10_AND_20_M, 32, white=0.3, unit=Unit.REFLECTANCE),),
    "A part of So2Sat, Sentinel-2",
)
_EUROSAT_S1 = _dataset(
    "eurosat-s1",
    "eurosat",
    TorchGeoSource(f"{_CLASS}EuroSATS1", lonlat=f"{PER_SAMPLE}eurosat_files"),
    (_radar(64), LocationInput()),
    "Sentinel-1 of the places of EuroSAT",
)
_EUROSAT_S2 = _dataset(
    "eurosat-s2",
    "eurosat",
    TorchGeoSource(f"{_CLASS}EuroSATS2", lonlat=f"{PER_SAMPLE}eurosat_files"),
    # The files have B8A last.
    (sentinel2((*(band for band in _L1C if band != "B8A"), "B8A"), 64), LocationInput()),
    "EuroSAT, with the splits of Copernicus-Bench",
)
_POWER = replace(_radar(224), unit=Unit.POWER)
_FLOOD = _dataset(
    "flood-s1",
    "flood_s1",
    TorchGeoSource(
        f"{_CLASS}FloodS1",
        {"mask": Label(ignore=(3,))},  # outside of the area that was mapped
        inputs={"before": Part("image", frame=0), "after": Part("image", frame=1)},
        groups=f"{PER_SAMPLE}flood_events",
    ),
    (replace(_POWER, name="before"), replace(_POWER, name="after")),
    "A part of Kuro Siwo: Sentinel-1 before and after floods",
)

_MASK, _LABELS = Kind.SEGMENTATION, Kind.MULTILABEL
_NEAR = "blocks:1"

COPERNICUS: tuple[TaskSpec, ...] = (
    ask(
        _CLOUD,
        "clouds",
        "clouds",
        "Clear, thick cloud, thin cloud, shadow",
        kind=Kind.SEGMENTATION,
        target="mask",
        group=GROUP,
    ),
    ask(_DFC_S1, "land-cover", "land cover", "Ten classes, from radar", kind=_MASK, target="mask"),
    ask(_DFC_S2, "land-cover", "land cover", "Ten classes, from 13 bands", kind=_MASK, target="mask"),
    ask(_LABELS_S1, "land-cover", "multi-label land cover", "19 classes, from radar", kind=_LABELS, group=GROUP),
    ask(
        _LABELS_S2,
        "land-cover",
        "multi-label land cover",
        "19 classes, from 12 bands",
        kind=Kind.MULTILABEL,
        group=GROUP,
    ),
    ask(_ZONES, "climate-zone", "local climate zones", "Which of 17 local climate zones"),
    ask(_EUROSAT_S1, "land-use", "scene classification", "Which of ten kinds of land use, from radar", group=_NEAR),
    ask(_EUROSAT_S2, "land-use", "scene classification", "Which of ten kinds of land use, from 13 bands", group=_NEAR),
    ask(
        _FLOOD,
        "flood",
        "floods",
        "No water, permanent water, flood",
        kind=_MASK,
        target="mask",
        inputs=("before", "after"),
        group=GROUP,
    ),
)
