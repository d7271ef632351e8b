"""The content of a table decides how it is read; what is no table is refused by name, without looking anywhere else."""

from __future__ import annotations

import gzip
import shutil
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

from gairbench.errors import DataError
from gairbench.files.formats import open_table, table_sha256
from gairbench.files.tables import read_table

FRAME = pd.DataFrame({"id": ["007", "b"], "lon": [1.5, 2.0], "lat": [3.0, 4.0]})


@pytest.mark.parametrize("name", ["t.geoparquet", "t.pq", "t.parq", "T.PARQUET", "t.csv", "t", "t.tif"])
def test_parquet_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    FRAME.to_parquet(tmp_path / name)
    table = read_table(tmp_path / name)
    assert table.column("id").values.tolist() == ["007", "b"]
    assert table.where(0).endswith("row 1")


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "t.txt", "t.parquet", "t.geojson", "t.gpkg", "t"])
def test_csv_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    FRAME.to_csv(tmp_path / name, index=False)
    table = read_table(tmp_path / name)
    assert table.column("id").values.tolist() == ["007", "b"]
    assert table.where(0).endswith("line 2")


@pytest.mark.parametrize("driver", ["GPKG", "GeoJSON", "ESRI Shapefile"])
@pytest.mark.parametrize("name", ["t.csv", "T.GPKG", "t.json", "t.parquet", "t.shp", "t", "a!b.zip"])
def test_geometries_are_known_by_their_content(tmp_path: Path, driver: str, name: str) -> None:
    suffix = {"GPKG": "gpkg", "GeoJSON": "geojson", "ESRI Shapefile": "shp"}[driver]
    source = tmp_path / f"source.{suffix}"
    points = geopandas.points_from_xy(FRAME["lon"], FRAME["lat"])
    geopandas.GeoDataFrame(FRAME[["id"]], geometry=points, crs=4326).to_file(source, driver=driver)
    target = tmp_path / name
    shutil.copy(source, target)
    if driver == "ESRI Shapefile":
        for sidecar in tmp_path.glob("source.*"):
            if sidecar != source:
                shutil.copy(sidecar, target.with_suffix(sidecar.suffix))
    table = read_table(target)
    assert table.column("id").values.tolist() == ["007", "b"]
    np.testing.assert_array_equal(table.column("lon").numbers(), FRAME["lon"])


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("excel", "is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV"),
        ("gzip", "is compressed; unpack it"),
        ("feather", "is an Arrow file; save it as Parquet"),
        ("utf-16", "is UTF-16 text; save it as UTF-8"),
        ("lfs", "is only a pointer of Git LFS; fetch the file itself with git lfs pull"),
        ("png", "is an image, not a table"),
        ("html", "is XML or HTML, not a table"),
        ("folder", "is a folder"),
        ("missing", "no table"),
        ("empty", "has no rows"),
    ],
)
def test_what_is_no_table_is_called_by_its_name(tmp_path: Path, kind: str, message: str) -> None:
    path = tmp_path / "t.csv"
    if kind == "excel":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("xl/workbook.xml", "<workbook/>")
    elif kind == "gzip":
        path.write_bytes(gzip.compress(b"id,lon\n1,2\n"))
    elif kind == "feather":
        pyarrow.feather.write_feather(pa.table({"id": [1]}), path)
    elif kind == "utf-16":
        path.write_text("id,lon\n1,2\n", encoding="utf-16")
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {
            "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
            "png": b"\x89PNG\r\n\x1a\n",
            "html": b"\n <!DOCTYPE html><p>Sign in",
            "empty": b"",
        }
        path.write_bytes(content[kind])
    with pytest.raises(DataError, match=message):
        read_table(path)


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A port that notes who calls."""
    calls: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.05)
    stop = threading.Event()

    def listen() -> None:
        while not stop.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                continue
            connection.settimeout(1)
            calls.append(connection.recv(100).decode("latin-1"))
            connection.close()

    thread = threading.Thread(target=listen)
    thread.start()
    yield listening.getsockname()[1], calls
    stop.set()
    thread.join()
    listening.close()


@pytest.mark.parametrize("name", ["t.geojson", "t.gpkg", "t.shp", "t.csv", "t.parquet", "t.vrt", "t.json"])
@pytest.mark.parametrize("kind", ["vrt", "vrt-file", "wfs", "wfs-text", "wms", "esri", "url"])
def test_a_text_that_names_other_places_is_not_followed(
    tmp_path: Path, server: tuple[int, list[str]], name: str, kind: str
) -> None:
    port, calls = server
    url = f"http://127.0.0.1:{port}/"
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.csv").write_text("id,lon,lat\nsecret,1,2\n")
    layer = '<OGRVRTDataSource><OGRVRTLayer name="s"><SrcDataSource>{}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
    content = {
        "vrt": layer.format(f"/vsicurl/{url}x.csv"),
        "vrt-file": layer.format(tmp_path / "secret" / "s.csv"),
        "wfs": f"<OGRWFSDataSource><URL>{url}</URL></OGRWFSDataSource>",
        "wfs-text": f"WFS:{url}\n",
        "wms": f'<GDAL_WMS><Service name="WMS"><ServerUrl>{url}</ServerUrl></Service></GDAL_WMS>',
        "esri": f'{{"type": "FeatureCollection", "features": [], "links": [{{"rel": "next", "href": "{url}"}}]}}',
        "url": f'{{"currentVersion": 10, "serviceUrl": "{url}"}}',
    }[kind]
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError) as error:
        read_table(tmp_path / name).column("id")
    assert "secret" not in str(error.value).replace(str(tmp_path), "")
    assert calls == []


def test_hash_of_a_table_is_that_of_its_content(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", index=False)
    shutil.copy(tmp_path / "a.csv", tmp_path / "b.csv")
    assert table_sha256(tmp_path / "a.csv") == table_sha256(tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"cannot read table .*c\.csv"):
        table_sha256(tmp_path / "c.csv")


def test_an_unreadable_file_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id\n1\n")
    path.chmod(0)
    try:
        path.read_bytes()
    except PermissionError:
        with pytest.raises(DataError, match=r"cannot read table .*: Permission denied"):
            open_table(path)
    else:
        pytest.skip("this user may read everything")
