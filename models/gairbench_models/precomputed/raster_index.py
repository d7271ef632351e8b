"""Which rasters an index lists: a STAC item collection, or a table of any format with a column of paths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gairbench.errors import DataError
from gairbench.files.folders import NamedFiles
from gairbench.files.formats import open_table
from gairbench.files.guard import reading
from gairbench.files.tables import stream_table
from gairbench.selection import unknown

COLUMNS = ("path", "location", "file", "href")
"""Usual names of a column of paths; ``location`` is that of gdaltindex."""

_LARGEST_STAC = 256 << 20
"""Bytes of an item collection at most: it is held as a whole."""

_ROWS = 16_384


def indexed_rasters(index: Path, *, column: str, asset: str) -> list[Path]:
    """Return the rasters that an index lists, in its order.

    Args:
        index: Its file; paths in it are relative to its folder.
        column: The column of paths in a table; empty: one of the usual names.
        asset: The asset of each item in a STAC item collection; empty: its only GeoTIFF.

    Raises:
        UsageError: There is no such column or asset.
        DataError: The index is broken or empty, or lists what is not a file in or below its folder.
    """
    collection = _stac(index)
    names = [*(_paths(index, column) if collection is None else _hrefs(index, collection, asset))]
    if not names:
        raise DataError(f"{index} lists no rasters", "fill it or name another")
    files = NamedFiles(index.parent, root=index.parent)
    found = []
    for name in names:
        if "://" in name:
            raise DataError(f"{index} lists {name}, which is not on this machine", "fetch it, and list its path")
        path = files.find(name)
        if path is None:
            raise DataError(f"{index} lists {name!r}, and there is no such file", "correct the index or fetch the file")
        found.append(path)
    return found


def _stac(index: Path) -> Sequence[Any] | None:
    """Return the items of a STAC item collection; ``None`` where the file is something else."""
    with reading(index, "index", "write it anew"), index.open("rb") as file:
        if not file.read(1024).lstrip().startswith(b"{"):
            return None
        if index.stat().st_size > _LARGEST_STAC:
            raise DataError(f"{index} is larger than {_LARGEST_STAC >> 20} MB", "make a table of paths of it")
        file.seek(0)
        items = json.load(file).get("features")
        found = isinstance(items, list) and any("assets" in item for item in items)
        return items if found else None


def _hrefs(index: Path, items: Sequence[Any], asset: str) -> Iterator[str]:
    for number, item in enumerate(items, 1):
        with reading(index, "index", f"correct item {number}"):
            assets = {str(name): dict(about) for name, about in item["assets"].items()}
            hrefs = {name: str(about["href"]) for name, about in assets.items()}
        tiffs = [name for name, about in assets.items() if str(about.get("type", "")).startswith("image/tiff")]
        tiffs = tiffs or [name for name, href in hrefs.items() if href.lower().endswith((".tif", ".tiff"))]
        if asset and asset not in hrefs:
            raise unknown("asset", asset, hrefs, of=f"of item {number} in {index}")
        if not asset and len(tiffs) != 1:
            raise DataError(
                f"item {number} in {index} has {len(tiffs)} GeoTIFFs among its assets {', '.join(hrefs)}",
                "name one with :asset=NAME",
            )
        yield hrefs[asset or tiffs[0]]


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
