"""Copernicus-Bench (arXiv 2503.11849): its tasks on Sentinel-1 and 2, whose units are certain."""

from __future__ import annotations

from collections.abc import Mapping

from gairbench import DatasetSpec, ImageInput, Kind, Modality, TaskSpec, Unit
from gairbench_tasks.suite.entries import TORCHGEO, ask, sentinel2
from gairbench_tasks.torchgeo.source import GROUP, INDEX, Label, TorchGeoSource

_L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
_L2A = tuple(band for band in _L1C if band != "B10")
_10_AND_20_M = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")

_PER_SAMPLE = "gairbench_tasks.suite.per_sample:"


def _radar(size: int) -> ImageInput:
    return ImageInput(modality=Modality.RS, bands=("VV", "VH"), unit=Unit.DB, size=size, gsd_m=10.0)


def _dataset(
    name: str,
    folder: str,
    cls: str,
    image: ImageInput,
    target: Mapping[str, Label],
    description: str,
    *,
    ids: str = "",
    groups: str = "",
) -> DatasetSpec:
    return DatasetSpec(
        name=f"copernicus-{name}",
        version=1,
        folder=f"copernicus_bench/{folder}",
        factory=TorchGeoSource(f"{TORCHGEO}CopernicusBench{cls}", target, ids=ids, groups=groups),
        delivers=(image,),
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
    "CloudS2",
    sentinel2(_L1C, 512),
    {"mask": Label()},
    "2,817 images of CloudSEN12+ worldwide",
    groups=f"{_PER_SAMPLE}cloud_regions",
)
_DFC_S1 = _dataset("dfc2020-s1", "dfc2020", "DFC2020S1", _radar(256), _DFC, "Sentinel-1 of the DFC2020 contest")
_DFC_S2 = _dataset(
    "dfc2020-s2", "dfc2020", "DFC2020S2", sentinel2(_L1C, 256), _DFC, "Sentinel-2 of the DFC2020 contest"
)
_LABELS_S1 = _dataset(
    "bigearthnet-s1",
    "bigearthnet",
    "BigEarthNetS1",
    _radar(120),
    _SEVERAL,
    "5 % of BigEarthNet v2, Sentinel-1",
    groups=f"{_PER_SAMPLE}radar_scenes",
)
_LABELS_S2 = _dataset(
    "bigearthnet-s2",
    "bigearthnet",
    "BigEarthNetS2",
    sentinel2(_L2A, 120, white=2_000),
    _SEVERAL,
    "5 % of BigEarthNet v2, Sentinel-2",
    groups=f"{_PER_SAMPLE}optical_scenes",
)
_ZONES = _dataset(
    "lcz-s2",
    "lcz_s2",
    "LCZS2",
    sentinel2(_10_AND_20_M, 32, white=0.3, unit=Unit.REFLECTANCE),
    {"label": Label()},
    "A part of So2Sat, Sentinel-2",
    ids=INDEX,
)

_MASK, _LABELS = Kind.SEGMENTATION, Kind.MULTILABEL

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
)
