"""Read tables that people bring, and refuse what is missing or not a number by row and column."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gairbench.errors import DataError


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Raises:
        DataError: It is missing, empty or broken.
    """
    if not path.is_file():
        raise DataError(f"no table {path}", "correct the path or --data-root")
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, low_memory=False)
    except ImportError as error:
        raise DataError(f"cannot read {path}: {str(error).splitlines()[0]}", "pip install pyarrow") from error
    except (ValueError, OSError) as error:
        raise DataError(f"cannot read table {path}: {error}", "check that it is a CSV or Parquet table") from error


def column(table: pd.DataFrame, name: str, path: Path) -> pd.Series[Any]:
    """Return a column.

    Args:
        table: The table.
        name: The column's name.
        path: The file, for the message.

    Raises:
        DataError: The table has no such column; near names and all columns are told.
    """
    if name in table.columns:
        return table[name]
    names = [str(c) for c in table.columns]
    near = difflib.get_close_matches(name, names, n=1)
    mend = f"did you mean {near[0]!r}?" if near else f"its columns are {', '.join(names[:20])}"
    raise DataError(f"{path} has no column {name!r}", mend)


def numbers(values: pd.Series[Any], name: str, path: Path) -> NDArray[np.float64]:
    """Return a column as finite numbers.

    Raises:
        DataError: A value is empty or no number; row (the table's line, the header being 1) and column are told.
    """
    parsed = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(parsed))
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{path}, line {line_of(values, row)}, column {name!r}: {str(values.iloc[row])!r} is not a number"
            f" ({len(bad)} such rows)",
            "mend or remove these rows",
        )
    return parsed


def filled(values: pd.Series[Any], name: str, path: Path) -> pd.Series[Any]:
    """Return a column without empty values.

    Raises:
        DataError: A value is empty; row and column are told.
    """
    bad = np.flatnonzero(values.isna().to_numpy())
    if len(bad):
        row = int(bad[0])
        raise DataError(
            f"{path}, line {line_of(values, row)}, column {name!r} is empty ({len(bad)} such rows)",
            "mend or remove these rows",
        )
    return values


def line_of(values: pd.Series[Any], row: int) -> int:
    """Return the line of the file that a row came from; rows keep their index when others are left out."""
    return int(values.index[row]) + 2


def coordinates(table: pd.DataFrame, lon: str, lat: str, path: Path) -> NDArray[np.float64]:
    """Return longitude and latitude in degrees, ``(n, 2)``.

    Raises:
        DataError: A value is empty or out of range; if the two look swapped, that is said.
    """
    x, y = (numbers(column(table, name, path), name, path) for name in (lon, lat))
    return check_coordinates(np.stack([x, y], axis=1), lambda row: f"{path}, line {line_of(table[lat], row)}")


def check_coordinates(lonlat: NDArray[np.float64], where: Any) -> NDArray[np.float64]:
    """Return coordinates that are in range.

    Args:
        lonlat: ``(n, 2)``.
        where: ``where(row)`` says where a row stands.

    Raises:
        DataError: One is out of range.
    """
    bad = np.flatnonzero((np.abs(lonlat[:, 0]) > 180) | (np.abs(lonlat[:, 1]) > 90))
    if len(bad):
        row = int(bad[0])
        lon, lat = lonlat[row]
        swapped = np.abs(lonlat[:, 0]).max() <= 90 < np.abs(lonlat[:, 1]).max() <= 180
        raise DataError(
            f"{where(row)}: longitude {lon:g}, latitude {lat:g} is out of range ({len(bad)} such rows)",
            "longitude and latitude look swapped; exchange them" if swapped else "give degrees in EPSG:4326",
        )
    return lonlat
