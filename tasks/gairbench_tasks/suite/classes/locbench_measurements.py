"""The two collections of measurements of LocBench, TorchSpatial's benchmark (arXiv 2406.15658)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_places import LabelledPlaces, names_of_rows
from gairbench_tasks.suite.classes.tables import read_columns

_ONE_OF = 20


class MOSAIKS(LabelledPlaces):
    """Places of the world with one of four measurements of MOSAIKS.

    Dataset format:

    * ``Y_<measurement>.csv``: one row for each place, with ``lon``, ``lat``, a column named like the measurement, and
      ``split``
    * ``elevation`` is in metres; ``forest``, ``nightlights`` and ``population`` are published as logarithms, log(1 + x)

    Splits: ``test`` is that of the table, and ``train`` are its rows of train and val. LocBench takes 5 % of each at
    random, by no seed. Here the 5 % are those that a hash of the row's number chooses, which are the same each time.

    Args:
        root: Folder of the tables.
        split: ``"train"`` or ``"test"``.
        transforms: Takes a sample and returns a changed one.
        measurement: ``"elevation"``, ``"forest"``, ``"nightlights"`` or ``"population"``.

    If you use it, please cite https://doi.org/10.1038/s41467-021-24638-z and https://arxiv.org/abs/2406.15658.
    """

    url = "https://doi.org/10.6084/m9.figshare.26026798"
    splits = ("train", "test")
    measurements = ("elevation", "forest", "nightlights", "population")

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        measurement: str = "elevation",
    ) -> None:
        if measurement not in self.measurements:
            raise ValueError(f"measurement is {measurement!r}, and not one of {', '.join(self.measurements)}")
        self.targets = (measurement,)
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        path = self.root / f"Y_{self.targets[0]}.csv"
        if not path.is_file():
            raise DatasetNotFoundError(self)
        table = read_columns(path, numbers=("lon", "lat", self.targets[0]), texts=("split",))
        split = table["split"].str.strip().str.lower()
        if other := sorted(set(split) - {"train", "val", "test"}):
            raise ValueError(f"{path} has the split {other[0]!r}, not train, val or test")
        chosen = np.array([_is_chosen(row) for row in table.index])
        self.table = table[chosen & ((split == "test") == (self.split == "test"))]
        self.ids = names_of_rows(self.table)


class SustainBenchDHS(LabelledPlaces):
    """Villages and towns of 56 countries with one of six indicators of SustainBench.

    Dataset format:

    * ``dhs_trainval_labels.csv`` and ``dhs_test_labels.csv``: one row for each place, with ``lon``, ``lat`` and
      ``<indicator>_normalized``, standardized as LocBench publishes it; places where the indicator is empty are left
      out

    Splits are the published ones by country: ``train`` is train and val together, as LocBench has them.

    Args:
        root: Folder of the tables.
        split: ``"train"`` or ``"test"``.
        transforms: Takes a sample and returns a changed one.
        indicator: One of ``indicators``.

    If you use it, please cite https://arxiv.org/abs/2111.04724 and https://arxiv.org/abs/2406.15658.
    """

    url = "https://doi.org/10.6084/m9.figshare.26026798"
    splits = ("train", "test")
    indicators = ("asset_index", "under5_mort", "water_index", "women_bmi", "women_edu", "sanitation_index")

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        indicator: str = "asset_index",
    ) -> None:
        if indicator not in self.indicators:
            raise ValueError(f"indicator is {indicator!r}, and not one of {', '.join(self.indicators)}")
        self.targets = (indicator,)
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        path = self.root / f"dhs_{'test' if self.split == 'test' else 'trainval'}_labels.csv"
        if not path.is_file():
            raise DatasetNotFoundError(self)
        column = f"{self.targets[0]}_normalized"
        table = read_columns(path, numbers=("lon", "lat", column)).rename(columns={column: self.targets[0]})
        self.table = table.dropna(subset=[self.targets[0]])
        self.ids = [f"{self.split}-{name}" for name in names_of_rows(self.table)]


def _is_chosen(row: int) -> bool:
    return int.from_bytes(hashlib.sha256(str(row).encode()).digest()[:4], "big") % _ONE_OF == 0
