"""GeoParquet 1.1 of embeddings: parts that are whole or absent, and one file made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray

from gairbench.errors import StorageError
from gairbench.storage import atomic_file, unwritable

PROVENANCE = b"gairbench"
"""Key of the provenance in the file's metadata."""

_BBOX = b"bbox"


def write_part(
    path: Path,
    ids: Sequence[str],
    lonlat: NDArray[np.float64] | None,
    embeddings: Mapping[str, NDArray[np.float32]],
    about: Mapping[str, Any],
) -> None:
    """Write some rows, all of them or none.

    Args:
        path: Target.
        ids: Identifiers.
        lonlat: ``(n, 2)`` degrees, NaN for a geometry that is null; ``None``: the geometry of every row is null.
        embeddings: ``(n, ...)`` by column name; further axes are flattened, row by row.
        about: Whatever :func:`part_about` shall return, as JSON.

    Raises:
        StorageError: The folder cannot be written, or the disk is full.
    """
    if lonlat is None:
        geometry = pa.nulls(len(ids), pa.binary())
    else:
        placed = np.isfinite(lonlat).all(axis=1)
        points = np.where(placed, shapely.points(lonlat), None)
        geometry = pa.array(shapely.to_wkb(points), pa.binary())
    columns: dict[str, pa.Array] = {"id": pa.array(ids, pa.string()), "geometry": geometry}
    for name, values in embeddings.items():
        flat = np.ascontiguousarray(values).reshape(len(ids), -1)
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel(), pa.float32()), flat.shape[1])
    known = np.empty((0, 2)) if lonlat is None else lonlat[np.isfinite(lonlat).all(axis=1)]
    bbox = [*known.min(axis=0).tolist(), *known.max(axis=0).tolist()] if len(known) else []
    table = pa.table(columns).replace_schema_metadata({PROVENANCE: json.dumps(about), _BBOX: json.dumps(bbox)})
    with atomic_file(path) as file:
        pq.write_table(table, file, row_group_size=max(1, len(ids)), use_dictionary=False)


def part_about(path: Path) -> dict[str, Any]:
    """Return what was said about a part or a whole file.

    Raises:
        StorageError: It cannot be read, or gairbench did not write it.
    """
    metadata = _schema(path).metadata or {}
    if PROVENANCE not in metadata:
        raise StorageError(f"{path} was not written by gairbench", "name another --out, or add --fresh to replace it")
    about: dict[str, Any] = json.loads(metadata[PROVENANCE])
    return about


def join_parts(parts: Sequence[Path], target: Path, provenance: Mapping[str, Any]) -> None:
    """Make one GeoParquet file of parts, one row group each, without holding more than one of them.

    Args:
        parts: In the order of the rows; those without rows are passed over, and at least one has some.
        target: The file; it is replaced when the new one is whole.
        provenance: Goes into its metadata as JSON.

    Raises:
        StorageError: A part is broken, the folder cannot be written, or the disk is full.
    """
    filled = [part for part in parts if _rows(part)]
    schema = _schema(filled[0])
    boxes = [box for part in filled if (box := json.loads(_schema(part).metadata[_BBOX]))]
    geometry: dict[str, Any] = {"encoding": "WKB", "geometry_types": ["Point"] if boxes else []}
    if boxes:
        lows, highs = np.array(boxes)[:, :2].min(axis=0), np.array(boxes)[:, 2:].max(axis=0)
        geometry["bbox"] = [*lows.tolist(), *highs.tolist()]
    # No "crs" means OGC:CRS84, longitude and latitude in WGS 84.
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    schema = schema.with_metadata({b"geo": json.dumps(geo), PROVENANCE: json.dumps(provenance)})
    with atomic_file(target) as file:
        with pq.ParquetWriter(file, schema, use_dictionary=False) as writer:
            for part in filled:
                try:
                    table = pq.read_table(part)
                except (OSError, pa.ArrowInvalid) as error:
                    raise _broken(part, error) from error
                writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=len(table))
        file.flush()
        if (rows := _rows(Path(file.name))) != sum(map(_rows, filled)):
            raise unwritable(target, OSError(f"{rows} rows read back, not those of its parts"))


def _rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid) as error:
        raise _broken(path, error) from error


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> StorageError:
    return StorageError(f"cannot read {path}: {error}", "remove it, or start over with --fresh")
