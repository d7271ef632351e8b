"""Reading of the suite's datasets beside a plain TorchGeo DataLoader, paired: the first batch, and samples a second.

    OMP_NUM_THREADS=1 python benchmarks/dataset_reading.py [REPEATS]

Files are those that the tests write in the published layouts, on a disk whose pages are in memory by then: what is
compared is code, and not disks. Both sides are built anew each time, and read one split once, in one process.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import suite_files

from gairbench import DataContext, DatasetSpec
from gairbench.spec import resolve
from gairbench_tasks.suite import TASKS
from gairbench_tasks.torchgeo.building import build_dataset
from gairbench_tasks.torchgeo.source import TorchGeoSource

NAMES = (
    "eurosat", "resisc45", "so2sat", "bigearthnet-v2", "treesatai", "loveda", "pastis", "levir-cd", "usavars",
    "digital-typhoon",
)  # fmt: skip
BATCH = 4


def as_written(name: str) -> DatasetSpec:
    """Return a dataset with images of the size that the tests write."""
    return next(suite_files.as_written(task).dataset for task in TASKS if task.dataset.name == name)


def ours(spec: DatasetSpec, root: Path, split: str) -> Dataset[Any]:
    """Open a split as a run does."""
    found: Dataset[Any] = resolve(spec.factory)(DataContext(root=root, dataset=spec)).split(split)
    return found


def theirs(spec: DatasetSpec, root: Path, split: str) -> Dataset[Any]:
    """Build TorchGeo's class with the same arguments."""
    assert isinstance(spec.factory, TorchGeoSource)
    built: Dataset[Any] = build_dataset(spec.factory, root / spec.folder, spec.factory.splits[split])
    return built


def loaded(dataset: Dataset[Any]) -> Iterator[list[Any]]:
    """Yield batches of samples, which need not be of one size."""
    yield from DataLoader(dataset, batch_size=BATCH, collate_fn=list)


def measure(open_split: Any, spec: DatasetSpec, root: Path, split: str) -> tuple[float, float]:
    """Return seconds to the first batch, and samples a second from there on, or with it where it is the only one."""
    start = time.perf_counter()
    batches = loaded(open_split(spec, root, split))
    samples = len(next(batches))
    first = time.perf_counter() - start
    more = sum(map(len, batches))
    whole = time.perf_counter() - start
    return first, more / (whole - first) if more else samples / whole


def main() -> None:
    """Print one line a dataset."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{'dataset':<18}{'first batch, ms: ours':>24}{'plain':>9}{'samples/s: ours':>18}{'plain':>9}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in NAMES:
            spec = as_written(name)
            suite_files.write(root, spec.folder)
            assert isinstance(spec.factory, TorchGeoSource)
            # One that both have: what is drawn is a part of it.
            draw = spec.factory.draw
            split = draw.of if draw is not None else "train"
            pairs = [
                (measure(ours, spec, root, "train"), measure(theirs, spec, root, split)) for _ in range(repeats + 1)
            ]
            # The first imports and fills the page cache.
            (a, rate_a), (b, rate_b) = (
                tuple(statistics.median(pair[side][value] for pair in pairs[1:]) for value in (0, 1)) for side in (0, 1)
            )
            ratio = statistics.median(pair[0][1] / pair[1][1] for pair in pairs[1:])
            print(f"{name:<18}{1e3 * a:>24.0f}{1e3 * b:>9.0f}{rate_a:>18.0f}{rate_b:>9.0f}{ratio:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
