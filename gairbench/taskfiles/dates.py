"""When images were taken, as days since 1970-01-01."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.arrays import open_array
from gairbench.files.tables import Column
from gairbench.taskfiles.declaration import DateArray

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_DAY = datetime.timedelta(days=1)

MIDDLE = 15
"""The day that stands for a month."""


def dates_of(column: Column) -> NDArray[np.float64]:
    """Return the dates of a column, written as ISO 8601 (``2018-06-30``, ``2018-06-30T10:15:00Z``).

    A time without a zone is of UTC; an empty cell is an unknown date.

    Returns:
        ``(n,)`` days since 1970-01-01, NaN where unknown.

    Raises:
        DataError: A cell is not a date.
    """
    days = np.full(len(column.values), np.nan)
    for row, word in enumerate(column.texts()):
        if not word:
            continue
        try:
            date = datetime.datetime.fromisoformat(word)
        except ValueError as error:
            raise DataError(f"{column.where(row)}: {word!r} is not a date", "write dates as 2018-06-30") from error
        days[row] = ((date if date.tzinfo else date.replace(tzinfo=datetime.UTC)) - _EPOCH) / _DAY
    return days


def dates_in_array(declared: DateArray, path: Path, samples: int, frames: int) -> NDArray[np.float64]:
    """Return the dates of an array.

    Args:
        declared: What it holds.
        path: The file.
        samples: Rows that it must have.
        frames: Frames of each; 1 for single images.

    Returns:
        ``(samples, frames)`` days since 1970-01-01.

    Raises:
        DataError: It has another shape, or holds something else.
    """
    array = open_array(path)
    wanted = [(samples, frames), (samples,)] if frames == 1 else [(samples, frames)]
    if array.shape not in wanted:
        raise DataError(f"{path} has shape {tuple(array.shape)}, wanted {wanted[0]}", "give a date for each frame")
    values = np.asarray(array).reshape(samples, frames)
    if declared.year is not None:
        return _months(values, declared, path)
    if values.dtype.kind == "M":
        days: NDArray[np.float64] = (values - np.datetime64(0, "D")) / np.timedelta64(1, "D")
        return days
    if values.dtype.kind not in "iuf":
        raise DataError(
            f"{path} holds {values.dtype}, neither dates nor days", "save dates as datetime64, or months with 'year'"
        )
    return values.astype(np.float64)


def _months(values: NDArray[Any], declared: DateArray, path: Path) -> NDArray[np.float64]:
    first = declared.first_month
    wrong = (values < first) | (values > first + 11) | (values != np.round(values))
    if values.dtype.kind not in "iuf" or wrong.any():
        shown = "" if values.dtype.kind not in "iuf" else f" such as {values[wrong][0]:g}"
        raise DataError(
            f"{path} holds values that are not months{shown} ({first} to {first + 11})", "correct 'first_month'"
        )
    months = values.astype(np.int64) - first
    # The months of a sample follow each other: a smaller one is of the next year.
    years = np.cumsum(np.diff(months, axis=1, prepend=months[:, :1]) < 0, axis=1)
    count = (int(declared.year or 0) - 1970 + years) * 12 + months
    starts = count.astype("datetime64[M]").astype("datetime64[D]").astype(np.float64)
    return np.asarray(starts + MIDDLE - 1)
