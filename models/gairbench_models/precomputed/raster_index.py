"""Which rasters an index lists: STAC, or a table of any format with a column of paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gairbench.errors import DataError, UsageError
from gairbench.files.folders import NamedFiles
from gairbench.files.formats import open_table
from gairbench.files.tables import stream_table
from gairbench.selection import unknown
from gairbench_models.precomputed.stac import is_stac, stac_hrefs

COLUMNS = ("path", "location", "file", "href")
"""Usual names of a column of paths; ``location`` is that of gdaltindex."""

_ROWS = 16_384


def indexed_rasters(index: Path, *, column: str, asset: str) -> list[Path]:
    """Return the rasters that an index lists, in its order.

    Args:
        index: Its file; paths in it are relative to its folder.
        column: The column of paths in a table; empty: one of the usual names.
        asset: The asset of each item of a STAC index; empty: its only GeoTIFF.

    Raises:
        UsageError: There is no such column or asset.
        DataError: The index is broken or empty, or lists what is not a file in or below its folder.
    """
    stac = not column and is_stac(index)
    if asset and not stac:
        raise UsageError(f"asset={asset} is of a STAC index, and {index} is not one", "remove it")
    names = [*(stac_hrefs(index, asset) if stac else _paths(index, column))]
    if not names:
        raise DataError(f"{index} lists no rasters", "fill it or name another")
    files = NamedFiles(index.parent, root=index.parent)
    found = []
    for name in names:
        if "://" in name:
            raise DataError(
                f"{index} lists {name}, which is an address and not a path relative to the index",
                "fetch the file, and list its path",
            )
        path = files.find(name)
        if path is None:
            raise DataError(f"{index} lists {name!r}, and there is no such file", "correct the index or fetch the file")
        found.append(path)
    return found


def _paths(index: Path, column: str) -> Iterator[str]:
    file = open_table(index)
    usual = [name for name in file.names if name.casefold() in COLUMNS]
    if column and file.names.count(column) != 1:
        raise unknown("column", column, file.names, of=f"in {index}, or more than once")
    if not column and len(usual) != 1:
        raise DataError(
            f"{index} is not a raster, and as an index it has {len(usual)} columns of the names {', '.join(COLUMNS)};"
            f" its columns are {', '.join(file.names[:20])}",
            "name the column of paths with :column=COLUMN, or a GeoTIFF",
        )
    for (paths,) in stream_table(file, [column or usual[0]], _ROWS):
        yield from map(str, paths.words())
