"""Tables with geometries: places in degrees whatever the file's system, or a refusal that says why."""

from __future__ import annotations

import contextlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

from gairbench.errors import DataError
from gairbench.files.formats import open_table, table_sha256
from gairbench.files.tables import read_table

LON = np.array([13.4, 15.25, 16.75])
LAT = np.array([52.5, -33.4, 0.125])
FORMATS = ("gpkg", "geojson", "shp", "parquet")


def frame(geometry: Any = None, crs: Any = 4326) -> geopandas.GeoDataFrame:
    geometry = geopandas.points_from_xy(LON, LAT) if geometry is None else geometry
    values = {"name": ["007", "NA", "Zürich"], "n": pd.array([1, None, 3], dtype="Int64"), "x": [1.5, 2.0, None]}
    return geopandas.GeoDataFrame(values, geometry=geometry, crs=crs)


def write(path: Path, table: geopandas.GeoDataFrame, **options: Any) -> Path:
    drivers = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".parquet":
            table.to_parquet(path)
        else:
            table.to_file(path, driver=drivers[path.suffix], **options)
    return path


def degrees(path: Path) -> np.ndarray[Any, Any]:
    table = read_table(path)
    return np.stack([table.column("lon").numbers(), table.column("lat").numbers()], axis=1)


@pytest.mark.parametrize("ext", FORMATS)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857", "EPSG:32633", "EPSG:4258", "ESRI:54009"])
def test_points_of_any_system_are_longitude_and_latitude(tmp_path: Path, ext: str, crs: str) -> None:
    path = write(tmp_path / f"points.{ext}", frame().to_crs(crs))
    found = degrees(path)
    np.testing.assert_allclose(found, np.stack([LON, LAT], axis=1), atol=1e-9)
    if crs == "EPSG:4326":
        assert (found == np.stack([LON, LAT], axis=1)).all(), "degrees are not computed anew"


@pytest.mark.parametrize("ext", FORMATS)
def test_words_are_the_same_in_every_format(tmp_path: Path, ext: str) -> None:
    table = read_table(write(tmp_path / f"points.{ext}", frame()))
    assert table.column("name").values.tolist() == ["007", "NA", "Zürich"]
    assert table.column("n").values.tolist() == ["1", "", "3"]
    assert table.column("x").values.tolist() == ["1.5", "2.0", ""]
    with pytest.raises(DataError, match=r"row 2, column 'n' is empty"):
        table.column("n").words()


def test_a_shapefile_in_an_older_encoding_says_so_and_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "points.shp", frame(), encoding="ISO-8859-1")
    assert b"Z\xfcrich" in path.with_suffix(".dbf").read_bytes()
    assert read_table(path).column("name").values.tolist()[2] == "Zürich"


@pytest.mark.parametrize("ext", FORMATS)
def test_rectangles_are_boxes_and_no_place(tmp_path: Path, ext: str) -> None:
    boxes = shapely.box(LON - 1, LAT - 2, LON + 3, LAT + 4)
    table = read_table(write(tmp_path / f"boxes.{ext}", frame(boxes).to_crs("EPSG:3857")))
    found = [table.column(name).numbers() for name in ("lon_min", "lat_max", "lon_max", "lat_min")]
    np.testing.assert_allclose(found, [LON - 1, LAT + 4, LON + 3, LAT - 2], atol=1e-9)
    with pytest.raises(DataError, match="no column 'lon': its geometries are of type Polygon, and a place is a point"):
        table.column("lon")


@pytest.mark.parametrize(
    "shape",
    [
        shapely.Polygon([(0, 0), (2, 0), (1, 2)]),
        shapely.Polygon([(0, 0), (2, 0.1), (2, 2.1), (0, 2)]),
        shapely.Polygon([(0, 0), (2, 0), (2, 2), (1, 2), (1, 1), (0, 1)]),
        shapely.Polygon(shapely.box(0, 0, 3, 3).exterior, [shapely.box(1, 1, 2, 2).exterior]),
    ],
    ids=["triangle", "slanted", "corner missing", "hole"],
)
def test_polygons_that_are_no_rectangles_are_not_taken_for_boxes(tmp_path: Path, shape: shapely.Polygon) -> None:
    shapes = [shapely.box(0, 0, 1, 1), shape, shapely.box(0, 0, 1, 1)]
    table = read_table(write(tmp_path / "boxes.gpkg", frame(shapes)))
    with pytest.raises(DataError, match=r"row 2, column 'lon_min' is made of a polygon that is not a rectangle"):
        table.column("lon_min").numbers()


