"""What is wrong with the rows of a manifest, counted, with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from gairbench.errors import DataError

SHOWN = 3
"""Examples of each kind."""


class Kind(StrEnum):
    """What can be wrong with a triplet."""

    MISSING = "missing member"
    BROKEN = "broken file"
    COORDINATES = "coordinates out of range"
    BOX = "bad bounding box"
    OUTSIDE = "photo outside its tile"
    DUPLICATE = "duplicate"
    BANDS = "other bands"
    UNNAMED = "bands without names"
    UNIT = "data type that does not fit the unit"
    PLACE = "image that cannot be placed"
    HOLE = "missing data around the photo"


class TripletError(DataError):
    """A triplet that cannot be used.

    Args:
        what: What is wrong and where, one line.
        hint: What to do about it, one line.
        kind: What it is counted as.
    """

    def __init__(self, what: str, hint: str, kind: Kind = Kind.BROKEN) -> None:
        super().__init__(what, hint)
        self.kind = kind


@contextmanager
def counted_as(kind: Kind) -> Iterator[None]:
    """Give the errors of a block a kind; those that have one keep it.

    Raises:
        TripletError: In place of any other ``DataError``.
    """
    try:
        yield
    except TripletError:
        raise
    except DataError as error:
        raise TripletError(error.what, error.hint, kind) from error


@dataclass(frozen=True, slots=True)
class Problem:
    """One triplet that cannot be used.

    Args:
        kind: What is wrong.
        what: Where and what, and how to fix it, one line.
    """

    kind: Kind
    what: str


@dataclass(slots=True)
class TripletReport:
    """All problems of a manifest.

    Args:
        rows: Rows in the manifest.
        problems: One for every row that is left out.
    """

    rows: int
    problems: list[Problem] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Rows left out."""
        return len(self.problems)

    def counts(self) -> dict[str, int]:
        """Return rows left out by kind of problem."""
        counts = Counter(str(problem.kind) for problem in self.problems)
        return {str(kind): counts[str(kind)] for kind in Kind if counts[str(kind)]}

    def summary(self) -> str:
        """Return one line."""
        told = ", ".join(f"{count} x {kind}" for kind, count in self.counts().items())
        return f"{self.total} of {self.rows} triplets cannot be used ({told})"

    def render(self) -> str:
        """Return the counts and the first examples of each kind, several lines."""
        lines = [self.summary()]
        for kind in self.counts():
            found = [problem.what for problem in self.problems if str(problem.kind) == kind]
            lines += [f"  {kind}: {what}" for what in found[:SHOWN]]
            if len(found) > SHOWN:
                lines.append(f"  {kind}: and {len(found) - SHOWN} more")
        return "\n".join(lines)
