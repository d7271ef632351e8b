"""What is known of a place, from its coordinates alone; the classes are ours, in ``classes/``.

Published splits are kept where there are some. Where there are none, cells of 10 degrees are drawn: at random, test
places would have neighbours in train, and interpolation would be measured.
"""

from __future__ import annotations

from gairbench import Category, DatasetSpec, Download, Kind, LocationInput, Modality, RemoteFile, TaskSpec
from gairbench_tasks.suite.entries import OURS, ask
from gairbench_tasks.torchgeo.source import GROUP, Draw, Label, TorchGeoSource

_LONLAT = (".table.lon", ".table.lat")
_LOCBENCH = "https://doi.org/10.6084/m9.figshare.26026798"
_NEAR = "blocks:10"
_BY_CELL = Draw("all", by="blocks")


def _measured(*names: str) -> dict[str, Label]:
    return {name: Label(f".table.{name}", kind=Kind.REGRESSION) for name in names}


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
        _measured("temperature", "precipitation"),
        splits={"all": {"split": "all"}},
        draw=_BY_CELL,
        inputs={},
        ids=".ids",
        lonlat=_LONLAT,
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
        _measured("wealth") | {"urban": Label(".table.urban", classes=("rural", "urban"), kind=Kind.CLASSIFICATION)},
        inputs={},
        ids=".ids",
        groups=".table.country",
        lonlat=_LONLAT,
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
        _measured("value"),
        splits={"all": {"split": "all"}},
        draw=Draw("all", by="blocks", degrees=1.0),
        inputs={},
        ids=".ids",
        lonlat=_LONLAT,
    ),
    delivers=(LocationInput(),),
    description="20,640 blocks of the census of 1990; cells of 1 degree drawn 60/20/20, none is published",
    licence="not stated (scikit-learn)",
    citation="doi:10.1016/S0167-7152(96)00140-X",
)

_MOSAIKS = {
    "elevation": ("elevation", "Elevation, metres"),
    "forest": ("log-forest", "Forest cover, as the logarithm that is published"),
    "nightlights": ("log-nightlights", "Night lights, as the logarithm that is published"),
    "population": ("log-population", "People per square kilometre, as the logarithm that is published"),
}


def _mosaiks(measurement: str, what: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"mosaiks-{what}",
        version=1,
        folder="mosaiks",
        factory=TorchGeoSource(
            f"{OURS}locbench:MOSAIKS",
            _measured(measurement),
            options={"measurement": measurement},
            splits={"train": {"split": "train"}, "test": {"split": "test"}},
            draw=Draw("train", (0.9, 0.1, 0.0), by="blocks"),
            inputs={},
            ids=".ids",
            lonlat=_LONLAT,
            files=(f"Y_{measurement}.csv",),
            page=_LOCBENCH,
        ),
        delivers=(LocationInput(),),
        description=f"A twentieth of MOSAIKS's places, {measurement}; published test, at random, val cells of train",
        licence="not stated (its page)",
        citation="doi:10.1038/s41467-021-24638-z, arXiv:2406.15658",
    )


_INDICATORS = {
    "asset_index": "Wealth of households, by what they own",
    "under5_mort": "Children who die before they are five",
    "water_index": "Quality of the water of households",
    "women_bmi": "Body mass index of women",
    "women_edu": "Years that women went to school",
    "sanitation_index": "Quality of the toilets of households",
}


def _sustainbench(indicator: str) -> DatasetSpec:
    return DatasetSpec(
        name=f"sustainbench-{indicator.replace('_', '-')}",
        version=1,
        folder="sustainbench_dhs",
        factory=TorchGeoSource(
            f"{OURS}locbench:SustainBenchDHS",
            _measured(indicator),
            options={"indicator": indicator},
            splits={"train": {"split": "train"}, "test": {"split": "test"}},
            draw=Draw("train", (0.8, 0.2, 0.0), by="blocks"),
            inputs={},
            ids=".ids",
            lonlat=_LONLAT,
            page=_LOCBENCH,
        ),
        delivers=(LocationInput(),),
        description=f"SustainBench's villages, {indicator}; published test by country, val cells of train",
        licence="not stated (its page)",
        citation="arXiv:2111.04724, arXiv:2406.15658",
    )


def _regression(dataset: DatasetSpec, what: str, target: str, description: str, group: str = _NEAR) -> TaskSpec:
    return ask(
        dataset,
        what,
        "geo-aware regression",
        description,
        kind=Kind.REGRESSION,
        target=target,
        inputs=(Modality.LOCATION,),
        category=Category.LOCATION,
        group=group,
    )


PLACES: tuple[TaskSpec, ...] = (
    _regression(_STATIONS, "temperature", "temperature", "Mean temperature of the air, degrees Celsius"),
    _regression(_STATIONS, "precipitation", "precipitation", "Mean precipitation of a year, millimetres"),
    *(_regression(_mosaiks(name, what), "place", name, text) for name, (what, text) in _MOSAIKS.items()),
    *(
        _regression(_sustainbench(name), "place", name, f"{text}, standardized as it is published")
        for name, text in _INDICATORS.items()
    ),
    _regression(_WEALTH, "wealth", "wealth", "Wealth of a village, in countries that train has not", GROUP),
    ask(
        _WEALTH,
        "urban",
        "geo-aware classification",
        "Whether it is a town, in countries that train has not",
        target="urban",
        inputs=(Modality.LOCATION,),
        category=Category.LOCATION,
        group=GROUP,
    ),
    _regression(_HOUSING, "value", "value", "What a house costs, 100,000 dollars, at most 5", "blocks:1"),
)
