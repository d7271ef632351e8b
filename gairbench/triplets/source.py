"""Open triplets for pre-training: a manifest of files, or a folder of shards."""

from __future__ import annotations

from pathlib import Path

from gairbench.errors import DataError
from gairbench.triplets.options import TripletOptions, TripletSource, refuse_manifest_options


def open_triplets(path: Path, options: TripletOptions) -> TripletSource:
    """Open a manifest (``.csv``, ``.parquet``) or a folder of shards, and check every row.

    Raises:
        UsageError: A manifest's unit is not given, or shards are to be read like a manifest.
        DataError: It is missing or broken, or has triplets that cannot be used and ``on_error`` is ``"stop"``.
    """
    if path.is_dir():
        from gairbench.triplets.shards import ShardedTriplets

        refuse_manifest_options(options, f"the folder of shards {path}")
        return ShardedTriplets(path)
    if path.suffix.lower() not in {".csv", ".parquet"}:
        raise DataError(f"{path} is neither a manifest nor a folder of shards", "give a .csv or .parquet file")
    from gairbench.triplets.manifest import ManifestTriplets

    return ManifestTriplets(path, options)
