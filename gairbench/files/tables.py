"""Read tables that people bring, as the words that stand in them, and remember where each one stands."""

from __future__ import annotations

import csv
import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gairbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

LISTED = 20
"""Columns an error message lists at most."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the samples.

    Args:
        name: Its name.
        values: ``(n,)`` words as they stand in the file.
        path: The file it came from.
        lines: ``(n,)`` line of each value in that file (rows, counted from 1, for Parquet).
    """

    name: str
    values: NDArray[np.object_]
    path: Path
    lines: NDArray[np.int64]

    def where(self, row: int) -> str:
        """Say where a value stands, for messages."""
        return f"{self.path}, {_line_word(self.path)} {self.lines[row]}, column {self.name!r}"

    def words(self) -> NDArray[np.object_]:
        """Return the values without surrounding blanks.

        Raises:
            DataError: A value is empty or the word ``nan``; any other word counts, ``NA`` (Namibia) and ``None`` too.
        """
        words = np.array([word.strip() for word in self.values], dtype=object)
        self._refuse([row for row, word in enumerate(words) if word.casefold() in {"", "nan"}], "is empty")
        return words

    def numbers(self) -> NDArray[np.float64]:
        """Return the values as finite numbers.

        Raises:
            DataError: A value is empty or no number.
        """
        parsed = pd.to_numeric(pd.Series(self.words()), errors="coerce").to_numpy(dtype=np.float64)
        self._refuse(np.flatnonzero(~np.isfinite(parsed)).tolist(), "is not a number")
        return parsed

    def _refuse(self, bad: Sequence[int], what: str) -> None:
        if bad:
            shown = "" if what == "is empty" else f": {self.values[bad[0]]!r}"
            more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
            raise DataError(f"{self.where(bad[0])}{shown} {what}{more}", "fix or remove these rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTable:
    """Rows of samples, possibly joined from several files.

    Args:
        path: The main file.
        words: Its columns, as words.
        lines: Line of each row, by file.
        home: The file of each column.
        doubled: Names that stand for more than one column, and where those are.
    """

    path: Path
    words: pd.DataFrame
    lines: Mapping[Path, NDArray[np.int64]]
    home: Mapping[str, Path]
    doubled: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.words)

    def column(self, name: str) -> Column:
        """Return a column.

        Raises:
            DataError: There is no such column, or more than one; near names or all columns are told.
        """
        if name in self.doubled:
            raise DataError(f"column {name!r} {self.doubled[name]}", "rename or remove one of them")
        if name not in self.home:
            raise no_column(" joined with ".join(str(path) for path in self.lines), name, [*self.home])
        path = self.home[name]
        return Column(name, self.words[name].to_numpy(dtype=object), path, self.lines[path])

    def where(self, row: int) -> str:
        """Say where a row stands in the main file, for messages."""
        return f"{self.path}, {_line_word(self.path)} {self.lines[self.path][row]}"

    def rows(self, chosen: NDArray[np.bool_]) -> SampleTable:
        """Return some of the rows."""
        lines = {path: numbers[chosen] for path, numbers in self.lines.items()}
        return replace(self, words=self.words[chosen].reset_index(drop=True), lines=lines)

    def join(self, other: SampleTable, on: str) -> tuple[SampleTable, NDArray[np.bool_]]:
        """Add another table's columns.

        A column of the same name in both is kept if the values agree; if they do not, nobody can tell which is meant,
        and asking for it is an error.

        Args:
            other: A table with one row per value of ``on``.
            on: The column that both have.

        Returns:
            The joined table, and ``(rows,)`` whether a row has a partner; without one its new values are empty.

        Raises:
            DataError: A table lacks the column, or the other has a value twice.
        """
        key = other.column(on)
        repeated = np.flatnonzero(pd.Series(key.values).duplicated())
        if len(repeated):
            raise DataError(
                f"{key.where(repeated[0])}: {key.values[repeated[0]]!r} is there twice", "one row per value is needed"
            )
        place = {value: row for row, value in enumerate(key.values)}
        partner = np.array([place.get(value, -1) for value in self.column(on).values], dtype=np.int64)
        found = partner >= 0
        words, home, doubled = self.words.copy(), dict(self.home), {**other.doubled, **self.doubled}
        for name in other.home:
            # Row -1 is the last one: harmless, because it is blanked in the same breath.
            values = np.where(found, other.words[name].to_numpy(dtype=object)[partner], "")
            if name not in home:
                words[name], home[name] = values, other.home[name]
            elif (values != words[name].to_numpy(dtype=object))[found].any():
                doubled[name] = f"stands in {home[name]} and, with other values, in {other.home[name]}"
        lines = {**self.lines, **{path: numbers[partner] for path, numbers in other.lines.items()}}
        return replace(self, words=words, lines=lines, home=home, doubled=doubled), found


def read_table(path: Path) -> SampleTable:
    """Read a CSV file (UTF-8, commas, one header line) or a Parquet file.

    Values stay the words they are: ``007`` does not become 7, nor ``NA`` nothing.

    Raises:
        DataError: It is missing, empty or broken, or a line has more or fewer fields than the header.
    """
    if not path.is_file():
        raise DataError(f"no table {path}", "correct the path or --data-root")
    return _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)


