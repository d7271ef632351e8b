"""Open triplets for pre-training: a manifest of files, or a folder of shards."""

from __future__ import annotations

from pathlib import Path

from gairbench.triplets.options import TripletOptions, TripletSource, refuse_manifest_options


def open_triplets(path: Path, options: TripletOptions) -> TripletSource:
    """Open a manifest, which is a table of any format, or a folder of shards, and check every row.

    Raises:
        UsageError: A manifest's unit is not given, or shards are to be read like a manifest.
        DataError: It is missing or broken, or has triplets that cannot be used and ``on_error`` is ``"stop"``.
    """
    if path.is_dir():
        from gairbench.triplets.shards import ShardedTriplets

        refuse_manifest_options(options, f"the folder of shards {path}")
        return ShardedTriplets(path)
    from gairbench.triplets.manifest import ManifestTriplets

    return ManifestTriplets(path, options)
