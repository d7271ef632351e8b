"""What ``gairbench data`` does, apart from parsing its options."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.options import check_readable, check_writable
from gairbench.commands.output import show
from gairbench.dataset_download import can_fetch, fetch_dataset, is_here, reason_to_ask, terms_of, way_to_get
from gairbench.errors import DataMissingError, GairbenchError, UsageError
from gairbench.inputs import MissingPixels, Unit
from gairbench.plugins import load_registry
from gairbench.progress import Progress
from gairbench.requests import Pairs
from gairbench.selection import select_datasets, split_names, unknown
from gairbench.spec import DatasetSpec
from gairbench.taskfiles.parsing import load_task_file, registry_with


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardRequest:
    """What a user asks for: the options of ``gairbench data shard``.

    Args:
        data: The manifest.
        out: Folder of the shards.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Their bands in order; ``None``: as the files say.
        missing_pixels: ``"fill"`` missing pixels with the mean of the tile's others, or ``"refuse"`` such tiles.
        rs_size: Edge of the tiles that are cut out, in pixels.
        sv_size: Edge to which photos are resized, in pixels.
        shard_size: Triplets per shard.
        seed: Of where tiles are cut.
        root: What paths are relative to; ``None``: the manifest's folder.
        follow_links: Accept paths in the manifest that are links to files outside of ``root``.
        column: The manifest's own names of its columns, by ours.
        on_error: ``"stop"`` at rows that cannot be used, or ``"skip"`` and report them.
    """

    data: Path
    out: Path
    rs_unit: Unit
    rs_bands: tuple[str, ...] | None = None
    missing_pixels: MissingPixels = "fill"
    rs_size: Annotated[int, Ge(1)] = 96
    sv_size: Annotated[int, Ge(1)] = 224
    shard_size: Annotated[int, Ge(1)] = 10_000
    seed: Annotated[int, Ge(0)] = 0
    root: Path | None = None
    follow_links: bool = False
    column: Annotated[Mapping[str, str], Pairs("NAME=COLUMN", "rs=image_path")] = field(default_factory=dict)
    on_error: Literal["stop", "skip"] = "stop"


@if_interrupted(lambda: "what was fetched is kept; run the same command again to continue")
def get_command(names: Sequence[str], data_root: Path | None, *, yes: bool) -> int:
    """Carry out ``gairbench data get``.

    Returns:
        0, or 1 if the user does not agree to what is asked, or has to get a dataset of the tasks by hand.

    Raises:
        UsageError: A dataset is unknown, needs no files or says nowhere to fetch them from; or there is no data root;
            or it is large, or of a licence that restricts its use, and nobody is there to agree.
        DownloadError: A file or the network is not there, or what came is not the declared file.
        StorageError: The folder cannot be written.
    """
    registry = load_registry()
    wanted = split_names(names)
    chosen = select_datasets(wanted, registry.datasets, registry.tasks)
    # What is named is refused where it cannot be fetched, and what only tasks stand for is left to the user.
    specs = [spec for spec in chosen if spec.name in wanted or can_fetch(spec)]
    if data_root is None:
        raise UsageError("no folder to put datasets into", "give --data-root")
    check_writable("data_root", data_root)
    for spec in specs:
        reason = reason_to_ask(spec) if can_fetch(spec) and not yes else ""
        if reason and not _agreed(f"{spec.name}: {reason}"):
            show("nothing was fetched")
            return 1
    from rich.console import Console

    progress = Progress(Console(stderr=True))
    get_datasets(specs, data_root, progress)
    left = [spec for spec in chosen if spec not in specs and not is_here(spec, data_root)]
    _say_missing(left, data_root, progress)
    return 1 if left else 0


def _say_missing(specs: Sequence[DatasetSpec], data_root: Path, progress: Progress) -> None:
    for spec in specs:
        how = way_to_get(spec, data_root) or f"put it into {data_root / spec.folder}"
        progress.say(f"{spec.name} is not here; {how}")


def _agreed(why: str) -> bool:
    """Return whether the user agrees to go on; nobody else is asked.

    Raises:
        UsageError: Nobody is there to answer.
    """
    from rich.console import Console
    from rich.prompt import Confirm

    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(why, "add --yes if you agree")
    try:
        return Confirm.ask(f"{why}. Fetch it?", default=False, console=Console(stderr=True))
    except EOFError:
        return False


def get_datasets(specs: Sequence[DatasetSpec], data_root: Path, progress: Progress) -> None:
    """Fetch datasets, stating the licence of each first.

    Raises:
        UsageError: A dataset declares no download.
        DownloadError: A file or the network is not there, or what came is not the declared file.
        StorageError: The folder cannot be written.
    """
    for spec in specs:
        if can_fetch(spec):
            progress.say(f"{spec.name}: {terms_of(spec)}")
        with progress.step(f"fetch {spec.name}") as step:
            folder = fetch_dataset(spec, data_root, step)
        progress.say(f"{spec.name} is in {folder}")


@if_interrupted(lambda: "nothing was changed; run the same command again")
def check_command(names: Sequence[str], task_files: Sequence[Path], data_root: Path | None) -> int:
    """Carry out ``gairbench data check``.

    Returns:
        0 if every dataset asked for is sound, 1 otherwise.

    Raises:
        UsageError: A dataset is unknown, or there is none to check.
    """
    registry = registry_with(task_files)
    specs = select_datasets(split_names(names), registry.datasets, registry.tasks)
    if not specs and task_files:
        named = dict.fromkeys(task.dataset.name for path in task_files for task in load_task_file(path))
        specs = [registry.datasets[name] for name in named]
    if not specs:
        specs = [spec for spec in registry.datasets.values() if is_here(spec, data_root)]

    from gairbench.testing.dataset_report import check_dataset

    sound = True
    for spec in specs:
        try:
            report = check_dataset(spec, data_root, registry.tasks.values())
        except GairbenchError as error:
            show(f"{spec.name}: {error}")
            sound = False
            continue
        show(report.render())
        sound &= report.ok
    return 0 if sound else 1


def where_command(names: Sequence[str], data_root: Path | None) -> int:
    """Carry out ``gairbench data where``: print the folder of each dataset, one a line.

    Returns:
        0, or 1 if files are not here; how they are had is said beside, and the folder is where they belong.

    Raises:
        UsageError: A dataset is unknown, or its files come with packages; or there is no data root.
    """
    registry = load_registry()
    wanted = split_names(names)
    chosen = select_datasets(wanted, registry.datasets, registry.tasks)
    if data_root is None:
        raise UsageError("no folder to look into", "give --data-root")
    # What is named is refused where it has no folder, and of what tasks stand for it is left out.
    if embedded := [spec.name for spec in chosen if not spec.folder and spec.name in wanted]:
        raise UsageError(f"dataset {embedded[0]!r} has no folder: it is always here", "name datasets that have one")
    specs = [spec for spec in chosen if spec.folder]
    from rich.console import Console

    missing = [spec for spec in specs if not is_here(spec, data_root)]
    _say_missing(missing, data_root, Progress(Console(stderr=True)))
    for folder in dict.fromkeys(data_root / spec.folder for spec in specs):
        show(f"{folder}")
    return 1 if missing else 0


def draw_command(
    name: str, task_files: Sequence[Path], data_root: Path | None, *, out: Path, split: str, samples: int
) -> int:
    """Carry out ``gairbench data show``.

    Returns:
        0.

    Raises:
        UsageError: There is no such dataset or split.
        DataMissingError: Its files are not here.
        DataError: They are broken.
        StorageError: The picture cannot be written.
    """
    registry = registry_with(task_files)
    if name not in registry.datasets:
        raise unknown("dataset", name, registry.datasets)
    spec = registry.datasets[name]
    if not is_here(spec, data_root):
        raise DataMissingError(f"the files of dataset {name!r} are not here", way_to_get(spec, data_root))
    check_writable("out", out.parent)
    from gairbench.inspection.dataset_picture import draw_dataset

    tasks = [task for task in registry.tasks.values() if task.dataset.name == name]
    draw_dataset(out, spec, tasks, data_root, split=split or spec.splits[-1], samples=samples)
    show(f"{out}")
    return 0


def shard_command(request: ShardRequest) -> int:
    """Carry out ``gairbench data shard``.

    Returns:
        0, or 1 if rows were left out: those that the check of the manifest found, and those whose pixels are broken.

    Raises:
        GairbenchError: The manifest or a file cannot be used, or the folder cannot be written.
    """
    with if_interrupted(lambda: f"finished shards are kept in {request.out}; run the same command again to continue"):
        check_readable("data", request.data)
        check_writable("out", request.out)
        from gairbench.locks import exclusive, lock_beside

        with exclusive(
            lock_beside(request.out),
            taken=f"another process writes shards into {request.out}",
            hint="wait until it has finished, or choose another --out",
        ):
            return _shard(request)


def _shard(request: ShardRequest) -> int:
    from rich.console import Console

    from gairbench.triplets.manifest import ManifestTriplets
    from gairbench.triplets.options import TripletOptions
    from gairbench.triplets.shards import write_shards

    console = Console(stderr=True)
    options = TripletOptions(
        rs_unit=request.rs_unit,
        rs_bands=request.rs_bands,
        missing_pixels=request.missing_pixels,
        rs_size=request.rs_size,
        sv_size=request.sv_size,
        seed=request.seed,
        root=request.root,
        columns=request.column,
        follow_links=request.follow_links,
        on_error=request.on_error,
    )
    source = ManifestTriplets(request.data, options)
    unusable = source.report.total
    if unusable:
        console.print(source.report.render(), highlight=False, markup=False, soft_wrap=True)
    with Progress(console).step(f"shard {request.data}") as step:
        write_shards(source, request.out, request.shard_size, step)
    if filled := source.filled.sentence():
        console.print(filled, highlight=False, markup=False, soft_wrap=True)
    if source.report.total > unusable:
        console.print(source.report.render(), highlight=False, markup=False, soft_wrap=True)
    return 1 if source.report.total else 0
