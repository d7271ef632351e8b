"""Rows of images and places: only what is wanted is read and checked, and a bad row is counted with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest

from gairbench.errors import DataError, UsageError
from gairbench.files.badrows import ProblemKind
from gairbench.files.geometry import BBOX
from gairbench.files.rows import ROLES, Columns, InputTable, open_rows

HEADER = "id,lon,lat,rs,sv,lon_min,lat_max,lon_max,lat_min"
GOOD = "a,1,2,o.png,p.png,0,3,2,1"


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    for name in ("o.png", "p.png"):
        (folder / name).touch()
    path = folder / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def table(path: Path, named: Mapping[str, str] | None = None, *, skip: bool = False, **more: object) -> InputTable:
    return open_rows(path, named or {}, root=None, skip=skip, **more)  # type: ignore[arg-type]


def test_all_columns_that_have_a_meaning_are_found_and_read(tmp_path: Path) -> None:
    rows = next(table(write(tmp_path, GOOD)).chunks(10))
    assert rows.ids == ["a"]
    assert rows.lines.tolist() == [2]
    assert rows.rs == [tmp_path / "o.png"]
    assert rows.sv == [tmp_path / "p.png"]
    assert rows.lonlat is not None
    assert rows.lonlat.tolist() == [[1, 2]]
    assert rows.bbox is not None
    assert rows.bbox.tolist() == [[0, 3, 2, 1]]


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD, header="ID,x,y,tile,photo,w,n,e,s")
    named = dict(
        zip(("id", "lon", "lat", "rs", "sv", *BBOX), ["ID", "x", "y", "tile", "photo", "w", "n", "e", "s"], strict=True)
    )
    assert set(named) == set(ROLES)
    assert table(path, named).columns == Columns(
        id="ID", lonlat=("x", "y"), rs="tile", sv="photo", bbox=("w", "n", "e", "s")
    )


@pytest.mark.parametrize(
    ("header", "named", "required", "message"),
    [
        (HEADER, {"lonn": "x"}, (), "no --column 'lonn'; did you mean lon"),
        (
            HEADER,
            {"id": "ids"},
            (),
            "has no column 'ids'; did you mean 'id'.; say which one it is with --column id=COL",
        ),
        ("id,rs,sv,lon", {}, (), "a column 'lon' and none for 'lat'; name them with --column, or add them"),
        ("id,lon_min,lat_max", {}, (), "a column 'lon_min' and none for 'lon_max', 'lat_min'"),
        ("rs,rs", {}, (), "has column 'rs' more than once"),
        ("id;lon;lat", {}, (), r"the fields of .*t\.csv are separated by ';'; save it with commas"),
        ("id,lon,lat", {}, ("rs",), "has no column 'rs'; .* say which one it is with --column rs=COLUMN"),
    ],
)
def test_columns_that_are_not_there_are_told(
    tmp_path: Path, header: str, named: dict[str, str], required: tuple[str, ...], message: str
) -> None:
    path = write(tmp_path, header=header)
    with pytest.raises((DataError, UsageError), match=message):
        table(path, named, required=required)


def test_a_name_that_is_there_twice_matters_only_where_it_is_meant(tmp_path: Path) -> None:
    assert table(write(tmp_path, header="id,note,note,,")).columns == Columns(id="id")


BAD = {
    "1,2,o.png,p.png,0,3,2,1,x": (ProblemKind.ROW, "has 10 fields and the header 9"),
    ",2,o.png,p.png,0,3,2,1": (ProblemKind.MISSING, "column 'lon' is empty"),
    "east,2,o.png,p.png,0,3,2,1": (ProblemKind.COORDINATES, "column 'lon': 'east' is not a number"),
    "1,95,o.png,p.png,0,3,2,1": (ProblemKind.COORDINATES, "longitude 1, latitude 95 is out of range"),
    "1,2,,p.png,0,3,2,1": (ProblemKind.MISSING, "column 'rs' is empty"),
    "1,2,o.png,gone.png,0,3,2,1": (ProblemKind.MISSING, "no file "),
    "1,2,o.png,../x.png,0,3,2,1": (ProblemKind.MISSING, "no file "),
    "1,2,o.png,/etc/hostname,0,3,2,1": (ProblemKind.MISSING, "is outside of"),
    "1,2,o.png,p.png,0,3,0,1": (ProblemKind.BOX, "is not a box"),
    "1,2,o.png,p.png,0,1,2,3": (ProblemKind.BOX, "is not a box"),
    "1,2,o.png,p.png,0,3,200,1": (ProblemKind.BOX, "is not a box"),
    "1,2,o.png,p.png,,3,2,1": (ProblemKind.MISSING, "column 'lon_min' is empty"),
    "1,2,o.png,p.png,w,3,2,1": (ProblemKind.BOX, "column 'lon_min': 'w' is not a number"),
}


@pytest.mark.parametrize("cells", BAD)
def test_a_bad_row_is_left_out_with_its_reason_or_stops(tmp_path: Path, cells: str) -> None:
    kind, reason = BAD[cells]
    path = write(tmp_path, GOOD, f"bad,{cells}", GOOD.replace("a,", "c,"))
    skipping = table(path, skip=True)
    assert skipping.count() == 3
    (rows,) = skipping.chunks(10)
    assert rows.ids == ["a", "c"]
    assert rows.lonlat is not None
    assert len(rows.lonlat) == len(rows.rs) == len(rows.sv) == 2
    (bad,) = rows.bad
    assert (bad.where, bad.kind) == (3, kind)
    assert reason in bad.reason
    for stopping in (lambda: table(path).count(), lambda: next(table(path).chunks(10))):
        with pytest.raises(DataError) as error:
            stopping()
        assert f"rows cannot be used (1 x {kind}); the first: line 3: " in str(error.value)
        assert reason in str(error.value)
        assert str(error.value).endswith("fix these rows, or leave them out with --on-error skip")


def test_a_row_without_any_box_is_no_bad_row(tmp_path: Path) -> None:
    rows = next(table(write(tmp_path, GOOD, "b,1,2,o.png,p.png,,,,")).chunks(10))
    assert [rows.box(i) for i in range(2)] == [(0, 3, 2, 1), None]


def test_all_bad_rows_are_counted_not_only_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, *(f"r{i},{cells}" for i, cells in enumerate(BAD)), GOOD)
    with pytest.raises(DataError, match=rf"{len(BAD)} of {len(BAD) + 1} rows cannot be used \(1 x broken row, 6 x"):
        table(path).count()
    (rows,) = table(path, skip=True).chunks(100)
    assert len(rows) == 1
    assert [bad.where for bad in rows.bad] == [*range(2, len(BAD) + 2)]


@pytest.mark.parametrize("cells", [cells for cells in BAD if cells[-1] != "x"])
def test_cells_of_columns_that_are_not_wanted_may_be_anything(tmp_path: Path, cells: str) -> None:
    path = write(tmp_path, GOOD, f"bad,{cells}")
    opened = table(path)
    assert opened.wanting(Columns(id="id")).count() == 2
    rows = next(opened.wanting(Columns(id="id", lonlat=("lon", "lat")), place_optional=True).chunks(10))
    assert rows.ids == ["a", "bad"]
    assert rows.lonlat is not None
    usable = cells.split(",")[:2] == ["1", "2"]
    assert np.isfinite(rows.lonlat[1]).all() == usable


def test_without_any_wanted_column_rows_are_numbered(tmp_path: Path) -> None:
    rows = next(table(write(tmp_path, "x", "y", header="note")).chunks(10))
    assert rows.ids == ["1", "2"]


def test_chunks_go_on_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path, *(f"{i},{i},{i}" for i in range(10)), header="note,lon,lat")
    whole = table(path)
    pieces = [*whole.chunks(3, 0)]
    assert [len(rows) for rows in pieces] == [3, 3, 3, 1]
    assert [rows.ids for rows in whole.chunks(3, 6)] == [["7", "8", "9"], ["10"]]


def test_an_empty_table_is_an_error(tmp_path: Path) -> None:
    for skip in (True, False):
        with pytest.raises(DataError, match="has no rows"):
            table(write(tmp_path), skip=skip).count()


def test_paths_may_be_spelled_in_any_way_that_stays_inside(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    path = write(inner, f"a,{inner / 'o.png'}", "b,../inner/o.png", "c,./o.png", header="id,rs")
    assert table(path).count() == 3
    outside = write(inner, "a,../x.png", header="id,rs")
    (tmp_path / "x.png").touch()
    with pytest.raises(
        DataError, match=r"../x\.png.: .* is outside of .*inner; name files below it, or choose a folder"
    ):
        table(outside).count()
    assert open_rows(outside, {}, root=tmp_path / "inner", skip=True).count() == 1
    wider = write(inner, "a,x.png", header="id,rs")
    assert open_rows(wider, {}, root=tmp_path, skip=False).count() == 1


@pytest.mark.parametrize("link", ["file", "folder"])
def test_links_that_leave_the_root_are_followed_only_when_asked(tmp_path: Path, link: str) -> None:
    inner, elsewhere = tmp_path / "inner", tmp_path / "elsewhere"
    inner.mkdir()
    elsewhere.mkdir()
    (elsewhere / "s.png").touch()
    if link == "file":
        (inner / "s.png").symlink_to(elsewhere / "s.png")
    else:
        (inner / "d").symlink_to(elsewhere)
    path = write(inner, "a,s.png" if link == "file" else "a,d/s.png", header="id,rs")
    with pytest.raises(DataError, match=r"leads out of .*--follow-links"):
        table(path).count()
    assert table(path, follow_links=True).count() == 1
    write(inner, "a,../elsewhere/s.png", header="id,rs")
    with pytest.raises(DataError, match="is outside of"):
        table(path, follow_links=True).count()


def test_a_file_of_another_unicode_form_is_found(tmp_path: Path) -> None:
    (tmp_path / "Cafe\u0301.png").touch()
    assert table(write(tmp_path, "a,Caf\u00e9.png", header="id,rs")).count() == 1


@pytest.mark.parametrize("ext", ["gpkg", "geojson", "shp", "parquet"])
def test_points_of_a_file_in_utm_are_the_places_that_a_csv_would_state(tmp_path: Path, ext: str) -> None:
    lon, lat = np.array([13.4, 15.25]), np.array([52.5, 51.125])
    points = geopandas.GeoDataFrame({"id": ["007", "b"]}, geometry=geopandas.points_from_xy(lon, lat), crs=4326)
    path = tmp_path / f"t.{ext}"
    if ext == "parquet":
        points.to_crs(32633).to_parquet(path)
    else:
        points.to_crs(32633).to_file(path)
    opened = table(path)
    assert opened.columns == Columns(id="id", lonlat=("lon", "lat"))
    assert opened.row_word == "row"
    rows = next(opened.chunks(10))
    assert rows.ids == ["007", "b"]
    np.testing.assert_allclose(rows.lonlat, np.stack([lon, lat], axis=1), atol=1e-9)


def test_lists_in_parquet_are_refused_by_name_where_a_word_is_wanted(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"], "rs": [["o.png"]], "vector": [np.ones(3)]}).to_parquet(tmp_path / "t.parquet")
    opened = table(tmp_path / "t.parquet")
    assert opened.wanting(Columns(id="id")).count() == 1
    with pytest.raises(DataError, match="row 1: column 'rs' holds lists"):
        opened.count()
