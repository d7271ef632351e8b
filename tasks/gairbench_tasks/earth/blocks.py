"""Spatial splits: blocks of 10 x 10 degrees, each wholly in one split."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.rasters import PIXELS_PER_DEGREE

DEGREES = 10
ROWS, COLUMNS = 180 // DEGREES, 360 // DEGREES
SPLITS = ("train", "val", "test")
SHARES = (0.60, 0.15, 0.25)
SEED = 23
"""Part of the benchmark's definition, whatever ``--seed`` says."""
LOOKED_AT = (8, 22)
"""Seeds of earlier draws, with which models have been run: none of their test blocks is a test block again."""


@functools.cache
def split_of_blocks() -> NDArray[np.uint8]:
    """Return the split of every block, ``(18, 36)`` indices into :data:`SPLITS`, north-west block first."""
    test = SPLITS.index("test")
    known = np.any([_draw(seed, SHARES) == test for seed in LOOKED_AT], axis=0)
    train, val, tested = SHARES
    # Draws are independent: on the average (1 - tested) ** 2 of the blocks are in neither of the earlier test splits.
    # All test blocks are among these, so that each is drawn more often.
    tested_of_new = tested / (1 - tested) ** len(LOOKED_AT)
    rest = np.array([train, val]) / (train + val)
    weights = np.where(known[:, None], [*rest, 0], [*(rest * (1 - tested_of_new)), tested_of_new])
    return _draw(SEED, weights).astype(np.uint8).reshape(ROWS, COLUMNS)


def _draw(seed: int, weights: NDArray[np.float64] | tuple[float, ...]) -> NDArray[np.int64]:
    numbers = np.arange(ROWS * COLUMNS) + seed * ROWS * COLUMNS
    return randomness.choice(randomness.keys("block", numbers), "split", weights)


def split_of_points(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.uint8]:
    """Return the split of points given in degrees, as indices into :data:`SPLITS`."""
    return split_of_blocks()[_block_of_points(lon, lat)]


def names_of_points(lonlat: NDArray[np.float64]) -> NDArray[np.str_]:
    """Return the block of points as its row and column, the north-west block first.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
    """
    row, column = _block_of_points(lonlat[:, 0], lonlat[:, 1])
    return np.array([f"{r}-{c}" for r, c in zip(row.tolist(), column.tolist(), strict=True)], dtype=np.str_)


def _block_of_points(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row = np.floor((90 - np.asarray(lat, dtype=np.float64)) / DEGREES).astype(np.int64)
    column = np.floor((np.asarray(lon, dtype=np.float64) + 180) / DEGREES).astype(np.int64)
    return np.clip(row, 0, ROWS - 1), np.clip(column, 0, COLUMNS - 1)


def split_of_chips(top: NDArray[np.int64], left: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Return the split of square chips, or -1 for those that touch blocks of different splits.

    Args:
        top: ``(n,)`` first pixel row of the 1/15-degree grid.
        left: ``(n,)`` first pixel column.
        size: Side in pixels, less than a block's.
    """
    side = DEGREES * PIXELS_PER_DEGREE
    corners = [
        split_of_blocks()[row // side, column // side]
        for row in (top, top + size - 1)
        for column in (left, left + size - 1)
    ]
    stacked = np.stack(corners).astype(np.int64)
    return np.where((stacked == stacked[0]).all(axis=0), stacked[0], -1)
