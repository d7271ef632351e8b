"""Generated fields of six crops: what grows when, how bright it is, and how it scatters."""

from __future__ import annotations

from typing import Any

import numpy as np

from gairbench import DataContext
from gairbench.data import ArraySplit

CROPS = ("wheat", "barley", "maize", "soy", "rapeseed", "rice")
PEAK = np.array([150, 135, 210, 225, 120, 240])
"""Day of the year at which each is greenest."""

SIZES = {"train": 240, "val": 60, "test": 120}
MONTHS = np.array([45, 105, 165, 196, 255, 315])
"""Days of the year of the six images."""

START = 18_262
"""2020-01-01, in days since 1970-01-01."""


class Fields:
    """Another draw of fields for each split."""

    def __init__(self, context: DataContext) -> None:
        del context

    def fingerprint(self) -> str:
        """Everything is generated: raise the number when the numbers change."""
        return "fields-1"

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the crops."""
        return {"crop": CROPS}[target]

    def split(self, name: str) -> ArraySplit:
        """Return images of summer, radar images and a year of one pixel, of every field."""
        rng = np.random.default_rng(list(SIZES).index(name))
        count = SIZES[name]
        crop = rng.integers(0, len(CROPS), count)
        days = MONTHS + rng.integers(-5, 6, (count, len(MONTHS)))
        green = np.exp(-(((days - PEAK[crop, None]) / 40) ** 2))

        year = np.stack([1_500 - 1_000 * green, 2_000 + 2_500 * green], axis=2) + rng.normal(0, 150, (*days.shape, 2))
        summer = green[:, MONTHS.tolist().index(196)]
        levels = np.stack([600 - 200 * summer, 900 - 200 * summer, 1_500 - 1_000 * summer, 2_000 + 2_500 * summer], 1)
        decibels = np.stack([-9 - crop % 3, -14 - crop // 2], axis=1)
        inputs: dict[str, Any] = {
            "s2": grids(levels, rng, spread=150).clip(1, 10_000).round().astype(np.uint16),
            "s1": (10 ** (grids(decibels, rng, spread=1) / 10)).astype(np.float32),
            "s2_year": year.clip(1, 10_000).round().astype(np.uint16),
            "s2_year_dates": START + days.astype(np.float64),
            "lonlat": rng.uniform((-100, 36), (-88, 46), (count, 2)),
        }
        return ArraySplit([f"{name}-{i}" for i in range(count)], inputs, {"crop": crop.astype(np.int64)})


def grids(levels: Any, rng: np.random.Generator, spread: float) -> Any:
    """Return images ``(field, band, 16, 16)`` around a level for each field and band."""
    return levels[:, :, None, None] + rng.normal(0, spread, (*levels.shape, 16, 16))
