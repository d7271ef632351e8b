"""Vectors in tables: one a row, in a column of lists or in numbered columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.guard import reading
from gairbench.files.overhead import LARGEST
from gairbench.files.parquetfile import HINT, ParquetFile
from gairbench.files.tables import FIX, other_separator, repeated, stream_table
from gairbench.names import plain_name

if TYPE_CHECKING:
    import pyarrow as pa

    from gairbench.files.formats import TableFile

_NUMBERED = re.compile(r"(.*?)([0-9]+)")
_ROWS = 4_096
"""Rows that are read at a time."""


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """Where a table has one vector a row.

    Args:
        name: The column of lists, or what numbered columns have in common: ``"A"`` of ``A00`` ... ``A63``.
        columns: The column, or the numbered ones by number.
        dtype: Of the values, as numpy calls it; empty: they are text.
        lists: It is a column of lists.
    """

    name: str
    columns: tuple[str, ...]
    dtype: str
    lists: bool

    @property
    def whole(self) -> bool:
        """Whether the values are of a type of whole numbers, which say nothing about their scale."""
        return bool(self.dtype) and np.dtype(self.dtype).kind in "iu"


def vector_columns(file: TableFile) -> tuple[VectorColumn, ...]:
    """Return where a table has one vector a row, by its header.

    Lists hold numbers. Numbered columns have a common beginning and numbers from 0 or 1 on without a gap.

    Args:
        file: The table; only Parquet has types.

    Raises:
        DataError: The file is broken, or its fields are separated otherwise than by commas.
    """
    if separator := other_separator(file.names):
        raise DataError(f"the fields of {file.path} are separated by {separator!r}", "save it with commas")
    # A Parquet file of words alone has no column of numbers, and numbers in other tables are text.
    typed = isinstance(file, ParquetFile)
    types = _types(file) if isinstance(file, ParquetFile) else {}
    lists = [
        VectorColumn(name, (name,), dtype, lists=True)
        for name, (dtype, is_list) in types.items()
        if is_list and name not in repeated(file.names)
    ]
    groups: dict[str, dict[str, int]] = {}
    for name in file.names:
        found = _NUMBERED.fullmatch(name)
        if found and name not in repeated(file.names) and (not typed or name in types):
            groups.setdefault(found[1], {})[name] = int(found[2])
    numbered = []
    for beginning, members in groups.items():
        ordered = sorted(members, key=members.__getitem__)
        numbers = [members[name] for name in ordered]
        kinds = {types[name] for name in ordered} if typed else {("", False)}
        if len(ordered) > 1 and numbers[0] in {0, 1} and numbers == [*range(numbers[0], numbers[0] + len(ordered))]:
            if any(is_list for _, is_list in kinds):
                continue
            dtype = str(np.result_type(*(np.dtype(dtype) for dtype, _ in kinds))) if typed else ""
            name = beginning.rstrip("_-. ") or f"{ordered[0]}...{ordered[-1]}"
            numbered.append(VectorColumn(name, tuple(ordered), dtype, lists=False))
    return (*lists, *numbered)


def read_vectors(file: TableFile, column: VectorColumn) -> NDArray[np.float64 | np.float32]:
    """Return the vectors of all rows.

    Args:
        file: The table.
        column: One of its :func:`vector_columns`.

    Returns:
        ``(rows, dim)``, float32 of the types that fit into it exactly, else float64; a row without a vector, or with
        an empty cell in it, is not a number.

    Raises:
        DataError: The file is broken, the vectors are not of one length, or they are too many to be held.
    """
    parts = [*(_parquet_parts(file, column) if isinstance(file, ParquetFile) else _text_parts(file, column))]
    known = {part.shape[1] for part in parts if part.shape[1]}
    if not known:
        raise DataError(f"{file.path}: {column.name} holds no vector", "fill it, or name another table")
    if len(known) > 1:
        raise _lengths(file, column, sorted(known))
    (dim,) = known
    blank = np.full((1, dim), np.nan, dtype=np.float32)
    return np.concatenate([part if part.shape[1] else np.repeat(blank, len(part), axis=0) for part in parts])


def _types(file: ParquetFile) -> dict[str, tuple[str, bool]]:
    """Return the type of every column of numbers, and whether it holds lists of them."""
    import pyarrow as pa

    found = {}
    for field in file.schema():
        inner, is_list = field.type, False
        if pa.types.is_list(inner) or pa.types.is_large_list(inner) or pa.types.is_fixed_size_list(inner):
            inner, is_list = inner.value_type, True
        if pa.types.is_integer(inner) or pa.types.is_floating(inner):
            found[plain_name(field.name)] = str(np.dtype(inner.to_pandas_dtype())), is_list
    return found


def _parquet_parts(file: ParquetFile, column: VectorColumn) -> Iterator[NDArray[Any]]:
    held = 0
    for batch in file.batches(column.columns, _ROWS):
        with reading(file.path, "table", HINT):
            part = _of_lists(file, column, batch.column(0)) if column.lists else _beside(batch.columns)
        held += part.size
        _check_size(file, column, held)
        yield part


def _of_lists(file: TableFile, column: VectorColumn, lists: pa.Array) -> NDArray[Any]:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    known = np.unique(lengths[lengths > 0])
    if len(known) > 1:
        raise _lengths(file, column, known.tolist())
    # Rows without a list, and empty ones, are not in it.
    flat = _exact(lists.flatten())
    dim = int(known[0]) if len(known) else 0
    part = np.full((len(lengths), dim), np.nan, dtype=flat.dtype)
    if dim:
        part[lengths > 0] = flat.reshape(-1, dim)
    return part


def _beside(columns: Sequence[pa.Array]) -> NDArray[Any]:
    return np.stack([_exact(values) for values in columns], axis=1)


def _exact(values: pa.Array) -> NDArray[Any]:
    """Return numbers as float32 where that holds all values of their type, else as float64; nulls as NaN."""
    small = values.type.bit_width <= (32 if _is_floating(values) else 16)
    return np.asarray(values.to_numpy(zero_copy_only=False)).astype(np.float32 if small else np.float64)


def _is_floating(values: pa.Array) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(values.type))


def _text_parts(file: TableFile, column: VectorColumn) -> Iterator[NDArray[Any]]:
    held = 0
    for columns in stream_table(file, column.columns, _ROWS):
        part = np.empty((len(columns[0].lines), len(columns)))
        for i, cells in enumerate(columns):
            words, _ = cells.found_words()
            part[:, i], faults = cells.found_numbers()
            for fault in faults:
                # An empty cell is a value that is missing; a word in its place is a mistake.
                if fault.whole_row or (words[fault.row] and words[fault.row].casefold() != "nan"):
                    where = f"{file.path}, {file.row_word} {cells.lines[fault.row]}"
                    what = fault.what if fault.whole_row else f", column {cells.name!r}{fault.what}"
                    raise DataError(f"{where}{what}", fault.hint or FIX)
        held += part.size
        _check_size(file, column, held)
        yield part


def _check_size(file: TableFile, column: VectorColumn, held: int) -> None:
    if held > LARGEST:
        raise DataError(
            f"{file.path}: {column.name} holds more than {LARGEST:,} numbers", "keep the rows that are needed"
        )


def _lengths(file: TableFile, column: VectorColumn, lengths: Sequence[int]) -> DataError:
    return DataError(
        f"{file.path}: the vectors of column {column.name!r} are {lengths[0]} and {lengths[1]} numbers long",
        "write vectors of one length",
    )
