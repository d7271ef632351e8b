"""Read tables that people bring, as the words that stand in them, and remember where each one stands."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.badrows import ProblemKind
from gairbench.files.cells import DECIMAL_COMMA, NUMBER, Cell, ListCell, Unusable
from gairbench.files.formats import TableFile, open_table
from gairbench.files.geometry import PLACE
from gairbench.names import plain_name

T = TypeVar("T", bound=np.generic)

LISTED = 20
"""Columns an error message lists at most."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell that does not hold what it should.

    Args:
        row: Its row in the column, from 0 on.
        kind: What it is counted as.
        what: What is wrong, as it follows the name of the column, blank or colon included.
        hint: What to do about it.
        whole_row: The fault is that of its whole row.
    """

    row: int
    kind: ProblemKind
    what: str
    hint: str
    whole_row: bool = False


FIX = "fix or remove these rows"
"""What to do about a cell where nothing better is known."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the samples.

    Args:
        name: Its name.
        values: ``(n,)`` cells as they stand in the file.
        path: The file it came from.
        lines: ``(n,)`` where each value stands in that file.
        row_word: What that is called: ``"line"`` of a CSV file, ``"row"`` of any other.
    """

    name: str
    values: NDArray[np.object_]
    path: Path
    lines: NDArray[np.int64]
    row_word: str = "line"

    def where(self, row: int) -> str:
        """Say where a value stands, for messages."""
        return f"{self.path}, {self.row_word} {self.lines[row]}, column {self.name!r}"

    def texts(self) -> NDArray[np.object_]:
        """Return the values without surrounding blanks; empty ones are empty words.

        Raises:
            DataError: A value is not a word, but a list for instance.
        """
        return self._sound(*self.found_texts())

    def words(self) -> NDArray[np.object_]:
        """Return the values without surrounding blanks.

        Raises:
            DataError: A value is empty or the word ``nan``; any other word counts, ``NA`` (Namibia) and ``None`` too.
        """
        return self._sound(*self.found_words())

    def numbers(self) -> NDArray[np.float64]:
        """Return the values as finite numbers.

        Raises:
            DataError: A value is empty or not a number.
        """
        return self._sound(*self.found_numbers())

    def labels(self, separator: str) -> list[list[str]]:
        """Return the labels of each row: the items of a list, or the parts of a text between separators.

        Raises:
            DataError: A value is empty. An empty list is not: it says that there is no label.
        """
        lists = [value.words if isinstance(value, ListCell) else None for value in self.values]
        rest = np.array([items is None for items in lists], dtype=bool)
        chosen = replace(self, values=self.values[rest], lines=self.lines[rest])
        texts = iter(chosen.words().tolist())
        parts = [next(texts).split(separator) if items is None else items for items in lists]
        return [[word for part in row if (word := part.strip())] for row in parts]

    def found_texts(self) -> tuple[NDArray[np.object_], list[Fault]]:
        """Return :meth:`texts`, and what is wrong; faulty values are empty words."""
        faults: list[Fault] = []
        words = np.full(len(self.values), "", dtype=object)
        for row, value in enumerate(self.values):
            if isinstance(value, str):
                words[row] = value.strip()
            elif isinstance(value, Unusable):
                faults.append(Fault(row, value.kind, f" {value.reason}", FIX, value.whole_row))
            else:
                faults.append(
                    Fault(
                        row,
                        ProblemKind.ROW,
                        " holds lists",
                        "name a column of single words or numbers; only multilabel targets take lists",
                    )
                )
        return words, faults

    def found_words(self) -> tuple[NDArray[np.object_], list[Fault]]:
        """Return :meth:`words`, and what is wrong; faulty values are empty words."""
        words, faults = self.found_texts()
        known = {fault.row for fault in faults}
        empty = [row for row, word in enumerate(words) if word.casefold() in {"", "nan"} and row not in known]
        faults += [Fault(row, ProblemKind.MISSING, " is empty", FIX) for row in empty]
        return words, sorted(faults, key=lambda fault: fault.row)

    def found_numbers(self, kind: ProblemKind = ProblemKind.COORDINATES) -> tuple[NDArray[np.float64], list[Fault]]:
        """Return :meth:`numbers`, and what is wrong, counted as ``kind``; faulty values are NaN."""
        words, faults = self.found_words()
        known = {fault.row for fault in faults}
        numbers = np.array([float(word) if NUMBER.fullmatch(word) else np.nan for word in words], dtype=np.float64)
        numbers[[*known]] = np.nan
        # 1e999 is written like a number, and too large for one.
        numbers[~np.isfinite(numbers)] = np.nan
        for row in np.flatnonzero(np.isnan(numbers)).tolist():
            if row not in known:
                comma = DECIMAL_COMMA.fullmatch(words[row])
                hint = "write numbers with a decimal point, without separators of thousands" if comma else FIX
                faults.append(Fault(row, kind, f": {self.values[row]!r} is not a number", hint))
        return numbers, sorted(faults, key=lambda fault: fault.row)

    def _sound(self, values: NDArray[T], faults: Sequence[Fault]) -> NDArray[T]:
        if not faults:
            return values
        first = faults[0]
        alike = sum(fault.kind == first.kind for fault in faults)
        more = f" ({alike} such rows)" if alike > 1 else ""
        where = f"{self.path}, {self.row_word} {self.lines[first.row]}" if first.whole_row else self.where(first.row)
        raise DataError(f"{where}{first.what}{more}", first.hint)


class _Loaded:
    """One file of samples, its columns read when they are asked for.

    Args:
        file: The file.
    """

    def __init__(self, file: TableFile) -> None:
        self.file = file
        self.path = file.path
        self.repeated = repeated(file.names)
        self.lines, self._cells = self._load([])
        if not len(self.lines):
            raise DataError(f"table {file.path} has no rows", "fill it or name another")

    def cells(self, name: str) -> NDArray[np.object_]:
        """Return a column."""
        if name not in self._cells:
            self._cells |= self._load([name])[1]
        return self._cells[name]

    def _load(self, names: Sequence[str]) -> tuple[NDArray[np.int64], dict[str, NDArray[np.object_]]]:
        file = self.file
        # Reading a CSV file for one column costs as much as for all of them.
        wanted = [name for name in file.names if name not in self.repeated] if file.row_word == "line" else list(names)
        lines: list[int] = []
        columns: list[list[Cell]] = [[] for _ in wanted]
        for line, cells in file.rows(wanted):
            if cells and isinstance(cells[0], Unusable) and cells[0].whole_row:
                raise DataError(f"{file.path}, {file.row_word} {line} {cells[0].reason}", FIX)
            lines.append(line)
            for column, value in zip(columns, cells, strict=True):
                column.append(value)
        values = {name: _array(column) for name, column in zip(wanted, columns, strict=True)}
        return np.array(lines, dtype=np.int64), values


def _array(values: Sequence[Cell]) -> NDArray[np.object_]:
    return np.fromiter(values, dtype=object, count=len(values))


def repeated(names: Sequence[str]) -> frozenset[str]:
    """Return the names that are there more than once."""
    return frozenset(name for name, count in Counter(names).items() if count > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleTable:
    """Rows of samples, possibly joined from several files.

    Args:
        files: The main file, and those joined to it.
        at: For each file, ``(n,)`` the row of each sample in it, -1 where there is none.
    """

    files: tuple[_Loaded, ...]
    at: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return len(self.at[0])

    @property
    def path(self) -> Path:
        """The main file."""
        return self.files[0].path

    @property
    def row_word(self) -> str:
        """What the rows of the main file are called."""
        return self.files[0].file.row_word

    @property
    def names(self) -> list[str]:
        """All columns, each name once."""
        return [*dict.fromkeys(name for loaded in self.files for name in loaded.file.names)]

    @property
    def single_names(self) -> list[str]:
        """The columns whose names stand for one column only."""
        counts = Counter(name for loaded in self.files for name in loaded.file.names)
        return [name for name, count in counts.items() if count == 1]

    @property
    def lines(self) -> NDArray[np.int64]:
        """``(n,)`` where each row stands in the main file."""
        return self.files[0].lines[self.at[0]]

    def column(self, name: str) -> Column:
        """Return a column; of a sample without a partner in the column's file, an empty word.

        A column that joined files have in common is returned if its values agree.

        Raises:
            DataError: There is no such column, or more than one; near names or all columns are named.
        """
        name = plain_name(name)
        homes = [i for i, loaded in enumerate(self.files) if name in loaded.file.names]
        # Degrees made of a geometry are a second choice.
        homes = [i for i in homes if name not in self.files[i].file.derived] or homes[:1]
        if not homes:
            where = " joined with ".join(str(loaded.path) for loaded in self.files)
            raise no_column(where, name, self.names, [loaded.file.geometry_note for loaded in self.files])
        for i in homes:
            if name in self.files[i].repeated:
                raise DataError(
                    f"column {name!r} stands in the header of {self.files[i].path} more than once",
                    "rename or remove one of them",
                )
        first, *others = (self._values(i, name) for i in homes)
        for i, values in zip(homes[1:], others, strict=True):
            both = (self.at[homes[0]] >= 0) & (self.at[i] >= 0)
            if (values != first)[both].any():
                raise DataError(
                    f"column {name!r} stands in {self.files[homes[0]].path} and, with other values, in"
                    f" {self.files[i].path}",
                    "rename or remove one of them",
                )
        loaded = self.files[homes[0]]
        return Column(name, first, loaded.path, loaded.lines[self.at[homes[0]]], loaded.file.row_word)

    def where(self, row: int) -> str:
        """Say where a row stands in the main file, for messages."""
        return f"{self.path}, {self.row_word} {self.lines[row]}"

    def rows(self, chosen: NDArray[np.bool_]) -> SampleTable:
        """Return some of the rows."""
        return replace(self, at=tuple(rows[chosen] for rows in self.at))

    def join(self, other: SampleTable, on: str | tuple[str, str]) -> tuple[SampleTable, NDArray[np.bool_]]:
        """Add another table's columns.

        Args:
            other: A table with one row per value of the key.
            on: The column that both have, or its name here and there.

        Returns:
            The joined table, and ``(rows,)`` whether a row has a partner; without one its new values are empty.

        Raises:
            DataError: A table lacks the column, or the other has a value twice.
        """
        here, there = (on, on) if isinstance(on, str) else on
        key = other.column(there)
        place: dict[str, int] = {}
        for row, value in enumerate(map(plain_name, key.texts())):
            # An empty cell is not a key, and has no partner.
            if value and place.setdefault(value, row) != row:
                raise DataError(f"{key.where(row)}: {value!r} is there twice", "one row per value is needed")
        partner = np.array([place.get(plain_name(value), -1) for value in self.column(here).texts()], dtype=np.int64)
        found = partner >= 0
        # Row -1 is the last one: harmless, because it is blanked in the same breath.
        added = tuple(np.where(found, rows[partner], -1) for rows in other.at)
        return SampleTable(files=(*self.files, *other.files), at=(*self.at, *added)), found

    def _values(self, i: int, name: str) -> NDArray[np.object_]:
        values: NDArray[np.object_] = self.files[i].cells(name)[self.at[i]]
        values[self.at[i] < 0] = ""
        return values


def read_table(path: Path) -> SampleTable:
    """Read a table of any format that :func:`gairbench.files.formats.open_table` knows.

    Values stay the words they are: ``007`` does not become 7, nor ``NA`` nothing.

    Raises:
        DataError: It is missing, empty or broken, or a line has more or fewer fields than the header.
    """
    return sample_table(open_table(path))


def sample_table(file: TableFile) -> SampleTable:
    """Return the rows of an open table.

    Raises:
        DataError: It is empty or broken.
    """
    loaded = _Loaded(file)
    return SampleTable(files=(loaded,), at=(np.arange(len(loaded.lines)),))


def stream_table(file: TableFile, names: Sequence[str], size: int, start: int = 0) -> Iterator[list[Column]]:
    """Read some columns of a table a few rows at a time, in memory that does not grow with a CSV or Parquet file.

    Args:
        file: The table.
        names: The columns, each once in the table.
        size: Rows at a time; the last time there may be fewer.
        start: Rows to pass over.

    Yields:
        The columns, in the order of ``names``.

    Raises:
        DataError: It is broken.
    """
    rows = islice(file.rows(names), start, None)
    while chunk := list(islice(rows, size)):
        lines = np.array([line for line, _ in chunk], dtype=np.int64)
        yield [
            Column(name, _array([cells[i] for _, cells in chunk]), file.path, lines, file.row_word)
            for i, name in enumerate(names)
        ]


def other_separator(columns: Sequence[str]) -> str:
    """Return what separates the names of a header that was taken for one name; empty if nothing does."""
    return next((mark for mark in ";\t|" if len(columns) == 1 and mark in columns[0]), "")


def no_column(where: str, name: str, columns: Sequence[str], notes: Sequence[str] = ()) -> DataError:
    """Return the error for a column that a table lacks: the near one, else all there are.

    Args:
        where: The table.
        name: The column.
        columns: Those that there are.
        notes: Why geometries give no places.
    """
    if name in PLACE and (note := next(filter(None, notes), "")):
        return DataError(f"{where} has no column {name!r}: {note}", "add columns lon and lat in degrees")
    if separator := other_separator(columns):
        return DataError(
            f"{where} has no column {name!r}; its fields are separated by {separator!r}", "save it with commas"
        )
    near = difflib.get_close_matches(name, columns, n=1)
    more = f" and {len(columns) - LISTED} more" if len(columns) > LISTED else ""
    listed = f"its columns are {', '.join(columns[:LISTED])}{more}"
    return DataError(f"{where} has no column {name!r}", f"did you mean {near[0]!r}?" if near else listed)
