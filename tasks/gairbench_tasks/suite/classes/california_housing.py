"""Houses in California."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_places import LabelledPlaces, names_of_rows
from gairbench_tasks.suite.classes.tables import read_columns


class CaliforniaHousing(LabelledPlaces):
    """20,640 blocks of the census of 1990 in California, with what a house costs in the middle.

    Dataset format:

    * ``california_housing.csv``: the table of scikit-learn's
      :func:`~sklearn.datasets.fetch_california_housing`, one row for each block
    * ``value``: the median value of its houses in 100,000 dollars; above 5 it is stated as 5.00001

    There are no splits.

    Args:
        root: Folder of the table.
        split: ``"all"``.
        transforms: Takes a sample and returns a changed one.
        download: Let scikit-learn download the data if they are not there.

    If you use it, please cite https://doi.org/10.1016/S0167-7152(96)00140-X.
    """

    url = "https://scikit-learn.org/stable/datasets/real_world.html#california-housing-dataset"
    splits = ("all",)
    targets = ("value",)

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "all",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        download: bool = False,
    ) -> None:
        self.download = download
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        path = self.root / "california_housing.csv"
        if self.download and not path.is_file():
            self._download(path)
        if not path.is_file():
            raise DatasetNotFoundError(self)
        table = read_columns(path, numbers=("Longitude", "Latitude", "MedHouseVal"))
        self.table = table.set_axis(["lon", "lat", "value"], axis="columns")
        self.ids = names_of_rows(self.table)

    @staticmethod
    def _download(path: Path) -> None:
        from sklearn.datasets import fetch_california_housing

        path.parent.mkdir(parents=True, exist_ok=True)
        # What scikit-learn keeps is a pickle, which nobody should have to trust later.
        with TemporaryDirectory() as folder:
            fetch_california_housing(data_home=folder, as_frame=True).frame.to_csv(path, index=False)
