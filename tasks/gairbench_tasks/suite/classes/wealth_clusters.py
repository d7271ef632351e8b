"""Wealth of villages in Africa."""

from __future__ import annotations

from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_places import LabelledPlaces, names_of_rows
from gairbench_tasks.suite.classes.tables import read_columns

_TEST = ("angola", "cote_d_ivoire", "ethiopia", "mali", "rwanda")
_VAL = ("benin", "burkina_faso", "guinea", "sierra_leone", "tanzania")


class WealthClusters(LabelledPlaces):
    """19,669 villages and towns of 23 countries of Africa that took part in a survey from 2009 to 2016.

    Dataset format:

    * ``dhs_clusters.csv``: one row for each, with ``lat``, ``lon``, ``country``, ``year``, ``wealthpooled`` and
      ``urban_rural``
    * ``wealth``: the asset index of its households, standardized over all surveys
    * ``urban``: 1 in towns, 0 elsewhere

    Splits are fold A of those by country of https://doi.org/10.1038/s41467-020-16185-w: no country is in two of them.
    Places were moved by up to 2 km in towns and 10 km elsewhere, so that nobody can be found.

    If you use it, please cite that paper.
    """

    url = "https://github.com/sustainlab-group/africa_poverty"
    targets = ("wealth", "urban")

    def _find(self) -> None:
        path = self.root / "dhs_clusters.csv"
        if not path.is_file():
            raise DatasetNotFoundError(self)
        table = read_columns(path, numbers=("lon", "lat", "wealthpooled", "urban_rural"), texts=("country",))
        table = table.rename(columns={"wealthpooled": "wealth", "urban_rural": "urban"})
        of_test, of_val = table["country"].isin(_TEST), table["country"].isin(_VAL)
        self.table = table[{"test": of_test, "val": of_val, "train": ~of_test & ~of_val}[self.split]]
        self.ids = names_of_rows(self.table)