def test_a_tile_of_utm_is_not_a_rectangle_in_degrees(tmp_path: Path) -> None:
    tiles = [shapely.box(800_000, 5_800_000, 810_000, 5_810_000)] * 3
    table = read_table(write(tmp_path / "tiles.gpkg", frame(tiles, "EPSG:32633")))
    with pytest.raises(DataError, match="not a rectangle in longitude and latitude"):
        table.column("lat_max").numbers()


def test_one_other_geometry_is_a_fault_of_its_row(tmp_path: Path) -> None:
    shapes = [shapely.Point(1, 2), shapely.LineString([(0, 0), (1, 1)]), shapely.MultiPoint([(3, 4)])]
    table = read_table(write(tmp_path / "mixed.gpkg", frame(shapes)))
    numbers, faults = table.column("lon").found_numbers()
    assert [fault.row for fault in faults] == [1]
    assert "a LineString, and a place is a point" in faults[0].what
    assert numbers[[0, 2]].tolist() == [1.0, 3.0], "a collection of one point is that point"


@pytest.mark.parametrize("ext", FORMATS)
def test_missing_and_empty_geometries_are_missing_places(tmp_path: Path, ext: str) -> None:
    shapes = [None, shapely.Point(5, 6), None]
    table = read_table(write(tmp_path / f"points.{ext}", frame(shapes)))
    assert table.column("lon").values.tolist() == ["", "5.0", ""]
    assert [fault.what for fault in table.column("lat").found_words()[1]] == [" is empty"] * 2


@pytest.mark.parametrize("ext", ["gpkg", "shp", "parquet"])
def test_a_file_that_states_no_system_is_refused(tmp_path: Path, ext: str) -> None:
    path = write(tmp_path / f"points.{ext}", frame(crs=None))
    table = read_table(path)
    assert table.column("name").values[0] == "007", "its other columns can be used"
    with pytest.raises(DataError, match=r"points\.\w+.*coordinate reference system"):
        table.column("lon")


@pytest.mark.parametrize("srs", [0, -1])
def test_a_geopackage_of_an_undefined_system_is_refused(tmp_path: Path, srs: int) -> None:
    import sqlite3

    path = write(tmp_path / "points.gpkg", frame())
    with sqlite3.connect(path) as database:
        for table in ("gpkg_geometry_columns", "gpkg_contents"):
            database.execute(f"update {table} set srs_id = {srs}")
    with pytest.raises(DataError, match=r"the coordinate reference system of .*points\.gpkg is unknown"):
        read_table(path).column("lon")


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ('LOCAL_CS["site grid",UNIT["metre",1]]', "is unknown"),
        ("+proj=longlat +R=3396190 +no_defs", "cannot place"),
        ("+proj=geocent +datum=WGS84", "is unknown"),
    ],
    ids=["site", "Mars", "geocentric"],
)
def test_systems_that_lead_nowhere_are_refused(tmp_path: Path, crs: str, message: str) -> None:
    from gairbench.files.geometry import Places

    if "3396190" in crs:
        crs = (
            'GEOGCS["Mars 2000",DATUM["D_Mars_2000",SPHEROID["Mars_2000_IAU_IAG",3396190,169.894447223612]],'
            'PRIMEM["Reference_Meridian",0],UNIT["degree",0.0174532925199433]]'
        )
    with pytest.raises(DataError, match=message) as caught:
        Places(tmp_path / "x", crs).cells([shapely.Point(1, 2)], ["lon", "lat"])
    # The library's text holds the whole system.
    assert "ellipsoid" not in str(caught.value)


def test_a_point_outside_of_its_projection_is_a_fault_of_its_row(tmp_path: Path) -> None:
    shapes = geopandas.points_from_xy([0.0, 1e12, 500_000.0], [0.0, 1e12, 10.0])
    table = read_table(write(tmp_path / "points.gpkg", frame(shapes, "EPSG:3857")))
    _, faults = table.column("lon").found_numbers()
    assert all(fault.row == 1 for fault in faults)


def collection(**more: Any) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": [13.4, 52.5]}
    features = [{"type": "Feature", "id": 7, "properties": {"a": "x"}, "geometry": point}]
    return {"type": "FeatureCollection", "features": features} | more


def test_geojson_is_longitude_and_latitude_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(collection()))
    table = read_table(path)
    assert table.column("id").values.tolist() == ["7"]
    assert table.column("lon").values.tolist() == ["13.4"]
    name = "urn:ogc:def:crs:EPSG::32633"
    projected = collection(crs={"type": "name", "properties": {"name": name}})
    projected["features"][0]["geometry"]["coordinates"] = [391_000.0, 5_820_000.0]
    path.write_text(json.dumps(projected))
    assert degrees(path)[0] == pytest.approx([13.39, 52.52], abs=0.01)
    for crs in (None, {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}}, {"type": "name"}):
        path.write_text(json.dumps(collection(crs=crs)))
        with pytest.raises(DataError, match="does not say in which coordinate reference system"):
            read_table(path).column("lon")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "FeatureCollection", "features": [', "cannot read table"),
        ('{"type": "Topology", "objects": {}}', "has no features of GeoJSON"),
        ('{"type": "FeatureCollection", "features": [1]}', "has no features of GeoJSON"),
        ('{"type": "FeatureCollection", "features": []}', "has no rows"),
        ("{" * 100_000, "cannot read table"),
    ],
)
def test_broken_geojson_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_table(path)


