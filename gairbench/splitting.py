"""Divide samples into train, val and test: drawn at random, by spatial block or by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.split_policy import SPLITS

Names = NDArray[np.str_]
"""The name of each sample's split."""


def random_split(
    n: int, shares: Sequence[float], seed: int, strata: Sequence[Any] | NDArray[Any] | None = None
) -> Names:
    """Assign samples at random.

    Args:
        n: Number of samples.
        shares: Shares of train, val and test; they sum to 1.
        seed: Seed of the assignment.
        strata: One value per sample; each value's samples are divided by the shares.

    Returns:
        The split's name of every sample.
    """
    rng = np.random.default_rng(seed)
    names = np.empty(n, dtype="<U5")
    values = np.zeros(n, dtype=np.int64) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    for value in np.unique(values):
        members = rng.permutation(np.flatnonzero(values == value))
        ends = np.round(np.cumsum(shares) * len(members)).astype(int)
        for name, part in zip(SPLITS, np.split(members, ends[:-1]), strict=True):
            names[part] = name
    return names


def group_split(groups: Sequence[Any] | NDArray[Any], shares: Sequence[float], seed: int) -> Names:
    """Assign whole groups, each to the split that lacks most of its share.

    Args:
        groups: One value per sample; samples of equal value stay together.
        shares: Shares of train, val and test; they sum to 1.
        seed: Seed of the groups' order.

    Returns:
        The split's name of every sample.
    """
    values, member = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(member)
    wanted = np.asarray(shares) * len(member)
    filled = np.zeros(len(SPLITS))
    chosen = np.empty(len(values), dtype=np.int64)
    for group in np.random.default_rng(seed).permutation(len(values)):
        chosen[group] = int(np.argmax((wanted - filled) / np.maximum(wanted, 1e-9)))
        filled[chosen[group]] += sizes[group]
    return np.asarray(SPLITS)[chosen[member]]


def block_split(lonlat: NDArray[np.float64], degrees: float, shares: Sequence[float], seed: int) -> Names:
    """Assign whole cells of a longitude-latitude grid, so that test samples have fewer neighbours in train.

    Those at the edges of a cell may still have some.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        degrees: Edge of a cell.
        shares: Shares of train, val and test; they sum to 1.
        seed: Seed of the cells' order.

    Returns:
        The split's name of every sample.
    """
    return group_split(np.unique(_cells(lonlat, degrees), axis=0, return_inverse=True)[1].reshape(-1), shares, seed)


def block_names(lonlat: NDArray[np.float64], degrees: float) -> NDArray[np.str_]:
    """Return the cell of a longitude-latitude grid that each sample is in: its column and its row, from 180 W, 90 S.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        degrees: Edge of a cell.

    Example:
        >>> block_names(np.array([[-179.0, -89.0], [12.5, 41.9]]), 10).tolist()
        ['0 0', '19 13']
    """
    return np.array([f"{column} {row}" for column, row in _cells(lonlat, degrees).tolist()], dtype=np.str_)


def _cells(lonlat: NDArray[np.float64], degrees: float) -> NDArray[np.int64]:
    cells: NDArray[np.int64] = np.floor((lonlat + np.array([180.0, 90.0])) / degrees).astype(np.int64)
    return cells


def division_problem(names: object, samples: int) -> str:
    """Return why what a split policy returned cannot be the splits of samples; empty if it can.

    Args:
        names: What it returned.
        samples: How many there are.
    """
    if not isinstance(names, np.ndarray):
        return f"it returned a {type(names).__name__}, wanted an array of names of splits"
    if names.shape != (samples,):
        return f"it returned an array of shape {names.shape}, wanted one name for each of {samples} samples"
    unknown = [name for name in np.unique(names.astype(np.str_)).tolist() if name not in {*SPLITS, ""}]
    if unknown:
        return f"it returned {unknown[0]!r}, wanted {', '.join(SPLITS)}, or an empty text for what takes no part"
    return ""
