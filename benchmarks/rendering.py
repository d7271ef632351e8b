"""Measure how many street photos a second the earth renderer makes on one core.

Run ``python benchmarks/rendering.py``. Wall time counts other processes too; processor time is the renderer's own.
The best of many short repetitions is the one that other processes disturbed least.
"""

from __future__ import annotations

import argparse
import time

from gairbench_tasks.earth import points, randomness
from gairbench_tasks.earth.street.render import render_photos
from gairbench_tasks.earth.street.scene import Surroundings, compose


def main() -> None:
    """Print the best of several repetitions."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=40)
    args = parser.parse_args()
    where = points.sample(
        "benchmark", args.photos, region="globe", placement="anywhere", role="evaluation", prefer_lit=True
    )
    scenes = compose(randomness.keys("benchmark", where.numbers), Surroundings.at(where))
    render_photos(scenes.take(slice(0, 64)))  # makes the textures
    wall, processor = [], []
    for _ in range(args.repeat):
        wall_start, processor_start = time.perf_counter(), time.process_time()
        render_photos(scenes)
        wall.append(time.perf_counter() - wall_start)
        processor.append(time.process_time() - processor_start)
    print(f"{args.photos / min(wall):.0f} photos/s wall, {args.photos / min(processor):.0f} photos/s of processor time")


if __name__ == "__main__":
    main()
