"""Which classes of a grid a task keeps, and targets that need the neighbourhood of a point."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from gairbench_tasks.earth.tables import cities

T = TypeVar("T", bound=np.generic)
MIN_SAMPLES = {"train": 25, "val": 1, "test": 5}
"""Samples of a class that each split must have for a task to keep the class."""
POPULATION_SCALE_KM = 25.0
_EARTH_RADIUS_KM = 6371.0088


def common_classes(labels: Mapping[str, NDArray[T]]) -> NDArray[T]:
    """Return the classes frequent enough to be learnt and measured, sorted; none of them lacks in train.

    Args:
        labels: Raw labels of the splits named in :data:`MIN_SAMPLES`.
    """
    kept = np.unique(labels["train"])
    for split, enough in MIN_SAMPLES.items():
        names, counts = np.unique(labels[split], return_counts=True)
        kept = np.intersect1d(kept, names[counts >= enough])
    return kept


def encode(values: NDArray[np.generic], classes: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return indices into sorted classes, -1 for other values."""
    index = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    return np.where(classes[index] == values, index, -1).astype(np.int64)


def nearby_population(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the people in cities around points, on a logarithmic scale.

    Args:
        lonlat: ``(n, 2)`` degrees.

    Returns:
        ``(n,)`` log10 of 1,000 plus the population of cities above 15,000, each weighted by a Gaussian of its distance
        with a standard deviation of 25 km: 3 where there is none.
    """
    tree = _city_tree()
    reach = 2 * np.sin(3.5 * POPULATION_SCALE_KM / _EARTH_RADIUS_KM / 2)
    points = cKDTree(_unit_vectors(lonlat))
    near = points.sparse_distance_matrix(tree, reach, output_type="coo_matrix")
    km = 2 * _EARTH_RADIUS_KM * np.arcsin(near.data / 2)
    weight = np.exp(-0.5 * (km / POPULATION_SCALE_KM) ** 2) * cities().population[near.col]
    return np.log10(1000 + np.bincount(near.row, weight, len(lonlat)))


@functools.cache
def _city_tree() -> cKDTree:
    return cKDTree(_unit_vectors(cities().lonlat))


def _unit_vectors(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(lonlat).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)
