"""Tables as people write them: words stay words, and every complaint points at the line it is about."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gairbench.errors import DataError
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


@pytest.mark.parametrize("value", ["12,5", "-1.234,5", "1'000,25"])
def test_a_decimal_comma_is_refused_with_what_to_write(tmp_path: Path, value: str) -> None:
    table = read_table(write(tmp_path, "t.csv", f'id,height\n1,"{value}"\n'))
    with pytest.raises(DataError, match="is not a number; write numbers with a decimal point"):
        table.column("height").numbers()


@pytest.mark.parametrize("value", ["1_000", "0x10", "True", "١٢", "1 000", "--1", "1e", "infinity", "12,500"])
def test_what_only_python_would_take_for_a_number_is_none(tmp_path: Path, value: str) -> None:
    table = read_table(write(tmp_path, "t.csv", f'id,height\n1,"{value}"\n'))
    with pytest.raises(DataError, match="is not a number"):
        table.column("height").numbers()


def test_numbers_are_read_to_the_last_digit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1e3, 1000)
    table = read_table(write(tmp_path, "t.csv", "v\n" + "\n".join(map(repr, values.tolist())) + "\n+1.\n.5\n1E5\n"))
    np.testing.assert_array_equal(table.column("v").numbers(), [*values, 1.0, 0.5, 1e5])


def test_lists_are_labels_or_refused_by_name_and_ignored_where_nobody_asks(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "labels": [["forest", " water "], ["forest"], []],
            "one": [["x"], ["x"], ["y"]],
            "vector": [np.ones(4, "f4")] * 3,
            "nested": [[["a"]], [["b"]], [["c"]]],
            "struct": [{"a": 1}] * 3,
            "blob": [b"\xff\x00"] * 3,
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.column("id").words().tolist() == ["a", "b", "c"]
    assert table.column("labels").labels(";") == [["forest", "water"], ["forest"], []]
    for name, what in (("one", "holds lists"), ("vector", "holds lists"), ("nested", "holds lists of something else")):
        with pytest.raises(DataError, match=rf"row 1, column '{name}' {what}"):
            table.column(name).words()
    with pytest.raises(DataError, match="column 'struct' holds values of type dict"):
        table.column("struct").words()
    with pytest.raises(DataError, match="column 'blob' holds binary data"):
        table.column("blob").words()
    other = read_table(write(tmp_path, "u.csv", "id,y\nb,1\nc,2\na,3\n"))
    joined, found = other.join(table, "id")
    assert found.all()
    assert joined.column("labels").labels(";") == [["forest"], [], ["forest", "water"]]


def test_labels_of_a_text_are_its_parts(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", "l\na; b\n;\nc\n"))
    assert table.column("l").labels(";") == [["a", "b"], [], ["c"]]
    with pytest.raises(DataError, match="column 'l' is empty"):
        read_table(write(tmp_path, "u.csv", "l,k\na,1\n,2\n")).column("l").labels(";")


def test_typed_values_are_words_as_python_writes_them(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None], dtype="Int64"),
            "big": [2**62, -1],
            "float": [1e5, None],
            "single": np.array([0.5, 1e10], "f4"),
            "bool": [True, False],
            "date": [datetime.date(2024, 5, 1), None],
            "time": pd.to_datetime(["2024-05-01 10:00:00", None]),
            "category": pd.Categorical(["NA", "None"]),
            "decimal": [decimal.Decimal("1.50"), None],
            "bytes": [b"text", b"NA"],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert {name: table.column(name).values.tolist() for name in frame} == {
        "int": ["1", ""],
        "big": [str(2**62), "-1"],
        "float": ["100000.0", ""],
        "single": ["0.5", "10000000000.0"],
        "bool": ["True", "False"],
        "date": ["2024-05-01", ""],
        "time": ["2024-05-01 10:00:00", ""],
        "category": ["NA", "None"],
        "decimal": ["1.50", ""],
        "bytes": ["text", "NA"],
    }


def test_only_columns_that_are_asked_for_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    pd.DataFrame({"id": ["a"], "y": [1], "vector": [np.ones(4)]}).to_parquet(tmp_path / "t.parquet")
    asked: list[str] = []
    read = pq.ParquetFile.iter_batches

    def note(self: Any, *arguments: Any, columns: Any = None, **more: Any) -> Any:
        asked.extend(columns)
        return read(self, *arguments, columns=columns, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", note)
    read_table(tmp_path / "t.parquet").column("y").numbers()
    assert asked == ["y"]


def test_tables_are_joined_on_columns_of_two_names(tmp_path: Path) -> None:
    left = read_table(write(tmp_path, "l.csv", "fips_code,v\n01001,a\n01003,b\n,c\n"))
    right = read_table(write(tmp_path, "r.csv", "fips,w\n 01003 ,x\n01001,y\n,z\n,z\n"))
    joined, found = left.join(right, ("fips_code", "fips"))
    assert found.tolist() == [True, True, False], "an empty key has no partner"
    assert joined.column("w").values.tolist() == ["y", "x", ""]
    with pytest.raises(DataError, match=r"r\.csv has no column 'fips_code'; did you mean 'fips'\?"):
        left.join(right, "fips_code")


def test_a_table_can_be_joined_twice(tmp_path: Path) -> None:
    left = read_table(write(tmp_path, "l.csv", "a,b\n1,2\n2,1\n"))
    names = write(tmp_path, "n.csv", "k,name\n1,one\n2,two\n")
    joined, _ = left.join(read_table(names), ("a", "k"))
    again, _ = joined.join(read_table(names), ("b", "k"))
    with pytest.raises(DataError, match="with other values"):
        again.column("name")
    assert again.column("a").values.tolist() == ["1", "2"]
