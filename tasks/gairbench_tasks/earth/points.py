"""Where the samples lie: seeded land points and the Blue Marble chips around them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import blocks, randomness
from gairbench_tasks.earth.classes import OCEAN, WATER
from gairbench_tasks.earth.rasters import (
    PIXELS_PER_DEGREE,
    SHAPE,
    blue_marble,
    koeppen,
    land_cover,
    night_lights,
    pixel_centres,
)

CHIP = 48
LAT_RANGE = (-56.0, 75.0)
# A point off the centre stays in the central three quarters of its chip.
MARGIN = CHIP // 8
# How much likelier a street photo stands on a brightly lit pixel than on a dark one of the same area.
LIT_WEIGHT = 15.0

T = TypeVar("T", bound=np.generic)
Region = Literal["train", "val", "test", "globe"]
Placement = Literal["centre", "anywhere"]
Role = Literal["evaluation", "pretraining"]


@dataclass(frozen=True, slots=True)
class Points:
    """Points on land with the chips around them.

    Args:
        numbers: ``(n,)`` index of the point's pixel in the flattened 1/15-degree grid, unique.
        row: ``(n,)`` pixel row.
        column: ``(n,)`` pixel column.
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        top: ``(n,)`` first pixel row of the chip.
        left: ``(n,)`` first pixel column of the chip.
    """

    numbers: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]
    lonlat: NDArray[np.float64]
    top: NDArray[np.int64]
    left: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def bbox(self) -> NDArray[np.float64]:
        """``(n, 4)`` edges of the chips: lon_min, lat_max, lon_max, lat_min in degrees."""
        lon_min = self.left / PIXELS_PER_DEGREE - 180
        lat_max = 90 - self.top / PIXELS_PER_DEGREE
        side = CHIP / PIXELS_PER_DEGREE
        return np.stack([lon_min, lat_max, lon_min + side, lat_max - side], axis=1)

    def chips(self, grid: NDArray[T], indices: NDArray[np.int64] | slice = slice(None)) -> NDArray[T]:
        """Cut the chips out of a grid ``(2700, 5400, ...)``, giving ``(n, 48, 48, ...)``."""
        window = np.arange(CHIP)
        rows = self.top[indices, None, None] + window[:, None]
        columns = self.left[indices, None, None] + window
        chips: NDArray[T] = grid[rows, columns]
        return chips

    def images(self, indices: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.uint8]:
        """Cut the Blue Marble chips out, ``(n, 3, 48, 48)`` RGB 0-255, north up."""
        return np.ascontiguousarray(self.chips(blue_marble(), indices).transpose(0, 3, 1, 2))


@functools.cache
def land() -> NDArray[np.bool_]:
    """Return where both the climate and the land-cover grid see land, ``(2700, 5400)``."""
    both: NDArray[np.bool_] = (koeppen() != OCEAN) & (land_cover() != WATER)
    return both


def sample(
    name: str, count: int, *, region: Region, placement: Placement, role: Role, prefer_lit: bool = False
) -> Points:
    """Draw distinct land points, equally dense on the ground, whose whole chip lies in one region.

    Args:
        name: Seeds the draw; the same name always gives the same points.
        count: How many.
        region: Split whose blocks hold the chips, or ``"globe"`` for all of them.
        placement: ``"centre"``: the point is the centre of the pixel south-east of the chip's centre, half a pixel off.
            ``"anywhere"``: uniform in the central three quarters of the chip.
        role: Evaluation and pre-training points come from alternate pixels, like the two colours of a chessboard.
        prefer_lit: Street photos are taken where people are: up to 16 times denser in bright places.

    Returns:
        The points, in random order.

    Raises:
        ValueError: The region has fewer points.
    """
    row, column = _candidates(role)
    numbers = row * SHAPE[1] + column
    key = randomness.keys(name, numbers)
    if placement == "centre":
        down = right = np.full(len(numbers), CHIP // 2)
    else:
        down, right = (
            MARGIN + (randomness.uniform(key, axis) * (CHIP - 2 * MARGIN)).astype(np.int64)
            for axis in ("down", "right")
        )
    top, left = row - down, column - right
    inside = (top >= 0) & (left >= 0) & (top + CHIP <= SHAPE[0]) & (left + CHIP <= SHAPE[1])
    if region != "globe":
        split = blocks.split_of_chips(np.where(inside, top, 0), np.where(inside, left, 0), CHIP)
        inside &= split == blocks.SPLITS.index(region)
    picked = np.flatnonzero(inside)
    if len(picked) < count:
        raise ValueError(f"{region} has {len(picked)} points, fewer than {count}")
    weight = np.cos(np.radians(pixel_centres(row[picked], 0)[1]))
    if prefer_lit:
        weight = weight * (1 + LIT_WEIGHT * np.minimum(night_lights()[row[picked], column[picked]] / 30, 1))
    # Weighted sampling without replacement: the smallest of exponential waiting times (Efraimidis and Spirakis 2006).
    waiting = -np.log1p(-randomness.uniform(key[picked], "order")) / weight
    picked = picked[np.lexsort((numbers[picked], waiting))[:count]]
    row, column, key = row[picked], column[picked], key[picked]
    lonlat = np.stack(pixel_centres(row, column), axis=1)
    if placement == "anywhere":
        jitter = np.stack([randomness.uniform(key, "lon") - 0.5, randomness.uniform(key, "lat") - 0.5], axis=1)
        # Just short of the pixel's edge, so that rounding never moves a point into the next pixel.
        lonlat = lonlat + jitter * (0.999 / PIXELS_PER_DEGREE)
    return Points(
        numbers=numbers[picked],
        row=row,
        column=column,
        lonlat=lonlat,
        top=top[picked],
        left=left[picked],
    )


@functools.cache
def _candidates(role: Role) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    first, last = ((90 - lat) * PIXELS_PER_DEGREE for lat in reversed(LAT_RANGE))
    row, column = np.nonzero(land()[int(first) : int(last)])
    row = row + int(first)
    keep = (row + column) % 2 == (0 if role == "evaluation" else 1)
    return row[keep], column[keep]
