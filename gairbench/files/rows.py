"""The one reader of tables of images and places, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.badrows import LEAVE_OUT, BadRow, ProblemKind, RowReport
from gairbench.files.coordinates import no_box, out_of_range, range_hint
from gairbench.files.folders import NamedFiles
from gairbench.files.formats import TableFile, open_table
from gairbench.files.geometry import BBOX, PLACE
from gairbench.files.tables import FIX, Column, Fault, no_column, other_separator, repeated, stream_table
from gairbench.names import plain_name
from gairbench.selection import unknown

if TYPE_CHECKING:
    from gairbench.georeference import Box

ROLES = ("id", "rs", "sv", *PLACE, *BBOX)
"""What columns can mean, as ``--column NAME=COLUMN`` names it."""

_Note = Callable[[Column, Sequence[Fault]], None]

CHUNK = 16_384
"""Rows that are checked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that a table has, or those of them that are wanted; empty where there are none."""

    id: str = ""
    lonlat: tuple[str, ...] = ()
    rs: str = ""
    sv: str = ""
    bbox: tuple[str, ...] = ()

    def all(self) -> list[str]:
        """Return their names, each once."""
        return [*dict.fromkeys(filter(None, (self.id, *self.lonlat, self.rs, self.sv, *self.bbox)))]


def find_columns(file: TableFile, named: Mapping[str, str], required: Sequence[str] = ()) -> Columns:
    """Find out which columns of a table mean what.

    Args:
        file: The table.
        named: What its user calls them, by the names in :data:`ROLES`; the others have their usual names.
        required: Those that must be there.

    Raises:
        UsageError: There is no such meaning.
        DataError: The table lacks a column that is named or required, has it twice, or has a part of the coordinates
            or of the box.
    """
    for role in named:
        if role not in ROLES:
            raise unknown("--column", role, ROLES)
    if not named and (separator := other_separator(file.names)):
        raise DataError(f"the fields of {file.path} are separated by {separator!r}", "save it with commas")
    twice = repeated(file.names)

    def find(role: str) -> str:
        name = plain_name(named.get(role, role))
        if name in twice:
            raise DataError(
                f"the header of {file.path} has column {name!r} more than once", "rename or remove one of them"
            )
        if name in file.names:
            return name
        if role in named or role in required:
            unlike = no_column(str(file.path), name, file.names, [file.geometry_note])
            raise DataError(unlike.what, f"{unlike.hint}; say which one it is with --column {role}=COLUMN")
        return ""

    def find_all(roles: Sequence[str]) -> tuple[str, ...]:
        found = [find(role) for role in roles]
        if any(found) and not all(found):
            have = next(name for name in found if name)
            lack = ", ".join(repr(role) for role, name in zip(roles, found, strict=True) if not name)
            raise DataError(
                f"{file.path} has a column {have!r} and none for {lack}", "name them with --column, or add them"
            )
        return tuple(filter(None, found))

    return Columns(id=find("id"), lonlat=find_all(PLACE), rs=find("rs"), sv=find("sv"), bbox=find_all(BBOX))


@dataclass(slots=True)
class Rows:
    """Some rows of the table, checked but without their images.

    Args:
        lines: ``(n,)`` where each stands in the file.
        ids: Their identifiers.
        lonlat: ``(n, 2)`` degrees, if coordinates are read; NaN where a row need not have them.
        bbox: ``(n, 4)`` degrees (lon_min, lat_max, lon_max, lat_min), if boxes are read; NaN where a row has none.
        rs: Paths of the overhead images.
        sv: Paths of the photos.
        bad: The rows that cannot be used; they are not among the above.
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

    def box(self, row: int) -> Box | None:
        """Return the box that a row states, if any."""
        if self.bbox is None or np.isnan(self.bbox[row]).any():
            return None
        west, north, east, south = self.bbox[row].tolist()
        return west, north, east, south


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTable:
    """A table of images and places, of which only the columns that are wanted are read and checked.

    Args:
        file: The table.
        root: What the paths in it are relative to.
        columns: The columns that are wanted.
        skip: Leave bad rows out and count them, instead of stopping.
        place_optional: Coordinates are only passed on: rows without them are used too.
        follow_links: Accept links that leave ``root``.
        remedy: What is to be done about bad rows that are not left out.
    """

    file: TableFile
    root: Path
    columns: Columns
    skip: bool
    place_optional: bool = False
    follow_links: bool = False
    remedy: str = LEAVE_OUT

    @property
    def path(self) -> Path:
        """The table's file."""
        return self.file.path

    @property
    def row_word(self) -> str:
        """What its rows are called in messages."""
        return self.file.row_word

    def wanting(self, columns: Columns, *, place_optional: bool = False) -> InputTable:
        """Return the table with other columns wanted."""
        return replace(self, columns=columns, place_optional=place_optional)

    def report(self, rows: int) -> RowReport:
        """Return an empty report on the table.

        Args:
            rows: How many it has.
        """
        return RowReport(self.path, self.row_word, rows, remedy=self.remedy)

    def chunks(self, size: int, start: int = 0) -> Iterator[Rows]:
        """Yield its rows, ``size`` at a time, from row ``start`` on.

        Raises:
            DataError: The file is broken, or a value is missing, not a number or out of range (unless such rows are
                skipped).
        """
        for rows, _ in self._checked(size, start):
            if rows.bad and not self.skip:
                report = self.report(start + len(rows) + len(rows.bad))
                report.bad = rows.bad
                report.refuse()
            yield rows

    def count(self) -> int:
        """Return the number of rows, having checked the cells of all of them (unless bad ones are skipped).

        Raises:
            DataError: There are none, or bad ones that are not to be skipped.
        """
        bad: list[BadRow] = []
        n = 0
        for rows, size in self._checked(CHUNK, 0) if not self.skip else self._unchecked():
            n += size
            bad += rows.bad
        if not n:
            raise DataError(f"table {self.path} has no rows", "fill it or name another")
        report = self.report(n)
        report.bad = bad
        report.refuse()
        return n

    def _unchecked(self) -> Iterator[tuple[Rows, int]]:
        nothing = Rows(np.empty(0, dtype=np.int64), [])
        n = sum(1 for _ in self.file.rows([]))
        yield nothing, n

    def _checked(self, size: int, start: int) -> Iterator[tuple[Rows, int]]:
        """Yield checked rows, and how many there were with the bad ones."""
        names = self.columns.all() or self.file.names[:1]
        for columns in stream_table(self.file, names, size, start):
            found = dict(zip(names, columns, strict=True))
            yield self._rows(found, start), len(columns[0].lines)
            start += len(columns[0].lines)

    def _rows(self, found: Mapping[str, Column], start: int) -> Rows:
        """Check some rows; ``start`` rows come before them."""
        wanted = self.columns
        lines = next(iter(found.values())).lines
        n = len(lines)
        bad: dict[int, tuple[ProblemKind, str]] = {}

        def note(column: Column, faults: Sequence[Fault]) -> None:
            for fault in faults:
                where = "" if fault.whole_row else f"column {column.name!r}"
                what = f"{where}{fault.what}".strip()
                bad.setdefault(fault.row, (fault.kind, what if fault.hint == FIX else f"{what}; {fault.hint}"))

        ids: NDArray[np.object_] = np.array([str(start + i + 1) for i in range(n)], dtype=object)
        if wanted.id:
            ids, faults = found[wanted.id].found_words()
            note(found[wanted.id], faults)
        paths: dict[str, list[Path]] = {"rs": [], "sv": []}
        for role, name in (("rs", wanted.rs), ("sv", wanted.sv)):
            if name:
                words, faults = found[name].found_words()
                note(found[name], faults)
                paths[role] = self._paths(words, bad)
        lonlat = bbox = None
        if wanted.lonlat:
            lonlat = self._degrees([found[name] for name in wanted.lonlat], bad, note)
        if wanted.bbox:
            bbox = self._boxes([found[name] for name in wanted.bbox], bad, note)
        good = np.array([row not in bad for row in range(n)], dtype=bool)
        return Rows(
            lines[good],
            ids[good].tolist(),
            lonlat=None if lonlat is None else lonlat[good],
            bbox=None if bbox is None else bbox[good],
            rs=[path for path, kept in zip(paths["rs"], good, strict=False) if kept],
            sv=[path for path, kept in zip(paths["sv"], good, strict=False) if kept],
            bad=[BadRow(int(lines[row]), str(ids[row]), *bad[row]) for row in sorted(bad)],
        )

    def _paths(self, words: NDArray[np.object_], bad: dict[int, tuple[ProblemKind, str]]) -> list[Path]:
        files = NamedFiles(self.root, root=self.root, follow_links=self.follow_links)
        paths: list[Path] = []
        for row, word in enumerate(words):
            path = None
            if row not in bad:
                try:
                    path = files.find(word)
                    if path is None:
                        bad[row] = (ProblemKind.MISSING, f"no file {self.root / word}; correct the path or --root")
                except DataError as error:
                    bad[row] = (ProblemKind.MISSING, f"{word!r}: {error}")
            paths.append(path or self.root)
        return paths

    def _degrees(
        self, columns: Sequence[Column], bad: dict[int, tuple[ProblemKind, str]], note: _Note
    ) -> NDArray[np.float64]:
        numbers = [column.found_numbers() for column in columns]
        lonlat = np.stack([values for values, _ in numbers], axis=1)
        known = np.isfinite(lonlat).all(axis=1)
        wrong = np.zeros(len(lonlat), dtype=bool)
        wrong[known] = out_of_range(lonlat[known])
        if self.place_optional:
            lonlat[~known | wrong] = np.nan
            # A row that is broken as a whole cannot be used all the same.
            numbers = [(values, [fault for fault in faults if fault.whole_row]) for values, faults in numbers]
        for column, (_, faults) in zip(columns, numbers, strict=True):
            note(column, faults)
        if wrong.any() and not self.place_optional:
            for row in np.flatnonzero(wrong).tolist():
                lon, lat = lonlat[row]
                what = f"longitude {lon:g}, latitude {lat:g} is out of range; {range_hint(lon, lat)}"
                bad.setdefault(row, (ProblemKind.COORDINATES, what))
        return lonlat

    def _boxes(
        self, columns: Sequence[Column], bad: dict[int, tuple[ProblemKind, str]], note: _Note
    ) -> NDArray[np.float64]:
        numbers = [column.found_numbers(ProblemKind.BOX) for column in columns]
        # An image that has a place of its own needs no box: all four cells may be empty, but not some of them.
        empty = [{fault.row for fault in faults if fault.kind is ProblemKind.MISSING} for _, faults in numbers]
        without = set.intersection(*empty)
        for column, (_, faults) in zip(columns, numbers, strict=True):
            note(column, [fault for fault in faults if fault.row not in without])
        boxes = np.stack([values for values, _ in numbers], axis=1)
        known = np.isfinite(boxes).all(axis=1)
        wrong = known & (out_of_range(boxes[:, :2]) | out_of_range(boxes[:, 2:]) | no_box(boxes))
        for row in np.flatnonzero(wrong).tolist():
            west, north, east, south = boxes[row]
            what = (
                f"lon_min {west:g}, lat_max {north:g}, lon_max {east:g}, lat_min {south:g} is not a box"
                " (lon_min < lon_max, lat_min < lat_max, in degrees); correct it, or name its columns with --column"
            )
            bad.setdefault(row, (ProblemKind.BOX, what))
        return boxes


def open_rows(
    path: Path,
    named: Mapping[str, str],
    *,
    root: Path | None,
    skip: bool,
    follow_links: bool = False,
    required: Sequence[str] = (),
) -> InputTable:
    """Open a table of images and places, all of its columns wanted that have a meaning.

    Args:
        path: The table, of any format that :func:`gairbench.files.formats.open_table` knows.
        named: What its user calls the columns, by the names in :data:`ROLES`.
        root: What the paths in it are relative to; ``None``: its own folder.
        skip: Leave bad rows out and count them, instead of stopping.
        follow_links: Accept links that leave ``root``.
        required: Columns that must be there, by the names in :data:`ROLES`.

    Raises:
        UsageError: A name that is given has no meaning.
        DataError: The table is missing or broken, or lacks a column.
    """
    file = open_table(path)
    columns = find_columns(file, named, required)
    return InputTable(file=file, root=root or path.parent, columns=columns, skip=skip, follow_links=follow_links)
