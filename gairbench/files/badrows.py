"""What is wrong with the rows of a table, counted, with examples: one report for every command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gairbench.errors import DataError

SHOWN = 3
"""Examples of each kind."""

LEAVE_OUT = "fix these rows, or leave them out with --on-error skip"
"""What to do about bad rows of a table that a command works on."""

CORRECT = "fix these rows, or remove them from the table"
"""What to do about them where a whole table is one thing, as the embeddings of a model."""


class ProblemKind(StrEnum):
    """What can be wrong with a row."""

    ROW = "broken row"
    MISSING = "missing value or file"
    BROKEN = "broken file"
    COORDINATES = "bad coordinates"
    BOX = "bad bounding box"
    OUTSIDE = "point outside its image"
    DUPLICATE = "duplicate"
    BANDS = "other bands"
    UNNAMED = "bands without names"
    UNIT = "data type that does not fit the unit"
    PLACE = "image that cannot be placed"
    HOLE = "missing data around the point"
    EMBEDDING = "embedding that is not finite"


class RowError(DataError):
    """A row that cannot be used.

    Args:
        what: What is wrong and where, one line.
        hint: What to do about it, one line.
        kind: What it is counted as.
    """

    def __init__(self, what: str, hint: str, kind: ProblemKind = ProblemKind.BROKEN) -> None:
        super().__init__(what, hint)
        self.kind = kind


@contextmanager
def counted_as(kind: ProblemKind) -> Iterator[None]:
    """Give the errors of a block a kind; those that have one keep it.

    Raises:
        RowError: In place of any other ``DataError``.
    """
    try:
        yield
    except RowError:
        raise
    except DataError as error:
        raise RowError(error.what, error.hint, kind) from error


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used.

    Args:
        where: Line of a CSV file, row of any other.
        id: Its identifier.
        kind: What is wrong.
        reason: What exactly, and how to fix it, one line.
    """

    where: int
    id: str
    kind: ProblemKind
    reason: str


@dataclass(slots=True)
class RowReport:
    """All rows of a table that cannot be used.

    Args:
        path: The table.
        row_word: What its rows are called: ``"line"`` or ``"row"``.
        rows: How many it has.
        bad: Those that are left out, in any order.
        remedy: What to do about them.
    """

    path: Path
    row_word: str
    rows: int
    bad: list[BadRow] = field(default_factory=list)
    remedy: str = LEAVE_OUT

    @property
    def total(self) -> int:
        """Rows left out."""
        return len(self.bad)

    def counts(self) -> dict[str, int]:
        """Return rows left out by kind of problem."""
        counts = Counter(row.kind for row in self.bad)
        return {str(kind): counts[kind] for kind in ProblemKind if counts[kind]}

    def summary(self) -> str:
        """Return one line."""
        counted = ", ".join(f"{count} x {kind}" for kind, count in self.counts().items())
        return f"{self.total} of {self.rows} rows cannot be used ({counted})"

    def example(self, row: BadRow) -> str:
        """Return where a row stands and what is wrong with it, one line."""
        return f"{self.row_word} {row.where}: {row.reason}"

    def first(self) -> str:
        """Return the first bad row, one line."""
        return self.example(min(self.bad, key=lambda row: row.where))

    def render(self) -> str:
        """Return the counts and the first examples of each kind, several lines."""
        lines = [f"{self.path}: {self.summary()}"]
        for kind in self.counts():
            found = sorted((row for row in self.bad if row.kind == kind), key=lambda row: row.where)
            lines += [f"  {kind}: {self.example(row)}" for row in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"  {kind}: and {len(found) - SHOWN} more")
        return "\n".join(lines)

    def refuse(self) -> None:
        """Stop if any row is bad.

        Raises:
            DataError: One is; the counts and the first are named.
        """
        if self.bad:
            raise DataError(
                f"{self.path}: {self.summary()}; the first: {self.first()}",
                self.remedy,
            )
