"""What ``gairbench data`` does, apart from parsing its options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gairbench.errors import GairbenchError
from gairbench.selection import split_names, unknown
from gairbench.taskfiles.parsing import registry_with


def check_command(names: Sequence[str], task_files: Sequence[Path], data_root: Path | None) -> int:
    """Carry out ``gairbench data check``.

    Returns:
        0 if every dataset asked for is sound, 1 otherwise.

    Raises:
        UsageError: A dataset is unknown, or none is here.
    """
    from gairbench.testing.dataset_report import check_dataset

    registry = registry_with(task_files)
    wanted = split_names(names)
    for name in wanted:
        if name not in registry.datasets:
            raise unknown("dataset", name, registry.datasets)
    specs = [
        spec
        for spec in registry.datasets.values()
        if (spec.name in wanted)
        or (not wanted and (not spec.folder or (data_root and (data_root / spec.folder).is_dir())))
    ]
    sound = True
    for spec in specs:
        try:
            report = check_dataset(spec, data_root, registry.tasks.values())
        except GairbenchError as error:
            print(f"{spec.name}: {error}")
            sound = False
            continue
        print(report.render())
        sound &= report.ok
    return 0 if sound else 1


def shard_command(manifest: Path, out: Path, shard_size: int, options: Mapping[str, object]) -> int:
    """Carry out ``gairbench data shard``.

    Returns:
        0, or 1 if rows were left out: those that the check of the manifest found, and those whose pixels are broken.

    Raises:
        GairbenchError: The manifest or a file cannot be used, or the folder cannot be written.
    """
    from rich.console import Console

    from gairbench.progress import Progress
    from gairbench.triplets.manifest import ManifestTriplets
    from gairbench.triplets.options import TripletOptions
    from gairbench.triplets.shards import write_shards

    console = Console(stderr=True)
    source = ManifestTriplets(manifest, TripletOptions(**options))  # type: ignore[arg-type]
    unusable = source.report.total
    if unusable:
        console.print(source.report.render(), highlight=False, markup=False, soft_wrap=True)
    with Progress(console).step(f"shard {manifest}") as step:
        write_shards(source, out, shard_size, step)
    if source.report.total > unusable:
        console.print(source.report.render(), highlight=False, markup=False, soft_wrap=True)
    return 1 if source.report.total else 0
