"""Throughput of ``gairbench embed`` on image files beside the bare encoders on batches that are already loaded.

Usage: python benchmarks/embedding.py [PRESET] [ROWS] [RUNS]

Both compute the same views of the same batches with the same untrained weights, in turn and in one process; the peak
memory of each is taken in a process of its own.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import rasterio
import torch
from PIL import Image
from rasterio.transform import from_bounds
from rich.console import Console

from gairbench.batch import Batch
from gairbench.embed_table import parts as embed_parts
from gairbench.embed_table.reader import SampleReader
from gairbench.embed_table.request import EmbedRequest
from gairbench.embed_table.views import wanted_views
from gairbench.embedding import BATCH, compute
from gairbench.environment import choose_device
from gairbench.files.rows import open_rows
from gairbench.inputs import Unit
from gairbench.memo import default_cache
from gairbench.plugins import load_registry
from gairbench.progress import Progress
from gairbench.weights.loading import load_model
from gairbench.weights.origin import find_weights

STACK = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
RS_EDGE, SV_EDGE = 96, 256
VIEWS = ("rs", "sv", "location")


def make_files(folder: Path, rows: int, preset: str) -> Path:
    """Write a table of GeoTIFFs (12 bands of 16 bits; 8-bit RGB for presets that take it) and JPEG photos."""
    rng = np.random.default_rng(0)
    names = STACK if preset == "base" else ("red", "green", "blue")
    lines = ["lon,lat,rs,sv"]
    for i in range(rows):
        lon, lat = rng.uniform(-170, 170), rng.uniform(-60, 60)
        values = rng.integers(0, 4000 if preset == "base" else 255, (len(names), RS_EDGE, RS_EDGE))
        place = from_bounds(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01, RS_EDGE, RS_EDGE)
        kind = np.uint16 if preset == "base" else np.uint8
        with rasterio.open(
            folder / f"{i}.tif", "w", driver="GTiff", count=len(names), height=RS_EDGE, width=RS_EDGE, dtype=kind,
            crs="EPSG:4326", transform=place,
        ) as file:  # fmt: skip
            file.write(values.astype(kind))
            file.descriptions = names
        smooth = rng.integers(0, 255, (SV_EDGE // 8, SV_EDGE // 8, 3), np.uint8)
        Image.fromarray(smooth).resize((SV_EDGE, SV_EDGE)).save(folder / f"{i}.jpg", quality=90)
        lines.append(f"{lon},{lat},{i}.tif,{i}.jpg")
    table = folder / "table.csv"
    table.write_text("\n".join(lines) + "\n")
    return table


def request(table: Path, preset: str) -> EmbedRequest:
    """Return the call that is measured."""
    return EmbedRequest(
        model="random",
        input=table,
        out=table.with_name("out.parquet"),
        views=VIEWS,
        rs_unit=Unit.S2_DN if preset == "base" else Unit.UINT8,
        preset=preset,
        fresh=True,
    )


def prepare(table: Path, preset: str) -> tuple[Callable[[], float], Callable[[], float]]:
    """Return functions that run the pipeline and the bare encoders once, and return their seconds."""
    wanted = request(table, preset)
    device = choose_device(wanted.device)
    spec = load_registry().models["random"]
    weights = find_weights(spec, spec.preset(preset), None, seed=0, code="", cache=default_cache())
    loaded = load_model(spec, weights, preset=spec.preset(preset), seed=0, device=device)
    rows_table = open_rows(table, {}, root=None, skip=False, follow_links=False)
    say = Progress(Console(stderr=True, quiet=True))
    views = wanted_views(wanted, spec, loaded.preset, rows_table, say)
    n = rows_table.count()

    def reader() -> SampleReader:
        pinned = device.type == "cuda"
        return SampleReader(rows_table, loaded.preset, [*views.values()], wanted.rs_unit, None, pinned=pinned)

    def pipeline() -> float:
        # The model is loaded once, outside: what is compared is embedding, from the first file to the finished table.
        start = time.perf_counter()
        with say.step("embed") as step:
            parts = embed_parts.write_parts(wanted, rows_table, reader(), loaded, views, device, n, step)
        embed_parts.finish(wanted, {}, parts, views, rows_table.report(n), say)
        return time.perf_counter() - start

    batches: list[dict[tuple[str, ...], Batch]] = []

    def bare() -> float:
        if not batches:
            read = reader()
            for rows in rows_table.chunks(embed_parts.PART_ROWS):
                for low in range(0, len(rows), BATCH):
                    inputs = read(rows, low, min(low + BATCH, len(rows))).inputs
                    batches.append({of: batch.to(device) for of, batch in inputs.items()})
        start = time.perf_counter()
        with torch.inference_mode():
            for batch in batches:
                for view in views.values():
                    compute(loaded.model, view, batch[view.of])
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    return pipeline, bare


def peak(which: str, table: Path, preset: str) -> float:
    """Return the peak memory of one side in MiB, measured in a fresh process."""
    command = [sys.executable, __file__, "--peak", which, str(table), preset]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(preset: str, rows: int, runs: int) -> None:
    """Print the rows per second of both, and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        table = make_files(Path(name), rows, preset)
        pipeline, bare = prepare(table, preset)
        bare()  # loads the batches and warms up
        pairs = [(pipeline(), bare()) for _ in range(runs)]
        ratio = statistics.median(b / p for p, b in pairs)
        seconds = [statistics.median(side) for side in zip(*pairs, strict=True)]
        print(f"random, preset {preset}, {rows} rows, views {', '.join(VIEWS)}")
        print(f"threads {torch.get_num_threads()}, median of {runs} paired runs")
        for label, which, took in (
            ("embed, files to GeoParquet", "embed", seconds[0]),
            ("bare encoders, in memory", "bare", seconds[1]),
        ):
            print(f"{label:28}{rows / took:9.2f} rows/s  peak {peak(which, table, preset):6.0f} MiB")
        print(f"{'ratio':28}{ratio:9.3f}  (lowest {min(b / p for p, b in pairs):.3f})")


def _peak(arguments: Sequence[str]) -> None:
    which, table, preset = arguments
    pipeline, bare = prepare(Path(table), preset)
    pipeline() if which == "embed" else bare()
    # Not getrusage: its peak starts with that of the process that started this one.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        _peak(sys.argv[2:])
    else:
        given = sys.argv[1:]
        preset = given[0] if given else "base"
        main(preset, int(given[1]) if len(given) > 1 else BATCH, int(given[2]) if len(given) > 2 else 5)
