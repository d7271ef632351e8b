"""Vectors in tables: which columns hold them, and what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gairbench.errors import DataError
from gairbench.files import vectors
from gairbench.files.formats import TableFile, open_table
from gairbench.files.vectors import VectorColumn, read_vectors, vector_columns

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


def lists(values: Any, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([None if row is None else list(row) for row in values], pa.list_(kind or pa.float32()))


def parquet(folder: Path, **columns: Any) -> TableFile:
    pq.write_table(pa.table(columns), folder / "own.parquet")
    return open_table(folder / "own.parquet")


def csv(folder: Path, text: str) -> TableFile:
    (folder / "own.csv").write_text(text)
    return open_table(folder / "own.csv")


def read(file: TableFile) -> np.ndarray[Any, Any]:
    (column,) = vector_columns(file)
    return read_vectors(file, column)


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize("fixed", [True, False])
def test_lists_of_every_floating_type_are_read(tmp_path: Path, kind: pa.DataType, fixed: bool) -> None:
    values = VALUES.astype(kind.to_pandas_dtype())
    made = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel(), kind), 3) if fixed else lists(values, kind)
    found = read(parquet(tmp_path, id=["a", "b", "c", "d"], vector=made))
    assert found.dtype == (np.float64 if kind == pa.float64() else np.float32)
    np.testing.assert_array_equal(found, VALUES)


@pytest.mark.parametrize("kind", [pa.int8(), pa.int16(), pa.int32(), pa.uint16()])
def test_whole_numbers_are_read_exactly_and_said_to_be_whole(tmp_path: Path, kind: pa.DataType) -> None:
    most = np.iinfo(kind.to_pandas_dtype()).max
    file = parquet(tmp_path, vector=lists([[0, most], [1, most - 1]], kind))
    (column,) = vector_columns(file)
    assert column.whole
    np.testing.assert_array_equal(read_vectors(file, column).astype(np.int64), [[0, most], [1, most - 1]])


def test_numbered_columns_are_a_vector_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    columns = {f"A{i:02d}": np.arange(4) + i / 10 for i in reversed(range(12))}
    file = parquet(tmp_path, year=[2020] * 4, pop2010=[1.0] * 4, pop2020=[2.0] * 4, **columns)
    (column,) = vector_columns(file)
    assert column == VectorColumn("A", tuple(f"A{i:02d}" for i in range(12)), "float64", lists=False)
    np.testing.assert_allclose(read_vectors(file, column)[1], 1 + np.arange(12) / 10)


@pytest.mark.parametrize("names", [("x0", "x2"), ("x2", "x3"), ("x1",), ("x1", "y2")])
def test_numbers_with_a_gap_or_another_beginning_are_no_vector(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert vector_columns(parquet(tmp_path, **{name: [1.0] for name in names})) == ()


def test_columns_of_words_are_no_vector(tmp_path: Path) -> None:
    words = pa.array([["a"], ["b"]])
    assert vector_columns(parquet(tmp_path, tags=words, x0=["a", "b"], x1=["c", "d"])) == ()


def test_numbered_columns_of_numbers_without_a_name_are_called_by_their_ends(tmp_path: Path) -> None:
    (column,) = vector_columns(csv(tmp_path, "id,0,1,2\na,1,2,3\n"))
    assert column.name == "0...2"
    assert not column.whole


def test_text_tables_have_numbered_columns(tmp_path: Path) -> None:
    found = read(csv(tmp_path, "id,x_1,x_2\na,0.5,1e-3\nb,,2\nc,nan,2\n"))
    np.testing.assert_array_equal(found, [[0.5, 1e-3], [np.nan, 2], [np.nan, 2]])
    with pytest.raises(DataError, match=r"own.csv, line 3, column 'x_1': 'many' is not a number"):
        read(csv(tmp_path, "id,x_1,x_2\na,0.5,1e-3\nb,many,2\n"))


def test_fields_that_are_separated_otherwise_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="are separated by ';'; save it with commas"):
        vector_columns(csv(tmp_path, "id;x1;x2\na;1;2\n"))


def test_vectors_of_several_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the vectors of column 'vector' are 2 and 3 numbers long"):
        read(parquet(tmp_path, vector=lists([[1, 2], [1, 2, 3], [1, 2]])))


def test_lengths_that_differ_between_parts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_ROWS", 2)
    with pytest.raises(DataError, match="the vectors of column 'vector' are 2 and 3 numbers long"):
        read(parquet(tmp_path, vector=lists([[1, 2], [1, 2], [1, 2, 3]])))


def test_rows_without_a_vector_are_not_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "_ROWS", 2)
    found = read(parquet(tmp_path, vector=lists([None, [], [1, 2], None, [3, None]])))
    np.testing.assert_array_equal(found, [[np.nan] * 2, [np.nan] * 2, [1, 2], [np.nan] * 2, [3, np.nan]])
    with pytest.raises(DataError, match="vector holds no vector"):
        read(parquet(tmp_path, vector=lists([None] * 4)))


def test_more_numbers_than_can_be_held_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "LARGEST", 11)
    for file in (parquet(tmp_path, vector=lists(VALUES)), csv(tmp_path, "x0,x1,x2\n" + "1,2,3\n" * 4)):
        with pytest.raises(DataError, match="holds more than 11 numbers; keep the rows that are needed"):
            read(file)
