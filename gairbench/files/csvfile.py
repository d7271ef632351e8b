"""CSV files: UTF-8, commas, one header line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from gairbench.errors import DataError
from gairbench.files.cells import Cell, Unusable
from gairbench.files.guard import reading
from gairbench.names import plain_name

MAX_FIELD = 1 << 27
"""Characters of one field at most. A coastline as WKT has some 100,000; a quotation mark that is never closed has the
whole file."""

HINT = "save it as CSV with UTF-8 text, commas between fields and one header line"


class CsvFile:
    """A CSV file, read line by line.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read, or is of another encoding.
    """

    row_word = "line"
    geometry_note = ""
    derived: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: list[str] = next(self._lines(), (1, []))[1]

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield each row's line and the cells of some columns; blank lines are passed over.

        Raises:
            DataError: The file is broken.
        """
        places = [self.names.index(name) for name in names]
        lines = self._lines()
        next(lines)
        for line, row in lines:
            if len(row) != len(self.names):
                reason = (
                    f"has {len(row)} fields and the header {len(self.names)}; quote fields that hold commas, and give"
                    " every line as many fields"
                )
                yield line, [Unusable(reason, whole_row=True)] * len(names)
            else:
                yield line, [row[place] for place in places]

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield each line's number and fields, the header's first."""
        # One limit for the whole process: nothing else here reads CSV files.
        csv.field_size_limit(MAX_FIELD)
        number = 0

        def text(file: Iterator[str]) -> Iterator[str]:
            nonlocal number
            for line in file:
                number += 1
                if "\0" in line:
                    raise DataError(
                        f"table {self.path}, line {number} holds NUL characters, which text has not",
                        "it may be UTF-16 or damaged; " + HINT,
                    )
                yield line

        try:
            # Spreadsheets put a byte-order mark before the first name.
            with (
                reading(self.path, "table", f"{HINT}; look at line {number + 1}"),
                self.path.open(newline="", encoding="utf-8-sig") as file,
            ):
                reader = csv.reader(text(file), strict=True)
                yield 1, [plain_name(name) for name in next(reader, [])]
                start = reader.line_num + 1
                for row in reader:
                    if row:
                        yield start, row
                    start = reader.line_num + 1
        except DataError as error:
            if isinstance(error.__cause__, UnicodeDecodeError):
                raise self._encoding() from error
            if isinstance(error.__cause__, csv.Error):
                raise DataError(
                    f"cannot read table {self.path}, line {number}: {error.__cause__}",
                    "close every quotation mark, double those inside quoted fields, and " + HINT,
                ) from error
            raise

    def _encoding(self) -> DataError:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    return DataError(
                        f"table {self.path}, line {number} is not UTF-8 text (byte 0x{line[error.start]:02x})",
                        "save it as UTF-8; files of older programs are often Latin-1 or Windows-1252",
                    )
        return DataError(f"table {self.path} is not UTF-8 text", HINT)
