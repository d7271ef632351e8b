"""Neural Implicit Local Interpolation against its definition, and a dense map of one tile.

Run ``OMP_NUM_THREADS=2 python benchmarks/nili.py``. Lookup: 96x96 queries of a 12x12 token grid, 768 wide; the
definition is computed query by query and cell by cell, all of them, in turn with the fast form in one process. Dense
map: 512x512 points of one tile, its ViT-B/8 encoder included, each in a fresh process, whose peak memory is read at its
end.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch import Tensor
from torch.nn import functional

from gairbench_models.gair.localization import Nili
from gairbench_models.gair.model import untrained
from gairbench_models.gair.presets import PRESETS

DIM, GRID, QUERIES, MAP = 768, 12, 96, 512
CALLS = 20
"""Calls of the fast form per repeat; one alone would last too short a time on a machine that others use."""


def by_definition(tokens: Tensor, position: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Compute NILI as the paper says it, one query after the other.

    Args:
        tokens: ``(dim, rows, columns)``.
        position: ``(points, 2)`` in -1 ... 1.
        weight: ``(dim, 9 * dim + 2)`` of the shared linear layer.
        bias: ``(dim,)`` of it.

    Returns:
        ``(points, dim)``.
    """
    rows, columns = tokens.shape[1:]
    neighbourhoods = functional.unfold(tokens[None], kernel_size=3, padding=1)[0].T.contiguous()
    results = []
    for x, y in position.tolist():
        predictions, areas = [], []
        for north in (-1, 1):
            for west in (-1, 1):
                column = min(max(int((x + west / columns + 1) / 2 * columns), 0), columns - 1)
                row = min(max(int((y + north / rows + 1) / 2 * rows), 0), rows - 1)
                east = (x + 1 - (2 * column + 1) / columns) * columns
                south = (y + 1 - (2 * row + 1) / rows) * rows
                features = torch.cat([neighbourhoods[row * columns + column], torch.tensor([east, south])])
                predictions.append(functional.linear(features, weight, bias))
                areas.append(abs(east * south))
        opposite = torch.tensor(areas[::-1])
        results.append((opposite / opposite.sum()) @ torch.stack(predictions))
    return torch.stack(results)


def lookup(repeats: int) -> None:
    """Print the times of both forms, and how far apart their values are."""
    torch.manual_seed(0)
    nili = Nili(DIM)
    weight = torch.cat([nili.neighbourhood.weight.flatten(1), nili.offset.weight], dim=1)
    bias = nili.neighbourhood.bias
    tokens = torch.randn(1, DIM, GRID, GRID)
    line = (torch.arange(QUERIES) + 0.37) / QUERIES * 2 - 1
    position = torch.cartesian_prod(line, line)
    slow, fast = [], []
    nili(tokens, position[None])  # makes the threads
    for repeat in range(repeats):
        start = time.perf_counter()
        expected = by_definition(tokens[0], position, weight, bias)
        slow.append(time.perf_counter() - start)
        start = time.perf_counter()
        for _ in range(CALLS):
            found = nili(tokens, position[None])[0]
        fast.append((time.perf_counter() - start) / CALLS)
        print(f"  repeat {repeat + 1}: definition {slow[-1]:.2f} s, NILI {1000 * fast[-1]:.1f} ms", flush=True)
    ratio = statistics.median(s / f for s, f in zip(slow, fast, strict=True))
    print(
        f"{QUERIES}x{QUERIES} queries: definition {statistics.median(slow):.2f} s, NILI"
        f" {1000 * statistics.median(fast):.1f} ms, {ratio:.0f} times faster (median of {repeats} pairs);"
        f" largest difference {float((found - expected).abs().max()):.1e}"
    )


def dense(repeats: int) -> None:
    """Print the time and peak memory of dense maps, each in a fresh process."""
    runs = [
        json.loads(subprocess.run([sys.executable, __file__, "--one-map"], check=True, capture_output=True).stdout)
        for _ in range(repeats)
    ]
    seconds, encoding, peak = (statistics.median(run[key] for run in runs) for key in ("seconds", "encoding", "peak"))
    print(
        f"{MAP}x{MAP} map, {DIM} wide: {seconds:.2f} s, of which encoding {encoding:.2f} s; peak memory of the process"
        f" {peak:.2f} GiB, the map itself {MAP * MAP * DIM * 4 / 2**30:.2f} GiB (median of {repeats})"
    )


def one_map() -> None:
    """Map one tile and print the figures as JSON."""
    model = untrained(PRESETS["base"].config, seed=0).eval()
    images = torch.rand(1, 10, 96, 96)
    start = time.perf_counter()
    model.encode_rs_tokens(images)
    encoding = time.perf_counter() - start
    start = time.perf_counter()
    model.map_rs(images, MAP, MAP)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    print(json.dumps({"seconds": seconds, "encoding": encoding, "peak": peak}))


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one-map", action="store_true", help="for the fresh processes")
    args = parser.parse_args()
    with torch.inference_mode():
        if args.one_map:
            one_map()
            return
        print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
        lookup(args.repeats)
        dense(args.repeats)


if __name__ == "__main__":
    main()
