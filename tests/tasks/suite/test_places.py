"""Our classes of measurements at places read their tables as published, and say what is wrong with them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import suite_files

from gairbench import DataContext
from gairbench.spec import resolve
from gairbench_tasks.suite.classes.california_housing import CaliforniaHousing
from gairbench_tasks.suite.classes.wealth_clusters import WealthClusters
from gairbench_tasks.suite.classes.weather_stations import WeatherStations
from gairbench_tasks.suite.places import PLACES

BY_NAME = {task.dataset.name: task.dataset for task in PLACES}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite_files.write(
        tmp_path_factory.mktemp("places"), *dict.fromkeys(spec.folder for spec in BY_NAME.values())
    )


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "places"))


def test_houses_are_fetched_by_scikit_learn_and_kept_as_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def fetch(*, data_home: str, as_frame: bool) -> SimpleNamespace:
        asked.append(Path(data_home))
        (Path(data_home) / "cal_housing.pkz").write_bytes(b"pickled")
        table = {"MedInc": [8.0], "Latitude": [37.88], "Longitude": [-122.23], "MedHouseVal": [4.526]}
        return SimpleNamespace(frame=pd.DataFrame(table) if as_frame else None)

    monkeypatch.setattr("sklearn.datasets.fetch_california_housing", fetch)
    for _ in range(2):
        houses = CaliforniaHousing(tmp_path / "new", download=True)
        assert houses[0]["lonlat"].tolist() == [-122.23, 37.88]
        assert houses[0]["value"].item() == pytest.approx(4.526)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["california_housing.csv"]
    assert len(asked) == 1
    assert not asked[0].exists()
    spec = BY_NAME["california-housing"]
    resolve(spec.factory).fetch(tmp_path / spec.folder)
    assert len(asked) == 2
    assert resolve(spec.factory)(DataContext(root=tmp_path, dataset=spec)).samples("all").ids == ["00000"]


def test_no_country_is_in_two_splits(root: Path) -> None:
    parts = {
        split: set(WealthClusters(root / "wealth_clusters", split).table["country"])
        for split in ("train", "val", "test")
    }
    assert parts["test"] == {"angola", "mali", "rwanda"}
    assert parts["val"] == {"benin", "guinea", "tanzania"}
    assert parts["train"] == {"cameroon", "kenya", "togo", "uganda"}


def test_what_is_in_no_split_is_refused(root: Path) -> None:
    path = root / "wealth_clusters" / "dhs_clusters.csv"
    table = pd.read_csv(path)
    test = WealthClusters(path.parent, "test").ids
    table.assign(country=table["country"].str.title() + " ").to_csv(path, index=False)
    assert WealthClusters(path.parent, "test").ids == test
    table.assign(country="atlantis").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"dhs_clusters\.csv has the country 'atlantis', which is in no split"):
        WealthClusters(path.parent)
    table.assign(urban_rural=2).to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"dhs_clusters\.csv has urban_rural other than 0 and 1"):
        WealthClusters(path.parent)


def test_the_published_tables_are_read(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    for source, name in (
        (data / "satclip_ssl4eo_s2" / "ssl4eo" / "stationDataAll.csv", "weather-stations"),
        (data / "africa_poverty_dhs" / "dhs_clusters.csv", "wealth-clusters"),
    ):
        spec = BY_NAME[name]
        (tmp_path / spec.folder).mkdir()
        shutil.copyfile(source, tmp_path / spec.folder / source.name)
        # What is declared to be downloaded is this file.
        assert spec.download is not None
        (declared,) = spec.download.files
        assert (declared.path, declared.size) == (source.name, source.stat().st_size)
        assert declared.checksum == f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"
    stations = WeatherStations(tmp_path / "weather_stations", "all")
    assert len(stations) == 3_076
    first = stations[0]
    assert first["lonlat"].tolist() == [7.82, 36.83]
    assert first["temperature"].item() == pytest.approx(18.025)
    assert first["precipitation"].item() == 694
    wealth = {split: WealthClusters(tmp_path / "wealth_clusters", split) for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in wealth.items()} == {"train": 11_797, "val": 3_909, "test": 3_963}
    assert wealth["test"].table.iloc[0]["country"] == "angola"
    assert wealth["test"][0]["lonlat"].tolist() == [13.534922, -12.350257]
