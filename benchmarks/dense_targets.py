"""Peak memory and wall time of a run on masks or maps that are drawn as they are read.

The model's token grids are small, so that what is measured is what the framework holds of targets and predictions. What
the system keeps of files in memory, and frees for others, does not count.

Usage: python benchmarks/dense_targets.py [classes|measurements] [SAMPLES] [EDGE]
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gairbench
from gairbench import RGB, Category, DatasetSpec, ImageInput, Kind, Modality, ModelSpec, Preset, TaskSpec
from gairbench.inputs import Unit
from gairbench.representation import RS_TOKENS

IMAGE = ImageInput(modality=Modality.RS, bands=RGB, unit=Unit.UINT8, size=16)
PARTS = {"train": 4, "val": 1, "test": 1}
"""Sixths of the samples that the splits hold."""


class Scenes:
    """Images of 4 x 4 shades, and a target that follows from them."""

    samples, edge = 6, 16

    def __init__(self, context: object) -> None:
        pass

    def fingerprint(self) -> str:
        """Return what the samples follow from."""
        return f"{self.samples} {self.edge}"

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the names of two classes."""
        return ("dark", "bright") if target == "classes" else ()

    def split(self, name: str) -> Shades:
        """Return the samples of a split."""
        return Shades(name, self.samples * PARTS[name] // 6, self.edge)


class Shades:
    """One split."""

    def __init__(self, name: str, samples: int, edge: int) -> None:
        rng = np.random.default_rng(list(PARTS).index(name))
        self.shades = rng.uniform(0, 1, (samples, 4, 4)).astype(np.float32)
        self.ids = [f"{name}-{i}" for i in range(samples)]
        self.edge = edge

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        shade = np.kron(self.shades[index] * 255, np.ones((4, 4)))
        return {"image": torch.from_numpy(np.repeat(shade[None].astype(np.uint8), 3, axis=0))}

    def target_at(self, name: str, index: int) -> np.ndarray[Any, Any]:
        """Draw the mask or map of one sample."""
        cell = np.ones((self.edge // 4, self.edge // 4), dtype=np.float32)
        drawn = np.kron(self.shades[index], cell)
        return (drawn > 0.5).astype(np.uint8) if name == "classes" else drawn

    def target(self, name: str) -> np.ndarray[Any, Any]:
        """Draw those of all samples."""
        dtype = np.uint8 if name == "classes" else np.float32
        drawn = np.empty((len(self), self.edge, self.edge), dtype=dtype)
        for index in range(len(self)):
            drawn[index] = self.target_at(name, index)
        return drawn


class Coarse:
    """A token for every shade."""

    def __init__(self, context: object) -> None:
        pass

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Return means of colours."""
        return torch.nn.functional.avg_pool2d(images, 4)


class PeakMemory:
    """The most memory that a process has of its own, sampled by a thread, over what it had at first."""

    def __init__(self) -> None:
        self.bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> PeakMemory:
        self._first = _own_memory()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self.bytes = max(self.bytes, _own_memory() - self._first)


def _own_memory() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])


def main(target: str, samples: int, edge: int) -> None:
    """Print bytes of the targets, peak memory, seconds and the metric."""
    Scenes.samples, Scenes.edge = samples, edge
    dataset = DatasetSpec(
        name="scenes", version=1, factory=Scenes, delivers=(IMAGE,), licence="CC0-1.0", citation="generated"
    )
    classes = target == "classes"
    task = TaskSpec(
        name=target,
        version=1,
        category=Category.RS,
        family="generated",
        kind=Kind.SEGMENTATION if classes else Kind.DENSE_REGRESSION,
        dataset=dataset,
        target=target,
        inputs=(Modality.RS,),
        metric="miou" if classes else "pixel_r2",
        synthetic=True,
    )
    model = ModelSpec(
        name="coarse",
        version="1",
        factory=Coarse,
        presets=(Preset(name="default", inputs=(IMAGE,), offers=(RS_TOKENS,)),),
    )
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GAIRBENCH_CACHE"] = str(Path(folder) / "cache")
        # What is imported and started once is not of the targets.
        gairbench.run(model, task, results=Path(folder) / "first", device="cpu", limit=6, quiet=True)
        start = time.perf_counter()
        with PeakMemory() as peak:
            (result,) = gairbench.run(model, task, results=Path(folder) / "results", device="cpu", quiet=True)
        seconds = time.perf_counter() - start
    size = samples * edge * edge * (1 if classes else 4)
    value = result.metrics[result.metric].value
    print(
        f"{samples} targets of {edge} x {edge} ({target}), {size / 2**20:,.0f} MiB: peak memory"
        f" {peak.bytes / 2**20:,.0f} MiB, {seconds:.0f} s, {result.metric} {value!r}"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        given[0] if given else "classes",
        int(given[1]) if len(given) > 1 else 3000,
        int(given[2]) if len(given) > 2 else 512,
    )
