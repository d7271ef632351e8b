"""Our classes of measurements at places read their tables as published, and say what is wrong with them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import suite_files

from gairbench import DataContext
from gairbench.errors import DataError
from gairbench.spec import resolve
from gairbench_tasks.suite.classes.california_housing import CaliforniaHousing
from gairbench_tasks.suite.classes.locbench import MOSAIKS, SustainBenchDHS
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


def test_the_twentieth_of_mosaiks_is_chosen_by_the_numbers_of_rows(root: Path) -> None:
    folder = root / "mosaiks"
    table = pd.read_csv(folder / "Y_forest.csv")
    train, test = (MOSAIKS(folder, split, measurement="forest") for split in ("train", "test"))
    assert 0.04 < (len(train) + len(test)) / len(table) < 0.06
    for part, names in ((train, {"train", "val"}), (test, {"test"})):
        rows = [int(one) for one in part.ids]
        assert set(table["split"][rows]) == names
        assert np.array_equal(table["forest"][rows], part.table["forest"])
    # Computed once: another version must not choose others.
    assert sorted(train.ids + test.ids)[:4] == ["00046", "00070", "00078", "00079"]
    table["lon"] += 1
    table.to_csv(folder / "Y_forest.csv", index=False)
    assert MOSAIKS(folder, "test", measurement="forest").ids == test.ids
    with pytest.raises(ValueError, match="measurement is 'rain', and not one of elevation, forest"):
        MOSAIKS(folder, measurement="rain")


def test_places_without_an_indicator_are_left_out_of_it(root: Path) -> None:
    folder = root / "sustainbench_dhs"
    table = pd.read_csv(folder / "dhs_test_labels.csv")
    for indicator in SustainBenchDHS.indicators:
        known = table[f"{indicator}_normalized"].notna()
        part = SustainBenchDHS(folder, "test", indicator=indicator)
        assert (~known).sum() > 0
        assert np.allclose(part.table[indicator], table[f"{indicator}_normalized"][known])
        assert part.ids == [f"test-{row:05}" for row in np.flatnonzero(known)]
    with pytest.raises(ValueError, match="indicator is 'wealth', and not one of asset_index"):
        SustainBenchDHS(folder, indicator="wealth")


def test_what_is_not_a_number_is_refused_with_its_row(root: Path) -> None:
    path = root / "sustainbench_dhs" / "dhs_test_labels.csv"
    table = pd.read_csv(path, dtype=str)
    table.loc[3, "asset_index_normalized"] = "n.d."
    table.to_csv(path, index=False)
    with pytest.raises(
        ValueError, match=r"dhs_test_labels.csv, row 4: asset_index_normalized is 'n\.d\.', not a number"
    ):
        SustainBenchDHS(path.parent, "test")
    table.drop(columns="lat").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"has no column 'lat'; its columns are lon, nl_mean"):
        SustainBenchDHS(path.parent, "test")
    lines = table.to_csv(index=False).splitlines()
    path.write_text("\n".join([lines[0], *(f"{line}," for line in lines[1:])]), encoding="utf-8")
    with pytest.raises(ValueError, match=r"dhs_test_labels\.csv has more cells in a row than columns"):
        SustainBenchDHS(path.parent, "test")
    path.write_bytes(b"")
    with pytest.raises(OSError, match=r"dhs_test_labels\.csv cannot be read: No columns"):
        SustainBenchDHS(path.parent, "test")
    spec = BY_NAME["sustainbench-asset-index"]
    with pytest.raises(DataError, match=r"dhs_test_labels\.csv cannot be read"):
        resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("test")


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
    path = root / "mosaiks" / "Y_forest.csv"
    table = pd.read_csv(path)
    table.assign(split="holdout").to_csv(path, index=False)
    with pytest.raises(ValueError, match=r"Y_forest\.csv has the split 'holdout', not train, val or test"):
        MOSAIKS(path.parent, "test", measurement="forest")


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
