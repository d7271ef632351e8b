"""Wall time of the commands that must feel instant, each in a fresh process.

Usage: python benchmarks/startup.py [RUNS]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = {("--help",): 0.25, ("list", "models"): 0.5, ("list", "tasks"): 0.5, ("list", "plugins"): 0.5}
"""Arguments and the seconds they may take."""


def main(runs: int) -> None:
    """Print the minimum, median and maximum of each command."""
    gairbench = Path(sys.executable).with_name("gairbench")
    print(f"{'command':28}{'min':>8}{'median':>8}{'max':>8}{'limit':>8}")
    for arguments, limit in COMMANDS.items():
        seconds = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            subprocess.run([gairbench, *arguments], check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        seconds = seconds[1:]  # the first one fills the disk cache
        figures = (min(seconds), statistics.median(seconds), max(seconds), limit)
        print(f"gairbench {' '.join(arguments):18}" + "".join(f"{figure:8.3f}" for figure in figures))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 11)
