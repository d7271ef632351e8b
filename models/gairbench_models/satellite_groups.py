"""Groups of bands that NASA Harvest's encoders make one token of, and the images that hold them.

Presto and Galileo have these in common. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gairbench import ImageInput, Modality, Unit

GROUPS: Mapping[str, tuple[str, ...]] = {
    "S1": ("VV", "VH"),
    "S2_RGB": ("B2", "B3", "B4"),
    "S2_Red_Edge": ("B5", "B6", "B7"),
    "S2_NIR_10m": ("B8",),
    "S2_NIR_20m": ("B8A",),
    "S2_SWIR": ("B11", "B12"),
    "ERA5": ("temperature", "precipitation"),
    "SRTM": ("elevation", "slope"),
    "NDVI": ("NDVI",),
}
"""The bands of each group, in the order of their weights. The names of the groups are those of the published weights.

Backscatter is in decibels, Sentinel-2 in digital numbers, the mean temperature of a month in kelvin and its
precipitation in metres, elevation in metres and slope in degrees. NDVI is computed from B8 and B4.
"""

_COVER = ("water", "trees", "grass", "flooded_vegetation", "crops", "shrub_and_scrub", "built", "bare", "snow_and_ice")

DYNAMIC_WORLD = tuple(f"dynamic-world:{name}" for name in _COVER)
"""Shares of land cover, 0 to 1, as Google's Dynamic World names them, in the order of its classes."""

FRAMES = (1, 24)
"""Months of a series."""

GSD_M = 10.0
"""Metres per pixel of what the encoders were trained with."""

S1 = ("S1",)
S2 = ("S2_RGB", "S2_Red_Edge", "S2_NIR_10m", "S2_NIR_20m", "S2_SWIR")
ERA5 = ("ERA5",)
SRTM = ("SRTM",)

_UNITS = {
    **dict.fromkeys(GROUPS["S1"], Unit.DB),
    **{band: Unit.S2_DN for group in S2 for band in GROUPS[group]},
    "temperature": Unit.KELVIN,
    "precipitation": Unit.METRES,
    "elevation": Unit.METRES,
}


def series_of(name: str, bands: tuple[str, ...], **more: Any) -> ImageInput:
    """Return the input of a monthly series, of which any band may be missing.

    Args:
        name: What the encoder calls it.
        bands: Its bands; those of no known unit are taken as they are.
        more: Other fields of the declaration.
    """
    return ImageInput(
        modality=Modality.RS,
        name=name,
        bands=bands,
        unit=tuple(_UNITS.get(band, Unit.RAW) for band in bands),
        gsd_m=GSD_M,
        frames=FRAMES,
        surplus_frames="even",
        missing="drop",
        **more,
    )


def bands_of_groups(names: tuple[str, ...], groups: Mapping[str, tuple[str, ...]] = GROUPS) -> tuple[str, ...]:
    """Return the bands of some groups, one group after the other."""
    return tuple(band for name in names for band in groups[name])
