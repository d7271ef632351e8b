"""An image whose place cannot be worked out is one bad row, and the advice leads somewhere."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import from_origin
from typer.testing import CliRunner

from gairbench.cli import app
from gairbench.errors import DataError

POINT = "9.005,48.7485"
SYSTEMS = {
    "site": 'LOCAL_CS["site grid",UNIT["metre",1]]',
    "mars": (
        'PROJCS["Mars eqc",GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000",3396190,169.894447]],'
        'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]],PROJECTION["Equirectangular"],'
        'PARAMETER["standard_parallel_1",0],PARAMETER["central_meridian",0],UNIT["metre",1]]'
    ),
    "geocentric": "EPSG:4978",
}


def write(path: Path, system: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 96, 96)).astype(np.uint8)
    place = {"crs": CRS.from_user_input(system), "transform": from_origin(500_000, 5_400_000, 10, 10)}
    with rasterio.open(path, "w", driver="GTiff", count=3, height=96, width=96, dtype="uint8", **place) as file:
        file.write(pixels)
        file.descriptions = ("red", "green", "blue")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "good.tif", "EPSG:32632")
    for name in ("p.jpg", "q.jpg"):
        Image.new("RGB", (96, 96), (90, 120, 60)).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS.keys())
@pytest.mark.parametrize("command", ["embed", "shard"])
def test_a_system_that_leads_to_no_place_on_earth_is_a_bad_row(folder: Path, command: str, system: str) -> None:
    write(folder / "bad.tif", system)
    table = folder / "t.csv"
    table.write_text(f"id,rs,sv,lon,lat\nok,good.tif,p.jpg,{POINT}\nbad,bad.tif,q.jpg,{POINT}\n")
    asked = {
        "embed": ["embed", "--model", "random", "--input", str(table), "--views", "rs_query"],
        "shard": ["data", "shard", "--data", str(table)],
    }[command]
    asked += ["--rs-unit", "uint8", "--out", str(folder / "out.parquet")]
    strict = CliRunner().invoke(app, asked)
    assert isinstance(strict.exception, DataError)
    assert "bad.tif on the globe: its CRS" in str(strict.exception)
    assert "correct its CRS" in str(strict.exception)
    # The library's text holds the whole system.
    assert "axis" not in str(strict.exception)
    skipping = CliRunner().invoke(app, [*asked, "--on-error", "skip"])
    # The good row is kept; 1 says that a row was left out.
    assert skipping.exit_code == 1
    assert isinstance(skipping.exception, SystemExit)
    assert "1 of 2 rows cannot be used" in skipping.output
    assert (folder / "out.parquet").exists()


@pytest.mark.parametrize("variable", [pytest.param("PROJ_LIB", marks=pytest.mark.slow), "PROJ_DATA"])
@pytest.mark.parametrize("what", ["image", "points"])
def test_the_database_of_another_program_is_named_not_the_file(folder: Path, what: str, variable: str) -> None:
    """PROJ finds its database by a variable that other programs set; an old one makes every file unplaceable."""
    old = folder / "oldproj"
    old.mkdir()
    with sqlite3.connect(old / "proj.db") as database:
        database.execute("create table metadata(key text, value text)")
        versions = [("DATABASE.LAYOUT.VERSION.MAJOR", "1"), ("DATABASE.LAYOUT.VERSION.MINOR", "0")]
        database.executemany("insert into metadata values (?, ?)", versions)
    if what == "image":
        table = folder / "t.csv"
        table.write_text(f"id,rs,lon,lat\nok,good.tif,{POINT}\n")
        asked = ["random", "--rs-unit", "uint8", "--views", "rs_query"]
    else:
        geopandas = pytest.importorskip("geopandas")
        table = folder / "t.parquet"
        points = geopandas.points_from_xy([500_000.0], [5_400_000.0])
        geopandas.GeoDataFrame({"id": ["ok"]}, geometry=points, crs=32632).to_parquet(table)
        asked = ["lonlat", "--views", "location"]
    command = [sys.executable, "-m", "gairbench", "embed", "--input", str(table), "--out", str(folder / "e.parquet")]
    # PROJ reads its variables when the process starts.
    environment = {k: v for k, v in os.environ.items() if k not in {"PROJ_LIB", "PROJ_DATA"}} | {variable: str(old)}
    done = subprocess.run(
        [*command, "--model", *asked], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert f"unset {variable}" in done.stderr
    assert "Traceback" not in done.stderr
