"""Known answers of Presto: samples, and what the published code makes of them with the published weights.

Computed with ``single_file_presto.py`` of github.com/nasaharvest/presto at commit 13173d0 (float32, CPU) from these
samples in its own units, its month and its order of bands.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gairbench import Unit
from gairbench.golden import Golden, GoldenImage
from gairbench_models.satellite_groups import DYNAMIC_WORLD, ERA5, S1, S2, bands_of_groups

DAYS = (19_676, 19_707, 19_737, 19_768, 19_799)
"""The middles of November 2023 to March 2024."""

LONLAT = (-110.5, 38.25)


def _months(first: float, step: float, number: int, count: int = len(DAYS)) -> NDArray[np.float64]:
    """Return a series of which no two and no two directions are alike: multiples of ``step`` above ``first``."""
    return first + step * ((3 * np.arange(count, dtype=np.float64) + 2 * number) % 7 + number)


def _radar() -> dict[str, NDArray[np.float64]]:
    """Return backscatter in decibels."""
    return {band: _months(-18.0 + 3 * n, 0.5, n) for n, band in enumerate(bands_of_groups(S1))}


def _optical(count: int = len(DAYS)) -> dict[str, NDArray[np.float64]]:
    """Return digital numbers of Sentinel-2."""
    return {band: _months(400.0, 130.0, n, count) for n, band in enumerate(bands_of_groups(S2))}


def _weather() -> dict[str, NDArray[np.float64]]:
    """Return kelvin and metres."""
    return dict(zip(bands_of_groups(ERA5), (_months(271.0, 2.5, 0), _months(0.01, 0.005, 1)), strict=True))


def _cover() -> dict[str, NDArray[np.float64]]:
    """Return shares of land cover of three months: crops prevail, nothing is known, trees prevail."""
    shares = np.array([[5, 6, 7, 8, 40, 9, 10, 11, 4], [0] * 9, [7, 45, 5, 6, 8, 9, 3, 10, 7]]) / 100
    return dict(zip(DYNAMIC_WORLD, shares.T, strict=True))


def presto_answers(model: str, preset: str) -> Iterator[Golden]:
    """A winter of all sensors, two months of Sentinel-2 alone, and three with land cover in two of them."""
    del model, preset  # there is one of each
    yield Golden(
        name="winter",
        images={
            "s1": GoldenImage(bands={b: 10 ** (v / 10) for b, v in _radar().items()}, unit=Unit.POWER, dates=DAYS),
            "s2": GoldenImage(bands={b: v / 10_000 for b, v in _optical().items()}, unit=Unit.REFLECTANCE, dates=DAYS),
            "era5": GoldenImage(
                bands=_weather(), unit={"temperature": Unit.KELVIN, "precipitation": Unit.METRES}, dates=DAYS
            ),
            "srtm": GoldenImage(
                bands={"elevation": 1_450.0, "slope": 7.5},
                unit={"elevation": Unit.METRES, "slope": Unit.RAW},
                dates=DAYS[:1],
            ),
        },
        lonlat=LONLAT,
        expected=WINTER,
    )
    yield Golden(
        name="optical",
        images={"s2": GoldenImage(bands=_optical(2), unit=Unit.S2_DN, dates=DAYS[-2:])},
        lonlat=LONLAT,
        expected=OPTICAL,
    )
    yield Golden(
        name="land cover",
        images={
            "s2": GoldenImage(bands=_optical(3), unit=Unit.S2_DN, dates=DAYS[:3]),
            "dynamic-world": GoldenImage(bands=_cover(), unit=Unit.RAW, dates=DAYS[:3]),
        },
        lonlat=LONLAT,
        expected=LAND_COVER,
    )


WINTER = (
    -0.86618, -1.49182, 2.12427, -0.24361, -1.84651, -1.35096, -0.66873, -0.11247, 0.68212, -1.85202,
    1.64456, -0.51342, 1.58513, 0.81696, 0.08349, 0.61707, 0.52304, 1.49315, -2.17937, 0.53721,
    1.27289, -0.35398, -0.15770, 1.16080, 0.99021, 0.91807, -0.09847, 0.35992, -2.40772, -2.92878,
    0.11992, 0.40843, -0.76017, -1.38484, -1.58762, -0.53022, -1.02569, 1.41653, 0.71724, 0.38419,
    0.68494, 0.00446, 1.85540, -1.45618, 0.17456, 0.35172, 1.12977, -0.41419, -1.35845, 0.04601,
    -0.61529, -0.16377, -1.81379, 0.73462, -0.36064, -0.64488, -0.70747, 1.27440, -0.45792, -0.44698,
    1.93249, -0.75086, -0.10142, 0.27509, 0.41524, -0.60103, 0.19646, -0.64228, -1.32982, -1.43103,
    -0.35093, 0.89873, -0.10527, 1.51063, 0.43884, 0.91659, 1.24727, -0.84212, 0.59272, 1.14202,
    -1.86131, 0.15684, -0.23011, -0.97419, 0.71213, 0.24706, -0.08632, 0.34010, 0.44522, -1.02322,
    0.79253, 0.22470, 0.02788, 2.38888, 0.21656, -0.27812, -3.59924, -0.35539, -1.46084, -0.84392,
    -0.47525, -0.14249, 1.10497, -0.20528, 1.96639, -1.06052, 0.31831, 1.43512, 0.33544, -0.12746,
    -3.85079, 1.56823, -0.58671, -1.24059, -1.28472, -0.77655, 1.80420, 0.41842, 1.21619, -1.37130,
    -0.35654, 0.50125, -0.20625, 1.39069, 1.22122, 0.49168, -1.39996, 0.35513,
)  # fmt: skip

OPTICAL = (
    0.28611, -2.06376, 1.18434, 1.06903, -0.28747, 1.27432, -0.15608, -1.71071, 1.25042, -0.76369,
    1.41837, -0.58675, 0.37889, 1.20368, -0.81706, 0.76265, 2.03438, 1.55608, -1.52600, -0.77822,
    0.90140, -1.84436, -0.23293, 0.62521, 0.42522, 0.53170, -0.92142, 0.38775, -1.00879, -1.36840,
    0.70399, 1.56679, 0.41223, -1.68409, -1.03236, 0.04256, 0.48344, 1.68619, -0.65159, 0.18198,
    0.84648, 0.30064, 1.67422, -0.71444, -0.16282, 0.67434, 0.61446, -0.32768, 0.08434, 0.27281,
    -1.01100, 0.00261, -0.48838, 0.09785, 0.33694, 0.41050, -0.07556, 0.44420, -0.86012, -1.01400,
    1.08818, -0.00546, 0.74312, -0.68215, 0.35035, 0.79606, -0.77200, 1.67135, -1.72134, 0.87836,
    -0.62993, -0.48987, 0.17560, 2.30806, -0.25509, 1.45044, 0.91763, -1.43633, 0.08810, 0.70097,
    -0.57711, 0.34060, -1.45978, -0.41249, -0.89713, -0.37643, 0.32440, 0.42707, 0.27696, 1.82577,
    0.04671, 0.88564, -0.20780, 2.41697, -0.85470, 0.22399, -5.34429, -1.06476, -3.41567, -0.24535,
    0.01981, 1.07454, -0.07763, -0.87296, -0.25383, -1.18240, 0.18848, 1.80227, -0.38462, 0.47302,
    -2.49323, 1.61009, -0.49190, -2.24984, -2.52175, -0.25691, 0.27927, 0.80562, 1.74097, -1.35116,
    -0.01064, -0.14034, -1.58932, 0.50524, 0.36835, 0.40296, -1.26381, 1.80507,
)  # fmt: skip

LAND_COVER = (
    -0.40746, -2.26898, 0.92919, 0.21966, -1.37839, -0.99236, -1.26467, -2.12702, -0.37667, 0.21750,
    -0.03894, -1.10580, 0.20564, -0.26957, -0.19626, -0.96771, 2.46750, 1.55053, -0.86391, 0.32069,
    1.13516, -1.12981, 1.14113, 0.79927, 1.36611, 0.42379, -0.37351, 0.04133, -1.29211, -0.38608,
    0.76125, 2.21456, 0.33020, -1.37351, -1.48088, -0.98515, 0.86069, 0.74639, -0.05533, 0.37441,
    -0.22772, 0.80758, 1.21818, -1.28646, 0.38994, 1.26681, 0.62100, 0.86507, 0.44596, 0.19482,
    -1.41880, 0.08938, -1.60296, 0.89729, 0.14678, 1.00089, -0.41852, 0.13825, -1.34042, -1.10368,
    1.69444, -0.11737, 0.69198, -0.51973, 1.14253, 0.23722, -0.08152, 1.16615, -0.98816, 0.71134,
    0.43671, 0.06285, 0.77708, 1.69008, 0.24166, 1.23313, 0.96560, -1.46816, 0.34442, 0.33477,
    -1.79539, -0.03232, -1.44789, -1.35668, -0.89338, -0.03271, -0.27106, 1.15381, 0.57666, 0.49021,
    -0.31247, 0.39470, 0.03462, 3.12091, -0.80990, 0.08810, -4.70264, -0.31304, -1.76784, -0.10147,
    -0.37654, 0.32761, -0.07969, -0.22645, 0.41137, -0.87340, 0.28886, 1.60806, -0.61216, 1.13130,
    -3.00376, 1.95762, -0.29523, -1.96746, -1.88777, -0.30902, -0.00666, 1.03797, 1.35942, -0.75236,
    -0.33053, -0.28139, -1.52683, 0.72108, 0.79725, 0.80920, -0.97278, 1.54176,
)  # fmt: skip
