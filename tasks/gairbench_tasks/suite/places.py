"""What is known of a place, from its coordinates alone; the classes are ours, in ``classes/``.

Published splits are kept where there are some. Where there are none, cells of 10 degrees are drawn: at random, test
places would have neighbours in train, and interpolation would be measured.
"""

from __future__ import annotations

from gairbench import DatasetSpec, Download, Kind, LocationInput, RemoteFile, TaskSpec
from gairbench_tasks.suite.entries import LONLAT, OURS, ask_of_place, measured
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, TorchGeoSource

_BY_CELL = Draw("all", by="blocks")


def _table(repository: str, path: str, size: int, sha256: str, licence: str) -> Download:
    """Return the download of one table, which lies in the dataset's folder as it is called there."""
    file = RemoteFile(url=f"{repository}/{path}", path=path.rpartition("/")[2], size=size, checksum=f"sha256:{sha256}")
    return Download(files=(file,), licence=licence)


_STATIONS = DatasetSpec(
    name="weather-stations",
    version=1,
    folder="weather_stations",
    factory=TorchGeoSource(
        f"{OURS}weather_stations:WeatherStations",
        measured("temperature", "precipitation"),
        splits={"all": {"split": "all"}},
        draw=_BY_CELL,
        inputs={},
        ids=".ids",
        lonlat=LONLAT,
        page="https://github.com/microsoft/satclip",
    ),
    delivers=(LocationInput(),),
    description="3,076 weather stations of SatCLIP; cells of 10 degrees drawn 60/20/20, none is published",
    licence="MIT",
    citation="doi:10.1038/sdata.2018.246, arXiv:2311.17179",
    download=_table(
        "https://raw.githubusercontent.com/microsoft/satclip/1ead1067e9a00d44b132403b6bb2ce061e48d48e",
        "figures/ssl4eo/stationDataAll.csv",
        383_938,
        "92d8456d82aafd3929ccba589e0ffe4ca15eeb321c07c430855d6756aaf07d33",
        "MIT",
    ),
)

_WEALTH = DatasetSpec(
    name="wealth-clusters",
    version=1,
    folder="wealth_clusters",
    factory=TorchGeoSource(
        f"{OURS}wealth_clusters:WealthClusters",
        measured("wealth") | {"urban": Label(".table.urban", classes=("rural", "urban"), kind=Kind.CLASSIFICATION)},
        inputs={},
        ids=".ids",
        groups=".table.country",
        lonlat=LONLAT,
        page="https://github.com/sustainlab-group/africa_poverty",
    ),
    delivers=(LocationInput(),),
    description="19,669 villages and towns of 23 countries of Africa; published splits by country, fold A",
    licence="MIT (table); surveys: terms of the DHS Program",
    citation="doi:10.1038/s41467-020-16185-w",
    download=_table(
        "https://raw.githubusercontent.com/sustainlab-group/africa_poverty",
        "a595f0d353bff8b65b7b0cd74a2bb692ef2fec06/data/dhs_clusters.csv",
        1_129_628,
        "890e1fbfd342a56db988d8a04bc8b4e43c5eb1a50e08ebf37c3d604d59b3fd14",
        "MIT (table); surveys: terms of the DHS Program",
    ),
)

_HOUSING = DatasetSpec(
    name="california-housing",
    version=1,
    folder="california_housing",
    factory=TorchGeoSource(
        f"{OURS}california_housing:CaliforniaHousing",
        measured("value"),
        splits={"all": {"split": "all"}},
        draw=Draw("all", by="blocks", degrees=1.0),
        inputs={},
        ids=".ids",
        lonlat=LONLAT,
    ),
    delivers=(LocationInput(),),
    description="20,640 blocks of the census of 1990; cells of 1 degree drawn 60/20/20, none is published",
    licence="not stated (scikit-learn)",
    citation="doi:10.1016/S0167-7152(96)00140-X",
)

PLACES: tuple[TaskSpec, ...] = (
    ask_of_place(_STATIONS, "temperature", "temperature", "Mean temperature of the air, degrees Celsius"),
    ask_of_place(_STATIONS, "precipitation", "precipitation", "Mean precipitation of a year, millimetres"),
    ask_of_place(_WEALTH, "wealth", "wealth", "Wealth of a village, in countries that train has not", group=GROUP),
    ask_of_place(
        _WEALTH,
        "urban",
        "urban",
        "Whether it is a town, in countries that train has not",
        kind=Kind.CLASSIFICATION,
        group=GROUP,
    ),
    ask_of_place(_HOUSING, "value", "value", "What a house costs, 100,000 dollars, at most 5", group="blocks:1"),
)
