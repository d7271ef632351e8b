"""Tables as people write them: words stay words, and every complaint points at the line it is about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gairbench.errors import DataError
from gairbench.files.coordinates import check_coordinates
from gairbench.files.tables import read_table


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_words_stay_as_they_are_written(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "\ufeffid,iso\n007,NA\n 8 ,None\n"))
    assert table.column("id").words().tolist() == ["007", "8"]
    assert table.column("iso").words().tolist() == ["NA", "None"]
    assert table.column("id").numbers().tolist() == [7.0, 8.0]


def test_lines_are_those_of_the_file_despite_quoted_and_blank_lines(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", 'a,b\n"two\nlines",1\n\nlast,high\n'))
    with pytest.raises(DataError, match=r"t\.csv, line 5, column 'b': 'high' is not a number; fix"):
        table.column("b").numbers()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2,\n", "line 2 has 3 fields and the header 2"),
        ("a,b\n1,2\n3\n", "line 3 has 1 fields and the header 2"),
        ("a,b\n", "has no rows"),
        ("", "has no rows"),
        ('a,b\n1,"2\n', "cannot read table .*: unexpected end of data"),
    ],
)
def test_broken_csv_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(write(tmp_path, "t.csv", text))


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("city\nZürich\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"table .*t\.csv, line 2 is not UTF-8 text \(byte 0xfc\); save it as UTF-8"):
        read_table(path)


@pytest.mark.parametrize("value", ["", "  ", "nan", "NaN"])
def test_empty_labels_are_refused_and_counted(tmp_path: Path, value: str) -> None:
    table = read_table(write(tmp_path, "t.csv", f"id,label\n1,a\n2,{value}\n3,{value}\n"))
    with pytest.raises(DataError, match=r"t\.csv, line 3, column 'label' is empty \(2 such rows\)"):
        table.column("label").words()


@pytest.mark.parametrize("value", ["inf", "-inf", "1e999", "12,5", "3 m"])
def test_what_is_no_finite_number_is_refused(tmp_path: Path, value: str) -> None:
    table = read_table(write(tmp_path, "t.csv", f'id,height\n1,2.5\n2,"{value}"\n'))
    with pytest.raises(DataError, match=f"line 3, column 'height': '{value}' is not a number"):
        table.column("height").numbers()


def test_missing_column_tells_a_near_name_or_what_there_is(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "longitude,wealth\n1,2\n"))
    with pytest.raises(DataError, match=r"has no column 'longitud'; did you mean 'longitude'\?"):
        table.column("longitud")
    with pytest.raises(DataError, match=r"has no column 'x'; its columns are longitude, wealth"):
        table.column("x")


def test_header_with_a_name_twice_matters_only_where_it_is_asked_for(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "id,lat,lat\n1,2,3\n"))
    assert table.column("id").words().tolist() == ["1"]
    with pytest.raises(DataError, match=r"column 'lat' stands in the header of .*t\.csv more than once"):
        table.column("lat")


def test_join_matches_rows_by_key_and_a_bad_value_is_told_by_its_own_file(tmp_path: Path) -> None:
    left = read_table(write(tmp_path, "photos.csv", "uuid,source\nc,x\na,x\nb,y\n"))
    right = read_table(write(tmp_path, "scores.csv", "score,uuid,source\n1,a,x\nbad,b,y\n3,c,x\n4,unused,z\n"))
    joined, found = left.join(right, "uuid")
    assert found.all()
    assert joined.column("score").values.tolist() == ["3", "1", "bad"]
    assert joined.column("source").words().tolist() == ["x", "x", "y"]
    with pytest.raises(DataError, match=r"scores\.csv, line 3, column 'score': 'bad' is not a number"):
        joined.column("score").numbers()
    with pytest.raises(DataError, match=r"photos\.csv joined with .*scores\.csv has no column 'scor'; did you mean"):
        joined.column("scor")


def test_rows_without_partner_are_reported_and_left_out_on_request(tmp_path: Path) -> None:
    left = read_table(write(tmp_path, "l.csv", "k\n1\n2\n3\n"))
    right = read_table(write(tmp_path, "r.csv", "k,v\n3,c\n1,\n"))
    joined, found = left.join(right, "k")
    assert found.tolist() == [True, False, True]
    kept = joined.rows(found)
    assert kept.column("k").words().tolist() == ["1", "3"]
    assert kept.where(1).endswith("l.csv, line 4")
    with pytest.raises(DataError, match=r"r\.csv, line 3, column 'v' is empty"):
        kept.column("v").words()


def test_columns_that_disagree_between_joined_tables_cannot_be_asked_for(tmp_path: Path) -> None:
    left = read_table(write(tmp_path, "l.csv", "k,lat\n1,10\n2,20\n"))
    right = read_table(write(tmp_path, "r.csv", "k,lat\n1,10\n2,21\n"))
    joined, _ = left.join(right, "k")
    assert joined.column("k").words().tolist() == ["1", "2"]
    with pytest.raises(DataError, match=r"'lat' stands in .*l\.csv and, with other values, in .*r\.csv"):
        joined.column("lat")


def test_key_that_is_twice_in_the_further_table_is_refused(tmp_path: Path) -> None:
    left = read_table(write(tmp_path, "l.csv", "k\n1\n"))
    right = read_table(write(tmp_path, "r.csv", "k,v\n1,a\n2,b\n1,c\n"))
    with pytest.raises(DataError, match=r"r\.csv, line 4, column 'k': '1' is there twice"):
        left.join(right, "k")


def test_parquet_gives_the_words_a_csv_would(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    frame = pd.DataFrame({"id": ["007", "008"], "n": [1, 2], "y": [0.5, None], "b": [True, False]})
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert [table.column(name).values.tolist() for name in ("id", "n", "b")] == [
        ["007", "008"],
        ["1", "2"],
        ["True", "False"],
    ]
    with pytest.raises(DataError, match=r"t\.parquet, row 2, column 'y' is empty"):
        table.column("y").numbers()
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(DataError, match=r"cannot read table .*t\.parquet"):
        read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("lonlat", "hint"),
    [
        ([[45.0, 170.0], [10.0, 20.0]], "longitude and latitude look swapped; exchange them"),
        ([[359.0, 10.0], [2.0, 20.0]], "longitudes run from 0 to 360; subtract 360"),
        ([[-500000.0, 4000000.0]], "give degrees in EPSG:4326"),
        ([[-170.0, 95.0]], "give degrees in EPSG:4326"),
    ],
)
def test_coordinates_out_of_range_are_refused_with_the_likely_reason(lonlat: list[list[float]], hint: str) -> None:
    with pytest.raises(DataError, match=r"row 0: longitude .* is out of range") as caught:
        check_coordinates(np.array(lonlat), lambda row: f"row {row}")
    assert caught.value.hint.startswith(hint)


def test_coordinates_at_the_very_edge_are_in_range() -> None:
    edge = np.array([[-180.0, -90.0], [180.0, 90.0]])
    np.testing.assert_array_equal(check_coordinates(edge, str), edge)
