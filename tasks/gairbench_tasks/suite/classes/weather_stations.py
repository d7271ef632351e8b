"""Weather stations."""

from __future__ import annotations

from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_places import LabelledPlaces, names_of_rows
from gairbench_tasks.suite.classes.tables import read_columns


class WeatherStations(LabelledPlaces):
    """3,076 weather stations of the world with the means of a climate record, as SatCLIP is evaluated on.

    Dataset format:

    * ``stationDataAll.csv``: one row for each station, with ``Lon``, ``Lat``, ``meanT`` and ``meanP``
    * ``temperature``: mean of the air, degrees Celsius
    * ``precipitation``: millimetres a year

    There are no splits.

    If you use it, please cite https://doi.org/10.1038/sdata.2018.246 and https://arxiv.org/abs/2311.17179.
    """

    url = "https://github.com/microsoft/satclip"
    splits = ("all",)
    targets = ("temperature", "precipitation")

    def _find(self) -> None:
        path = self.root / "stationDataAll.csv"
        if not path.is_file():
            raise DatasetNotFoundError(self)
        table = read_columns(path, numbers=("Lon", "Lat", "meanT", "meanP"))
        self.table = table.set_axis(["lon", "lat", *self.targets], axis="columns")
        self.ids = names_of_rows(self.table)
