"""Wealth of villages in Africa."""

from __future__ import annotations

from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_places import LabelledPlaces, names_of_rows
from gairbench_tasks.suite.classes.tables import read_columns

_TEST = ("angola", "cote_d_ivoire", "ethiopia", "mali", "rwanda")
_VAL = ("benin", "burkina_faso", "guinea", "sierra_leone", "tanzania")
_TRAIN = (
    "cameroon", "democratic_republic_of_congo", "ghana", "kenya", "lesotho", "malawi", "mozambique", "nigeria",
    "senegal", "togo", "uganda", "zambia", "zimbabwe",
)  # fmt: skip


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
        table["country"] = table["country"].str.strip().str.lower()
        if other := sorted(set(table["country"]) - {*_TRAIN, *_VAL, *_TEST}):
            raise ValueError(f"{path} has the country {other[0]!r}, which is in no split")
        if not table["urban"].isin((0, 1)).all():
            raise ValueError(f"{path} has urban_rural other than 0 and 1")
        table["urban"] = table["urban"].astype("int64")
        self.table = table[table["country"].isin({"train": _TRAIN, "val": _VAL, "test": _TEST}[self.split])]
        self.ids = names_of_rows(self.table)
