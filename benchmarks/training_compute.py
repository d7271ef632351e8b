"""Floating-point operations of a training step of GAIR and its rivals: what "at equal compute" is made from.

Each recipe trains on `earth-triplets` as `gairbench pretrain` does, and torch's counter counts the matrix products and
convolutions, forward and backward, whatever the device. A step is what nine have more than six: by then GAIR's queue of
coordinates is full.

Usage: python benchmarks/training_compute.py [PRESET]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch.nn.attention
from torch.utils.flop_counter import FlopCounterMode

import gairbench

MODELS = ("gair", "gair[no-inr]", "gair[bilinear]", "gair[bicubic]", "mocov3", "mae")
FEW, MORE = 6, 9
BATCH = 256


def gigaflops(model: str, preset: str, steps: int) -> float:
    """Return 10^9 floating-point operations of a training."""
    with (
        tempfile.TemporaryDirectory() as folder,
        # The fused kernels of attention are not counted on every device; matrix products are.
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        gairbench.pretrain(
            model,
            "earth-triplets",
            Path(folder) / "out",
            preset=preset,
            set={"epochs": 1, "batch_size": BATCH},
            limit=steps * BATCH,
            validate_every=0,
            quiet=True,
        )
    return float(counter.get_total_flops()) / 1e9


def gigaflops_of_a_step(model: str, preset: str) -> float:
    """Return 10^9 floating-point operations of a step when GAIR's queue is full."""
    return (gigaflops(model, preset, MORE) - gigaflops(model, preset, FEW)) / (MORE - FEW)


def main(preset: str) -> None:
    """Print the operations of each recipe, and how many of its steps are one of the dearest."""
    counts = {model: gigaflops_of_a_step(model, preset) for model in MODELS}
    most = max(counts.values())
    print(f"{preset}, batch {BATCH}: 10^9 operations a step")
    for model, count in counts.items():
        print(f"{model:16}{count:10.1f}   the dearest is {most / count:5.2f} of it")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "tiny")
