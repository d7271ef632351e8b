"""A table of images and places, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.tables import Column, check_coordinates, no_column, stream_table, table_columns

BBOX = ("lon_min", "lat_max", "lon_max", "lat_min")
"""Columns of an overhead image's box, in the order that models take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The columns that a user names; ``None``: the column of the usual name, if there is one."""

    id: str | None = None
    lon: str | None = None
    lat: str | None = None
    rs: str | None = None
    sv: str | None = None
    bbox: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that a table has; empty where it lacks them."""

    id: str = ""
    lonlat: tuple[str, ...] = ()
    rs: str = ""
    sv: str = ""
    bbox: tuple[str, ...] = ()

    def all(self) -> list[str]:
        """Return their names, each once."""
        return [*dict.fromkeys(filter(None, (self.id, *self.lonlat, self.rs, self.sv, *self.bbox)))]


def find_columns(path: Path, names: Names) -> Columns:
    """Find out which columns of a table mean what.

    Args:
        path: The table.
        names: What its user calls them.

    Raises:
        DataError: The table is missing or broken, lacks a column that was named, or has a part of the coordinates.
    """
    present = table_columns(path)

    def find(what: str, given: str | None) -> str:
        if given is not None and given not in present:
            raise no_column(str(path), given, present)
        return given or (what if what in present else "")

    def find_all(what: Sequence[str], given: Sequence[str | None]) -> tuple[str, ...]:
        found = [find(name, said) for name, said in zip(what, given, strict=True)]
        if any(found) and not all(found):
            have, lack = found[[bool(f) for f in found].index(True)], what[found.index("")]
            raise DataError(f"{path} has a column {have!r} and none for {lack!r}", "name or add the others too")
        return tuple(filter(None, found))

    return Columns(
        id=find("id", names.id),
        lonlat=find_all(("lon", "lat"), (names.lon, names.lat)),
        rs=find("rs", names.rs),
        sv=find("sv", names.sv),
        bbox=find_all(BBOX, names.bbox or (None,) * 4),
    )


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be embedded.

    Args:
        where: Line of a CSV file, row of a Parquet file.
        id: Its identifier.
        reason: What is wrong with it.
    """

    where: int
    id: str
    reason: str


@dataclass(slots=True)
class Rows:
    """Some rows of the table, checked but without their images.

    Args:
        lines: ``(n,)`` where each stands in the file.
        ids: Their identifiers.
        lonlat: ``(n, 2)`` degrees, if the table has coordinates.
        bbox: ``(n, 4)`` degrees, if the table has boxes.
        rs: Paths of the overhead images.
        sv: Paths of the photos.
        bad: The rows that were left out.
    """

    lines: NDArray[np.int64]
    ids: list[str]
    lonlat: NDArray[np.float64] | None = None
    bbox: NDArray[np.float64] | None = None
    rs: list[Path] = field(default_factory=list)
    sv: list[Path] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTable:
    """The table.

    Args:
        path: CSV or Parquet.
        root: What the paths in it are relative to.
        columns: Its columns.
        skip: Leave bad rows out and say so, instead of stopping at the first.
    """

    path: Path
    root: Path
    columns: Columns
    skip: bool

    def chunks(self, size: int, start: int = 0) -> Iterator[Rows]:
        """Yield its rows, ``size`` at a time, from row ``start`` on.

        Raises:
            DataError: The file is broken, or a value is missing, no number or out of range (unless such are skipped).
        """
        names = self.columns.all()
        for columns in stream_table(self.path, names, size, start):
            found = dict(zip(names, columns, strict=True))
            yield joined(self._good_rows(found, start)) if self.skip else self._rows(found, start)
            start += len(columns[0].lines)

    def count(self) -> int:
        """Return the number of rows, having checked all of them but their images (unless bad ones are skipped).

        Raises:
            DataError: As for :meth:`chunks`, or there are no rows.
        """
        size = 16_384
        if self.skip:
            n = sum(len(columns[0].lines) for columns in stream_table(self.path, self.columns.all(), size))
        else:
            n = sum(len(rows) for rows in self.chunks(size))
        if not n:
            raise DataError(f"table {self.path} has no rows", "fill it or name another")
        return n

    def _rows(self, found: Mapping[str, Column], start: int) -> Rows:
        """Check some rows together; ``start`` rows come before them."""
        wanted = self.columns
        first = next(iter(found.values()))
        rows = Rows(first.lines, [str(start + i + 1) for i in range(len(first.lines))])
        if wanted.id:
            rows.ids = found[wanted.id].words().tolist()
        if wanted.lonlat:
            rows.lonlat = np.stack([found[name].numbers() for name in wanted.lonlat], axis=1)
            check_coordinates(rows.lonlat, found[wanted.lonlat[1]].where)
        if wanted.bbox:
            rows.bbox = np.stack([found[name].numbers() for name in wanted.bbox], axis=1)
            _check_boxes(rows.bbox, found[wanted.bbox[0]].where)
        if wanted.rs:
            rows.rs = [self.root / word for word in found[wanted.rs].words()]
        if wanted.sv:
            rows.sv = [self.root / word for word in found[wanted.sv].words()]
        return rows

    def _good_rows(self, found: Mapping[str, Column], start: int) -> list[Rows]:
        """Check some rows, halving them where one is bad until it is alone."""
        try:
            return [self._rows(found, start)]
        except DataError as error:
            first = next(iter(found.values()))
            n = len(first.lines)
            if n == 1:
                name = str(found[self.columns.id].values[0]) if self.columns.id else str(start + 1)
                return [Rows(first.lines[:0], [], bad=[BadRow(int(first.lines[0]), name, str(error))])]
            halves = [
                {name: Column(c.name, c.values[part], c.path, c.lines[part]) for name, c in found.items()}
                for part in (slice(n // 2), slice(n // 2, n))
            ]
            return self._good_rows(halves[0], start) + self._good_rows(halves[1], start + n // 2)


def joined(pieces: Sequence[Rows]) -> Rows:
    """Put pieces of one table together, in order."""
    lonlat = [rows.lonlat for rows in pieces if rows.lonlat is not None]
    bbox = [rows.bbox for rows in pieces if rows.bbox is not None]
    return Rows(
        np.concatenate([rows.lines for rows in pieces]),
        [name for rows in pieces for name in rows.ids],
        lonlat=np.concatenate(lonlat) if lonlat else None,
        bbox=np.concatenate(bbox) if bbox else None,
        rs=[path for rows in pieces for path in rows.rs],
        sv=[path for rows in pieces for path in rows.sv],
        bad=[row for rows in pieces for row in rows.bad],
    )


def _check_boxes(boxes: NDArray[np.float64], where: Callable[[int], str]) -> None:
    check_coordinates(boxes[:, :2], where)
    check_coordinates(boxes[:, 2:], where)
    bad = np.flatnonzero((boxes[:, 0] >= boxes[:, 2]) | (boxes[:, 3] >= boxes[:, 1]))
    if len(bad):
        row = int(bad[0])
        box = ", ".join(f"{value:g}" for value in boxes[row])
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        raise DataError(
            f"{where(row)}: box {box} has no area or is turned around{more}",
            "its columns are lon_min, lat_max, lon_max, lat_min",
        )