def test_geojson_with_a_geometry_that_cannot_be_read_is_a_fault_of_its_row(tmp_path: Path) -> None:
    broken = collection()
    broken["features"] *= 2
    broken["features"] = json.loads(json.dumps(broken["features"]))
    broken["features"][1]["geometry"] = {"type": "Point", "coordinates": ["east", None]}
    (tmp_path / "a.geojson").write_text(json.dumps(broken))
    _, faults = read_table(tmp_path / "a.geojson").column("lon").found_numbers()
    assert [(fault.row, fault.what) for fault in faults] == [(1, " is made of a geometry that cannot be read")]


def test_too_large_geojson_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gairbench.files import vectorfile

    monkeypatch.setattr(vectorfile, "MAX_JSON", 10)
    (tmp_path / "a.geojson").write_text(json.dumps(collection()))
    with pytest.raises(DataError, match="too large for GeoJSON, which has to be read whole; save it as GeoParquet"):
        read_table(tmp_path / "a.geojson")


def test_several_layers_are_not_chosen_from(tmp_path: Path) -> None:
    path = write(tmp_path / "points.gpkg", frame(), layer="one")
    frame().to_file(path, driver="GPKG", layer="two")
    with pytest.raises(DataError, match=r"has 2 layers \(one, two\)"):
        read_table(path)


def test_a_geopackage_table_without_geometries_beside_a_layer_is_passed_over(tmp_path: Path) -> None:
    import pyogrio

    path = write(tmp_path / "points.gpkg", frame(), layer="places")
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), path, layer="notes", driver="GPKG")
    assert degrees(path).shape == (3, 2)


def test_a_database_that_is_no_geopackage_is_refused(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "a.gpkg") as database:
        database.execute("create table t (id text, lon real, lat real)")
    with pytest.raises(DataError, match=r"a\.gpkg is an SQLite database, but not a GeoPackage"):
        read_table(tmp_path / "a.gpkg")


def test_without_pyogrio_the_command_to_install_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "points.gpkg", frame())
    for name in ("pyogrio", "pyogrio.raw"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DataError, match=r"needs the package pyogrio; pip install 'gairbench\[geo\]'"):
        read_table(path)


def test_the_hash_of_a_shapefile_covers_the_files_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path / "points.shp", frame())
    first = table_sha256(path)
    assert table_sha256(path) == first
    path.with_suffix(".prj").write_text('GEOGCS["other"]')
    assert table_sha256(path) != first


@pytest.mark.parametrize("cut", [0.3, 0.9])
@pytest.mark.parametrize("ext", ["gpkg", "shp", "parquet"])
def test_files_cut_short_are_one_line_and_named(tmp_path: Path, ext: str, cut: float) -> None:
    path = write(tmp_path / f"points.{ext}", frame())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    with contextlib.suppress(DataError):
        # GDAL may find whole rows before the cut; nothing but a DataError may come out.
        table = read_table(path)
        for name in table.names:
            table.column(name)


def test_columns_called_lon_and_lat_come_before_the_geometry(tmp_path: Path) -> None:
    table = frame()
    table["lon"], table["lat"] = [1, 2, 3], [4, 5, 6]
    path = write(tmp_path / "points.gpkg", table)
    assert open_table(path).derived == ()
    assert degrees(path).tolist() == [[1, 4], [2, 5], [3, 6]]


def test_degrees_of_a_geometry_do_not_clash_with_columns_of_a_joined_table(tmp_path: Path) -> None:
    left = tmp_path / "left.csv"
    left.write_text("name,lon,lat\n007,1,2\nNA,3,4\n")
    joined, found = read_table(left).join(read_table(write(tmp_path / "points.gpkg", frame())), "name")
    assert found.all()
    assert joined.column("lon").values.tolist() == ["1", "3"]
    assert joined.column("x").values.tolist() == ["1.5", "2.0"]


@pytest.mark.parametrize("encoding", ["WKB", "geoarrow"])
def test_geoparquet_stores_points_in_two_ways(tmp_path: Path, encoding: str) -> None:
    frame().to_parquet(tmp_path / "p.parquet", geometry_encoding=encoding)
    np.testing.assert_array_equal(degrees(tmp_path / "p.parquet"), np.stack([LON, LAT], axis=1))
