"""Known answers of Galileo-nano: samples, and what the published code makes of them with the published weights.

Computed with ``single_file_galileo.py`` of github.com/nasaharvest/galileo at commit 0f0b5b9 (float32, CPU) from these
samples in its own units, normalized as its ``Normalizer`` does, and averaged by its ``average_tokens``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gairbench import Unit
from gairbench.golden import Golden, GoldenImage
from gairbench_models.galileo.presets import PATCHES
from gairbench_models.satellite_groups import ERA5, S1, S2, SRTM, bands_of_groups

DAYS = (19_524, 19_554, 19_585)
"""The middles of June to August 2023."""

LONLAT = (14.25, 52.5)

EDGE, GSD_M = 16, 20.0
"""Pixels of the tile, and metres of each."""


def _field(first: float, step: float, number: int) -> NDArray[np.float64]:
    """Return a series of images of which no two and no two axes and directions are alike."""
    month, row, column = np.ogrid[: len(DAYS), :EDGE, :EDGE]
    return first + step * ((3 * month + 2 * number) % 7 + number + row / 4 + (column * column) / 64)


def _radar() -> dict[str, NDArray[np.float64]]:
    """Return backscatter in decibels."""
    return {band: _field(-20.0 + 3 * n, 0.5, n) for n, band in enumerate(bands_of_groups(S1))}


def _optical() -> dict[str, NDArray[np.float64]]:
    """Return digital numbers of Sentinel-2."""
    return {band: _field(400.0, 110.0, n) for n, band in enumerate(bands_of_groups(S2))}


def _weather() -> dict[str, NDArray[np.float64]]:
    """Return kelvin and metres, of the whole tile."""
    numbers = np.array([0.0, 3.0, 1.0])
    return dict(zip(bands_of_groups(ERA5), (288.0 + 2 * numbers, 0.04 + 0.01 * numbers), strict=True))


def _relief() -> dict[str, NDArray[np.float64]]:
    """Return metres and degrees."""
    return dict(zip(bands_of_groups(SRTM), (_field(60.0, 4.0, 1)[0], _field(1.0, 0.25, 2)[0]), strict=True))


def galileo_answers(model: str, preset: str) -> Iterator[Golden]:
    """A tile of all sensors, and one pixel of Sentinel-2 at no known place."""
    del model  # there is one
    yield Golden(
        name="tile",
        images={
            "s2": GoldenImage(
                bands={b: v / 10_000 for b, v in _optical().items()}, unit=Unit.REFLECTANCE, dates=DAYS, gsd_m=GSD_M
            ),
            "s1": GoldenImage(
                bands={b: 10 ** (v / 10) for b, v in _radar().items()}, unit=Unit.POWER, dates=DAYS, gsd_m=GSD_M
            ),
            "srtm": GoldenImage(bands=_relief(), unit={"elevation": Unit.METRES, "slope": Unit.RAW}, gsd_m=GSD_M),
            "era5": GoldenImage(
                bands=_weather(), unit={"temperature": Unit.KELVIN, "precipitation": Unit.METRES}, dates=DAYS
            ),
        },
        lonlat=LONLAT,
        expected=TILE[PATCHES[preset]],
    )
    yield Golden(
        name="pixel",
        images={
            "s2": GoldenImage(
                bands={b: v[:, 3, 5] for b, v in _optical().items()}, unit=Unit.S2_DN, dates=DAYS, gsd_m=10.0
            )
        },
        expected=PIXEL,
    )


TILE = {
    8: (
        -0.018908, 0.015311, -0.074095, 0.088427, -0.071035, -0.078733, -0.041307, 0.084957, -0.063407, 0.045653,
        0.026125, -0.035068, -0.072041, 0.057011, -0.013655, 0.009157, 0.022637, 0.121263, 0.022652, 0.080703,
        0.017148, 0.030424, -0.044493, 0.047083, 0.058850, 0.068236, -0.006498, 0.014396, 0.017451, -0.009129,
        -0.025212, -0.058393, 0.054938, 0.013169, 0.104210, -0.006139, 0.056718, 0.103359, 0.022094, -0.061924,
        -0.100840, 0.001676, -0.022504, -0.040987, 0.122598, -0.000282, -0.027010, -0.010990, -0.016209, -0.048877,
        -0.066994, 0.047044, -0.061958, -0.029586, -0.027187, -0.070380, 0.084155, -0.031803, -0.044120, 0.061235,
        0.005038, -0.088347, 0.026254, -0.000970, 0.033763, -0.017692, 0.070391, -0.117230, 0.088863, -0.013103,
        -0.020454, 0.048766, -0.038505, -0.614685, 0.044804, 0.037045, -0.082934, 0.052340, 0.104845, -0.140805,
        -0.026986, -0.038412, -0.016510, 0.038152, -0.073578, -0.043057, 0.102771, 0.074822, -0.062565, -0.034092,
        -0.017936, -0.012047, -0.320048, 0.117468, -0.051935, -0.028516, 0.020186, -0.010802, 0.043289, 0.064043,
        0.100882, -0.028485, -0.110162, -0.045014, 0.040792, -0.011424, -0.018246, -0.028229, 0.124962, 0.051688,
        -0.087623, 0.146744, -0.047937, -0.047221, -0.035805, -0.100980, 0.439614, 0.066689, 0.089522, -0.006147,
        -0.006225, 0.002526, 0.039475, -0.023502, 0.287578, -0.061154, -0.054946, 0.137584,
    ),
    4: (
        -0.004359, 0.026479, -0.017803, 0.074915, -0.041122, -0.059722, -0.044965, 0.049854, -0.056719, 0.048416,
        0.012431, -0.037957, -0.069847, 0.091587, -0.016906, 0.024112, 0.030485, 0.119986, 0.045597, 0.081734,
        0.015125, 0.028145, -0.050863, 0.068449, 0.066463, 0.050024, -0.002286, -0.001401, 0.010272, 0.020027,
        -0.045259, -0.064881, 0.068826, -0.010825, 0.087283, -0.009495, 0.054375, 0.112906, 0.010697, -0.052071,
        -0.074953, 0.002517, -0.016767, -0.042187, 0.114656, 0.028278, 0.002509, -0.032479, -0.028523, -0.046384,
        -0.070293, 0.077438, -0.030365, -0.026779, -0.044349, -0.089066, 0.080734, -0.046297, -0.053702, 0.069162,
        -0.009509, -0.134105, 0.017109, 0.007205, 0.045693, 0.019980, 0.053298, -0.094591, 0.107887, -0.002257,
        -0.026111, 0.040316, -0.034122, -0.628264, 0.037174, 0.027932, -0.067815, 0.057669, 0.087480, -0.146543,
        -0.026563, -0.068098, -0.042351, 0.024870, -0.100299, -0.058213, 0.086536, 0.067825, -0.032014, -0.041933,
        -0.105312, -0.030607, -0.048443, 0.107548, -0.032004, 0.003697, -0.007630, 0.093598, -0.010646, 0.043231,
        0.138802, -0.013151, -0.126456, -0.050980, 0.026701, -0.020524, 0.016836, -0.031181, 0.123881, 0.025952,
        -0.122319, 0.079365, -0.066637, -0.053271, 0.006228, -0.087462, 0.506498, 0.037992, 0.046861, 0.004681,
        0.003156, -0.007839, 0.041326, -0.140872, 0.273720, -0.036964, -0.037948, 0.013628,
    ),
}  # fmt: skip
"""By the edge of a patch."""

PIXEL = (
    0.012590, 0.055796, -0.314641, 0.028422, -0.016396, -0.090990, -0.061064, 0.105398, 0.047670, 0.015324,
    -0.019923, -0.024678, 0.013971, 0.024527, -0.146411, -0.000895, -0.014092, 0.082711, -0.051457, 0.088676,
    -0.035428, 0.024764, -0.009989, 0.037053, 0.045701, 0.066491, 0.015458, -0.012410, 0.036009, 0.180433,
    -0.021964, -0.049558, 0.043979, -0.016503, 0.059507, -0.076063, 0.016058, 0.071765, 0.067317, -0.115559,
    -0.062664, 0.030328, -0.087731, -0.176797, 0.079142, -0.041415, 0.005196, 0.033368, -0.059930, -0.011539,
    -0.059623, 0.054535, -0.200328, 0.016861, -0.053245, 0.029872, 0.098863, -0.008228, -0.167539, 0.129323,
    -0.011674, -0.060694, -0.003724, 0.003304, 0.019426, -0.041994, 0.102202, 0.028230, 0.005709, 0.025402,
    -0.002848, 0.040590, 0.061954, -0.874532, 0.005779, 0.067295, -0.054638, 0.068941, 0.143401, -0.031093,
    0.028468, -0.104242, 0.017415, 0.120357, -0.138959, 0.007338, 0.089251, -0.009224, -0.009397, -0.067572,
    -0.008951, -0.110607, 0.073268, 0.130887, -0.112151, -0.021623, 0.045854, 0.014326, 0.049860, 0.051240,
    0.000443, 0.016941, -0.067736, -0.122924, 0.050047, -0.064799, -0.082581, 0.041900, 0.183019, 0.064554,
    0.001800, 0.065214, 0.073391, -0.076680, 0.000978, 0.052088, 0.337539, 0.099183, -0.025174, -0.098784,
    -0.021354, -0.022380, -0.005918, 0.266361, 0.304399, -0.089314, -0.125286, 0.024584,
)  # fmt: skip