def stream_table(path: Path, names: Sequence[str], size: int, start: int = 0) -> Iterator[list[Column]]:
    """Read some columns of a CSV or Parquet file a few rows at a time, in memory that does not grow with the file.

    Args:
        path: As for :func:`read_table`, which it agrees with.
        names: The columns, which :func:`table_columns` has.
        size: Rows at a time; the last time there may be fewer.
        start: Rows to pass over.

    Yields:
        The columns, in the order of ``names``.

    Raises:
        DataError: It is missing or broken, or a line has more or fewer fields than the header.
    """
    rows = _parquet_rows(path, names) if path.suffix.lower() == ".parquet" else _chosen_csv_rows(path, names)
    rows = islice(rows, start, None)
    while chunk := list(islice(rows, size)):
        lines = np.array([line for line, _ in chunk], dtype=np.int64)
        for_each_column = zip(*(words for _, words in chunk), strict=True)
        yield [
            Column(name, np.array(words, dtype=object), path, lines)
            for name, words in zip(names, for_each_column, strict=True)
        ]


def table_columns(path: Path) -> list[str]:
    """Return the names in a table's header, without reading its rows.

    Raises:
        DataError: It is missing or broken, or a name is there twice.
    """
    if not path.is_file():
        raise DataError(f"no table {path}", "correct the path")
    if path.suffix.lower() == ".parquet":
        with _open_parquet(path) as file:
            names = [str(name) for name in file.schema_arrow.names]
    else:
        names = next(_csv_rows(path), (1, []))[1]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"the header of {path} has column {twice[0]!r} more than once", "rename or remove one of them")
    return names


def _csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each line's number and fields, the header's first; blank lines are passed over."""
    try:
        # Spreadsheets put a byte-order mark before the first name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            yield 1, header
            start = reader.line_num + 1
            for row in reader:
                if row:
                    if len(row) != len(header):
                        raise DataError(
                            f"{path}, line {start} has {len(row)} fields and the header {len(header)}",
                            "quote fields that hold commas, and give every line as many fields",
                        )
                    yield start, row
                start = reader.line_num + 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read table {path}: {error}", "check that it is a UTF-8 CSV file") from error


def _chosen_csv_rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    rows = _csv_rows(path)
    _, header = next(rows)
    places = [header.index(name) for name in names]
    for line, row in rows:
        yield line, [row[place] for place in places]


def _parquet_rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    number = 0
    with _open_parquet(path) as file:
        try:
            for batch in file.iter_batches(columns=list(names)):
                columns = [batch.column(name).to_pylist() for name in names]
                for row in zip(*columns, strict=True):
                    number += 1
                    # NaN is the only value that differs from itself.
                    yield number, ["" if value is None or value != value else str(value) for value in row]
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read table {path}: {error}", "check that it is a Parquet file") from error


def _open_parquet(path: Path) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read table {path}: {error}", "check that it is a Parquet file") from error


def _read_csv(path: Path) -> SampleTable:
    read = list(_csv_rows(path))
    header, rows, lines = read[0][1], [row for _, row in read[1:]], [line for line, _ in read[1:]]
    if not rows:
        raise DataError(f"table {path} has no rows", "fill it or name another")
    counts = Counter(header)
    # As columns: a frame made of rows would be transposed value by value.
    columns = {name: values for name, values in zip(header, zip(*rows, strict=True), strict=True) if counts[name] == 1}
    again = {name: f"stands in the header of {path} more than once" for name, count in counts.items() if count > 1}
    return _table(path, columns, lines, again)


def _read_parquet(path: Path) -> SampleTable:
    try:
        # Nullable types: a missing whole number must not turn its column into decimals.
        typed = pd.read_parquet(path, dtype_backend="numpy_nullable")
    except ImportError as error:
        raise DataError(f"reading {path} needs the package pyarrow", "pip install pyarrow, or save as CSV") from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read table {path}: {error}", "check that it is a Parquet file") from error
    if not len(typed):
        raise DataError(f"table {path} has no rows", "fill it or name another")
    words = {str(name): ["" if pd.isna(v) else str(v) for v in typed[name].tolist()] for name in typed.columns}
    return _table(path, words, range(1, len(typed) + 1), {})


def _table(
    path: Path, columns: Mapping[str, Sequence[str]], lines: Sequence[int], doubled: Mapping[str, str]
) -> SampleTable:
    return SampleTable(
        path=path,
        words=pd.DataFrame(columns, dtype=object),
        lines={path: np.array(lines, dtype=np.int64)},
        home=dict.fromkeys(columns, path),
        doubled=doubled,
    )


def no_column(where: str, name: str, columns: Sequence[str]) -> DataError:
    """Return the error for a column that a table lacks: the near one, else all there are."""
    near = difflib.get_close_matches(name, columns, n=1)
    more = f" and {len(columns) - LISTED} more" if len(columns) > LISTED else ""
    listed = f"its columns are {', '.join(columns[:LISTED])}{more}"
    return DataError(f"{where} has no column {name!r}", f"did you mean {near[0]!r}?" if near else listed)


def _line_word(path: Path) -> str:
    return "row" if path.suffix.lower() == ".parquet" else "line"


def check_coordinates(lonlat: NDArray[np.float64], where: Callable[[int], str]) -> NDArray[np.float64]:
    """Return coordinates that are in range.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        where: ``where(row)`` says where a row stands.

    Raises:
        DataError: One is outside -180...180 or -90...90; if the two look swapped, that is said.
    """
    bad = np.flatnonzero((np.abs(lonlat[:, 0]) > 180) | (np.abs(lonlat[:, 1]) > 90))
    if len(bad):
        row = int(bad[0])
        lon, lat = lonlat[row]
        widest = np.abs(lonlat).max(axis=0)
        if widest[0] <= 90 < widest[1] <= 180:
            hint = "longitude and latitude look swapped; exchange them"
        elif widest[1] <= 90 and lonlat[:, 0].min() >= 0 and widest[0] <= 360:
            hint = "longitudes run from 0 to 360; subtract 360 from those above 180"
        else:
            hint = "give degrees in EPSG:4326"
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        raise DataError(f"{where(row)}: longitude {lon:g}, latitude {lat:g} is out of range{more}", hint)
    return lonlat
