"""Which rasters a STAC index lists: an item, an item collection, a static catalog, or STAC GeoParquet.

The layouts are those of STAC 1.0 and 1.1 (github.com/radiantearth/stac-spec) and stac-geoparquet 1.0.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gairbench.errors import DataError
from gairbench.files.folders import NamedFiles
from gairbench.files.formats import open_table
from gairbench.files.guard import reading
from gairbench.files.parquetfile import ParquetFile
from gairbench.selection import unknown

_LARGEST = 256 << 20
"""Bytes of all JSON files of an index at most: each is held as a whole."""

_ROWS = 4_096
_HINT = "write the index anew"
_ASSETS = "assets"


def is_stac(index: Path) -> bool:
    """Return whether a file is a STAC index: JSON, or Parquet with a column of assets.

    Raises:
        DataError: It cannot be read, or is too large.
    """
    with reading(index, "index", _HINT), index.open("rb") as file:
        start = file.read(1024).lstrip()
    if start.startswith(b"{"):
        found = _json(index, _LARGEST)
        return bool(_items_in(found)) or _is_catalog(found)
    if not start.startswith(b"PAR1"):
        return False
    import pyarrow as pa

    schema = ParquetFile(index).schema()
    return _ASSETS in schema.names and pa.types.is_struct(schema.field(_ASSETS).type)


def stac_hrefs(index: Path, asset: str) -> Iterator[str]:
    """Yield the paths of rasters relative to the index's folder, in its order; addresses as they stand there.

    Args:
        index: For which :func:`is_stac` holds.
        asset: The asset of each item; empty: its only GeoTIFF.

    Raises:
        UsageError: An item has no such asset.
        DataError: The index is broken or too large, or an item has not one GeoTIFF.
    """
    for number, (where, assets) in enumerate(_assets(index), 1):
        with reading(index, "index", f"correct item {number}"):
            # In Parquet, items have each other's assets, empty.
            stated = {str(name): dict(about) for name, about in dict(assets).items() if about is not None}
            hrefs = {name: str(about["href"]) for name, about in stated.items()}
        tiffs = [name for name, about in stated.items() if str(about.get("type") or "").startswith("image/tiff")]
        tiffs = tiffs or [name for name, href in hrefs.items() if href.lower().endswith((".tif", ".tiff"))]
        if asset and asset not in hrefs:
            raise unknown("asset", asset, hrefs, of=f"of item {number} in {index}")
        if not asset and len(tiffs) != 1:
            raise DataError(
                f"item {number} in {index} has {len(tiffs)} GeoTIFFs among its assets {', '.join(hrefs)}",
                "name one with :asset=NAME",
            )
        yield _relative_to(where, hrefs[asset or tiffs[0]])


def _assets(index: Path) -> Iterator[tuple[PurePosixPath, Mapping[str, Any]]]:
    """Yield the assets of each item, and the folder that they are relative to, by the index's own."""
    here = PurePosixPath()
    if isinstance(table := open_table(index) if _is_parquet(index) else None, ParquetFile):
        for batch in table.batches([_ASSETS], _ROWS):
            yield from ((here, assets) for assets in batch.column(0).to_pylist())
        return
    files = NamedFiles(index.parent, root=index.parent)
    waiting, seen, left = [index.name], {index.name}, _LARGEST
    while waiting:
        name = waiting.pop()
        path = files.find(name)
        if path is None:
            raise DataError(f"{index} lists {name!r}, and there is no such file", "correct the index or fetch the file")
        left -= path.stat().st_size
        found = _json(path, left)
        folder = PurePosixPath(name).parent
        yield from ((folder, item[_ASSETS]) for item in _items_in(found))
        if _is_catalog(found):
            with reading(path, "catalog", _HINT):
                links = [str(link["href"]) for link in found["links"] if link["rel"] in {"item", "child"}]
            for href in links:
                if "://" in href:
                    raise DataError(f"{path} lists {href}, which is an address", "list its path, relative to the file")
            listed = [name for name in (_relative_to(folder, href) for href in links) if name not in seen]
            seen |= set(listed)
            waiting += reversed(listed)


def _is_parquet(path: Path) -> bool:
    with reading(path, "index", _HINT), path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _json(path: Path, largest: int) -> Mapping[str, Any]:
    with reading(path, "index", _HINT):
        if path.stat().st_size > max(largest, 0):
            raise DataError(f"{path} makes the index larger than {_LARGEST >> 20} MB", "make a table of paths of it")
        found = json.loads(path.read_bytes())
        return found if isinstance(found, dict) else {}


def _items_in(found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items of a collection, or the one that a file is."""
    features = found.get("features")
    items = features if isinstance(features, list) else [found] if found.get("type") == "Feature" else []
    return items if any(isinstance(item, dict) and _ASSETS in item for item in items) else []


def _is_catalog(found: Mapping[str, Any]) -> bool:
    return found.get("type") in {"Catalog", "Collection"} and isinstance(found.get("links"), list)


def _relative_to(folder: PurePosixPath, href: str) -> str:
    # One way to write each path: catalogs link to those above them.
    return href if "://" in href else posixpath.normpath(folder / href)
