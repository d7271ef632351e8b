"""Read the tables that these datasets are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pandas import DataFrame


def read_words(path: Path, separator: str = ",") -> DataFrame:
    """Return a table with its cells as they stand in the file.

    Raises:
        OSError: It cannot be read; the message names it.
        ValueError: Rows have more cells than the header names.
    """
    try:
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        # pandas' errors of parsing are ValueErrors, and name no file.
        raise OSError(f"{path} cannot be read: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):
        # pandas would take the first cells for names of rows, and each column for its neighbour.
        raise ValueError(f"{path} has more cells in a row than columns")
    return table


def read_columns(
    path: Path, *, numbers: Sequence[str] = (), texts: Sequence[str] = (), separator: str = ","
) -> DataFrame:
    """Return some columns of a table, with its rows in their order.

    Args:
        path: The table.
        numbers: Columns of numbers; an empty cell is NaN.
        texts: Columns of words; an empty cell is an empty word.
        separator: Of the columns.

    Raises:
        OSError: It cannot be read; the message names it.
        ValueError: A column is missing, or holds something else.
    """
    table = read_words(path, separator)
    if missing := [name for name in (*numbers, *texts) if name not in table]:
        raise ValueError(f"{path} has no column {missing[0]!r}; its columns are {', '.join(map(str, table.columns))}")
    table = table[[*numbers, *texts]].copy()
    for name in numbers:
        filled = table[name].str.strip()
        values = pd.to_numeric(filled, errors="coerce")
        wrong = values.isna() & ~filled.str.lower().isin(("", "na", "nan"))
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise ValueError(f"{path}, row {row + 1}: {name} is {filled[row]!r}, not a number")
        table[name] = values
    return table
