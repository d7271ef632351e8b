"""What Galileo takes: groups of bands by kind, their scales, and inputs. Importing this module imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from gairbench import ImageInput
from gairbench_models import satellite_groups as shared
from gairbench_models.satellite_groups import bands_of_groups, series_of

_CEREALS = ("temporarycrops", "maize", "wintercereals", "springcereals", "irrigation")

SPACE_TIME = {name: shared.GROUPS[name] for name in (*shared.S1, *shared.S2, "NDVI")}
"""Groups with a token a patch and month, in the order of the weights."""

SPACE = {
    "SRTM": shared.GROUPS["SRTM"],
    "DW": shared.DYNAMIC_WORLD,
    "WC": tuple(f"worldcereal:{name}" for name in _CEREALS),
}
"""Groups with a token a patch: relief, shares of land cover, percentages of crops."""

TIME = {
    "ERA5": shared.GROUPS["ERA5"],
    "TC": ("terraclimate:def", "terraclimate:soil", "terraclimate:aet"),
    "VIIRS": ("viirs:avg_rad",),
}
"""Groups with a token a month: weather; water deficit, soil moisture and evapotranspiration; night lights."""

STATIC = {
    "LS": ("landscan:population",),
    "location": ("x", "y", "z"),
    "DW_static": tuple(f"{name}:mean" for name in SPACE["DW"]),
    "WC_static": tuple(f"{name}:mean" for name in SPACE["WC"]),
}
"""Groups with one token: people, the place, and land cover and crops of the whole image.

The last two take part in the pre-training alone; the authors' function that makes inputs leaves them out, as we do.
"""

GROUPS: Mapping[str, tuple[str, ...]] = {**SPACE_TIME, **SPACE, **TIME, **STATIC}

_DEVIATIONS = 2
"""Standard deviations below and above the mean that become 0 and 1."""

_STATISTICS = {
    "VV": (-11.728724389184965, 4.887145774840316),
    "VH": (-18.85558188024017, 5.730270320384293),
    "B2": (1395.3408730676722, 917.7041440370853),
    "B3": (1338.4026921784578, 913.2988423581528),
    "B4": (1343.09883810357, 1092.678723527555),
    "B5": (1543.8607982512297, 1047.2206083460424),
    "B6": (2186.2022069512263, 1048.0101611156767),
    "B7": (2525.0932853316694, 1143.6903026819996),
    "B8": (2410.3377187373408, 1098.979177731649),
    "B8A": (2750.2854646886753, 1204.472755085893),
    "B11": (2234.911100061487, 1145.9774063078878),
    "B12": (1474.5311266077113, 980.2429840007796),
    "elevation": (673.0152819503361, 983.0697298296237),
    "slope": (5.930092668915115, 8.167406789813247),
    "temperature": (271.5674963541667, 79.80828940314429),
    "precipitation": (0.08554303677156568, 0.11669547098151486),
    "terraclimate:def": (657.3181260091111, 704.0008695557707),
    "terraclimate:soil": (692.1291795806885, 925.0116126406431),
    "terraclimate:aet": (562.781331880633, 453.2434022278578),
    "viirs:avg_rad": (1.5647115934036673, 7.513020170832818),
    "landscan:population": (188.20315880851746, 1154.5919128300602),
}
"""Mean and standard deviation over the pre-training samples: config/normalization.json of the authors' repository
github.com/nasaharvest/galileo, commit 0f0b5b95."""

_PERCENT = 100.0


def scale(band: str) -> tuple[float, float]:
    """Return the value of a band that becomes 0, and how much more becomes 1.

    Args:
        band: As :data:`GROUPS` names it.
    """
    if band in _STATISTICS:
        mean, std = _STATISTICS[band]
        return mean - _DEVIATIONS * std, 2 * _DEVIATIONS * std
    return 0.0, _PERCENT if band.startswith("worldcereal:") else 1.0


def _series(name: str, groups: tuple[str, ...], size: int | None) -> ImageInput:
    return series_of(name, bands_of_groups(groups, GROUPS), size=size)


def galileo_inputs(size: int | None = None) -> tuple[ImageInput, ...]:
    """Return the images that Galileo takes, of values that it normalizes itself: NDVI is of values before that.

    Args:
        size: Edge in pixels of images with a grid; ``None``: as the data have it.
    """
    return (
        _series("s2", shared.S2, size),
        _series("s1", shared.S1, size),
        _series("srtm", shared.SRTM, size),
        _series("dynamic-world", ("DW",), size),
        _series("worldcereal", ("WC",), size),
        _series("era5", shared.ERA5, 1),
        _series("terraclimate", ("TC",), 1),
        _series("viirs", ("VIIRS",), 1),
        _series("landscan", ("LS",), 1),
    )
