"""Parquet files, GeoParquet among them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gairbench.errors import DataError
from gairbench.files.cells import Cell, cell
from gairbench.files.geometry import LONGITUDE_FIRST, Places, with_derived
from gairbench.files.guard import reading
from gairbench.names import plain_name

HINT = "check that it is a whole Parquet file"


class ParquetFile:
    """A Parquet file; of a GeoParquet file the places too.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read.
    """

    row_word = "row"

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as file:
            stored = [str(name) for name in file.schema_arrow.names]
            about = (file.schema_arrow.metadata or {}).get(b"geo")
        self._places, self._geometry = self._find_places(about)
        self._stored = {plain_name(name): name for name in stored}
        first = self._first_geometry() if self._geometry in stored else None
        self.names, self.derived, self.geometry_note = with_derived([*map(plain_name, stored)], self._places, first)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield each row's number, from 1 on, and the cells of some columns; no other column is read.

        Raises:
            DataError: The file is broken.
        """
        stored = {name: self._stored[name] for name in names if name not in self.derived}
        wanted = [*dict.fromkeys([*stored.values(), *([self._geometry] if len(stored) < len(names) else [])])]
        number = 0
        with self._open() as file, reading(self.path, "table", HINT):
            for batch in file.iter_batches(columns=wanted):
                columns: dict[str, Sequence[Cell]] = {
                    name: [cell(value) for value in batch.column(own).to_pylist()] for name, own in stored.items()
                }
                if len(stored) < len(names):
                    columns |= self._derive(batch.column(self._geometry).to_pylist(), names)
                for row in range(len(batch)):
                    number += 1
                    yield number, [columns[name][row] for name in names]

    def schema(self) -> Any:
        """Return pyarrow's schema of the stored columns."""
        with self._open() as file:
            return file.schema_arrow

    def batches(self, names: Sequence[str], size: int) -> Iterator[Any]:
        """Yield the stored values of some columns, in their order, as pyarrow's record batches.

        Args:
            names: Names as :attr:`names` has them, none of a geometry.
            size: Rows at a time, at most.

        Raises:
            DataError: The file is broken.
        """
        with self._open() as file, reading(self.path, "table", HINT):
            stored = [self._stored[name] for name in names]
            for batch in file.iter_batches(columns=stored, batch_size=size):
                yield batch.select(stored)

    def _derive(self, values: list[Any], names: Sequence[str]) -> Mapping[str, Sequence[Cell]]:
        assert self._places is not None  # noqa: S101
        return self._places.cells(values, [name for name in names if name in self.derived])

    def _open(self) -> Any:
        import pyarrow.parquet as pq

        with reading(self.path, "table", HINT):
            return pq.ParquetFile(self.path)

    def _first_geometry(self) -> Any:
        with self._open() as file, reading(self.path, "table", HINT):
            for batch in file.iter_batches(columns=[self._geometry], batch_size=1024):
                for value in batch.column(0).to_pylist():
                    if value is not None:
                        return value
        return None

    def _find_places(self, about: bytes | None) -> tuple[Places | None, str]:
        if about is None:
            return None, ""
        try:
            geo = json.loads(about)
            name = str(geo["primary_column"])
            said = geo["columns"][name]
            # Without the key it is longitude and latitude; null is a system that nobody knows.
            crs = said.get("crs", LONGITUDE_FIRST)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"the 'geo' metadata of {self.path} are broken: {error}", "write it anew") from error
        return Places(self.path, crs), name
