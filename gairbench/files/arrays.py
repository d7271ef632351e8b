"""NumPy arrays in files: mapped into memory, never unpickled; and tables whose columns are such arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.cells import Cell, cell
from gairbench.files.guard import reading
from gairbench.names import plain_name

_MAGIC = b"\x93NUMPY"

_HINT = "save it with numpy.save, as numbers, texts or dates and not as Python objects"


def open_array(path: Path) -> NDArray[Any]:
    """Map the array of a ``.npy`` file into memory: nothing of it is read but its header.

    Args:
        path: The file.

    Returns:
        The array, which cannot be written.

    Raises:
        DataError: The file is missing or broken, or holds Python objects or records.
    """
    if not path.is_file():
        raise DataError(f"no array {path}", "correct the path or --data-root")
    with reading(path, "array", _HINT):
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise DataError(f"{path} is not a NumPy array", "save it with numpy.save as a .npy file")
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.dtype.kind not in "biufUSM":
        raise DataError(f"{path} holds values of type {array.dtype}, neither numbers nor words", _HINT)
    if not array.ndim:
        raise DataError(f"{path} holds a single value", "save one value for each sample")
    return array


class ArraysTable:
    """A table whose columns are arrays, a :class:`gairbench.files.formats.TableFile`.

    Args:
        columns: Name, file, and for an array of several columns which of them, counted from 0.

    Raises:
        DataError: An array is broken, has other axes, or another length than the first.
    """

    row_word = "row"
    geometry_note = ""
    derived: tuple[str, ...] = ()

    def __init__(self, columns: Sequence[tuple[str, Path, int | None]]) -> None:
        self.names = [plain_name(name) for name, _, _ in columns]
        self._columns = {plain_name(name): _column(path, at) for name, path, at in columns}
        folders = {path.parent for _, path, _ in columns}
        first = columns[0][1]
        # Messages name the column too, which says which of the folder's arrays is meant.
        self.path = first.parent if len(folders) == 1 and len(columns) > 1 else first
        length = len(self._columns[self.names[0]])
        for name, path, _ in columns:
            if len(self._columns[plain_name(name)]) != length:
                raise DataError(
                    f"{path} has {len(self._columns[plain_name(name)])} rows and {first} has {length}",
                    "give arrays of the same samples",
                )

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield each row's number, from 1, and its cells of some columns."""
        length = len(self._columns[self.names[0]])
        columns = [self._columns[name].tolist() for name in names]
        if not columns:
            yield from ((row + 1, []) for row in range(length))
            return
        for row, values in enumerate(zip(*columns, strict=True)):
            yield row + 1, [cell(value) for value in values]


def _column(path: Path, at: int | None) -> NDArray[Any]:
    array = open_array(path)
    if at is None:
        if array.ndim != 1:
            shape = tuple(array.shape)
            raise DataError(f"{path} has shape {shape}, wanted (sample,)", "say which column is meant with 'at'")
        return array
    if array.ndim != 2 or at >= array.shape[1]:
        raise DataError(f"{path} of shape {tuple(array.shape)} has no column {at}", "correct 'at', counted from 0")
    chosen: NDArray[Any] = array[:, at]
    return chosen
