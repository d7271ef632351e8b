"""What stands in one cell of a table: a word, a list of words, or something that cannot be used and why."""

from __future__ import annotations

import datetime
import decimal
import numbers
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gairbench.files.badrows import ProblemKind

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""What counts as a number; neither ``1_000`` nor ``inf``, which Python would take."""

DECIMAL_COMMA = re.compile(r"[+-]?[0-9][0-9.']*,[0-9]+")


@dataclass(frozen=True, slots=True)
class ListCell:
    """A list, as Parquet can hold it.

    Args:
        words: Its items.
    """

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """A cell without a value that could be used.

    Args:
        reason: What is wrong with it; it follows the name of its column.
        kind: What it is counted as.
        whole_row: The fault is that of its whole row, and not of one column.
    """

    reason: str
    kind: ProblemKind = ProblemKind.ROW
    whole_row: bool = False


Cell = str | ListCell | Unusable


_PLAIN = (bool, numbers.Real, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)


def cell(value: object) -> Cell:
    """Return a typed value, of Parquet for instance, as the word that a CSV file would hold."""
    # The usual types first: tables have millions of cells.
    kind = type(value)
    if kind is str:
        return value  # type: ignore[return-value]
    if value is None:
        return ""
    # NaN and NaT are the only values that differ from themselves.
    if kind is float or kind is int or isinstance(value, _PLAIN):
        return str(value) if value == value else ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return Unusable("holds binary data")
    if isinstance(value, Sequence):
        items = [cell(item) for item in value]
        if any(not isinstance(item, str) for item in items):
            return Unusable("holds lists of something else than words or numbers")
        return ListCell(tuple(str(item) for item in items))
    return Unusable(f"holds values of type {type(value).__name__}, neither words nor numbers")
