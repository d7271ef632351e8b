"""Known answers: what each model must make of a sample, worked out without the model's code.

Those of a published model come from its authors' code. The samples are given in other units than the models take, and
no two bands, axes or images of them are alike, so that whatever is exchanged shows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gairbench import Unit
from gairbench.golden import Golden, GoldenImage

OPTICAL = {"B2": 0.05, "B3": 0.08, "B4": 0.04, "B8": 0.40}
RADAR = {"VV": -9.0, "VH": -15.0}

QUARTERS = np.array([-0.015, 0.005, -0.005, 0.015])
"""What :func:`image` adds to its level: north-west, north-east, south-west, south-east."""


def image(level: float) -> Any:
    """Return 16 x 16 pixels of a level that is a little higher in the east, and a little more so in the south."""
    return level + np.kron(QUARTERS.reshape(2, 2), np.ones((8, 8)))


def of_joint(model: str, preset: str) -> Iterator[Golden]:
    """Both sensors, and either."""
    del model, preset  # the function is of one model, which has one preset
    s2 = GoldenImage(bands={name: 10_000 * image(level) for name, level in OPTICAL.items()}, unit=Unit.S2_DN)
    s1 = GoldenImage(bands={name: 10 ** (image(level) / 10) for name, level in RADAR.items()}, unit=Unit.POWER)
    optical = np.concatenate([level + QUARTERS for level in OPTICAL.values()])
    radar = np.concatenate([level + QUARTERS for level in RADAR.values()])
    yield Golden(name="optical", images={"s2": s2}, expected=optical)
    yield Golden(name="radar", images={"s1": s1}, expected=radar)
    yield Golden(name="joint", images={"s2": s2, "s1": s1}, expected=np.concatenate([optical, radar]))


def of_spectrum(model: str, preset: str) -> Iterator[Golden]:
    """Three bands far from each other: the spectrum at a wavelength is the value of the nearest band, or of two.

    In the second sample some pixels are missing, and what was filled in does not count.
    """
    del model, preset
    bands = {"landsat-8:B2": 0.05, "landsat-8:B5": 0.40, "landsat-8:B6": 0.20}
    images = {"rs": GoldenImage(bands={name: image(level) for name, level in bands.items()}, unit=Unit.REFLECTANCE)}
    waves = np.array([0.48, 0.865, 1.61])
    near = np.exp(-((np.log(np.array([0.45, 0.55, 0.65, 0.85, 1.6, 2.2])[:, None] / waves) / 0.1) ** 2))
    levels = near @ np.array(list(bands.values())) / near.sum(axis=1)
    expected = (levels[:, None] + QUARTERS).ravel()
    yield Golden(name="landsat", images=images, expected=expected)
    there = np.ones((16, 16), dtype=bool)
    there[2:5, 1:11] = False
    filled = {name: np.where(there, image(level), 0.9 - level) for name, level in bands.items()}
    holed = GoldenImage(bands=filled, unit=Unit.REFLECTANCE, mask=there)
    yield Golden(name="landsat with missing pixels", images={"rs": holed}, expected=expected)


def of_seasons(model: str, preset: str) -> Iterator[Golden]:
    """A year of a field at 60 degrees south and 90 degrees east, where winter is in July."""
    del model, preset
    series = {"B4": [500.0, 1_000.0, 1_500.0, 800.0], "B8": [4_000.0, 3_000.0, 2_000.0, 3_400.0]}
    start = 18_262.5  # 50 years of 365.25 days
    dates = [start + 365.25 * quarter / 4 for quarter in range(4)]
    # Half a year later than in the north: cosines are -1, 0, 1, 0, and sines 0, -1, 0, 1.
    red = [0.095, 0.025, -0.005]
    infrared = [0.310, -0.050, 0.010]
    expected = [*np.stack([red, infrared], axis=1).ravel(), 0.0, 0.5, -np.sqrt(0.75)]
    year = GoldenImage(bands=series, unit=Unit.S2_DN, dates=dates)
    yield Golden(name="southern field", images={"s2_year": year}, lonlat=(90.0, -60.0), expected=expected)
