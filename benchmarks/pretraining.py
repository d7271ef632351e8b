"""Speed of GAIR's pre-training recipe on generated triplets, and of its two image encoders alone on the same batches.

The recipe is timed from step to step, so that start-up and the first, slower step do not count. What it adds to the
encoders is decoding of batches, augmentation, conversion, location encoder and queue, NILI, losses and the optimizer.

Usage: python benchmarks/pretraining.py [PRESET] [STEPS] [DEVICE]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from gairbench import ImageInput, LocationInput, Modality
from gairbench.data import ArraySplit
from gairbench.protocols import PretrainContext
from gairbench_models.gair.model import untrained
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.pretraining import pretrain


class Generated:
    """Random pixels at random places: the recipe's speed does not depend on what the images show.

    Args:
        n: Number of triplets.
        rs_size: Edge of the overhead images in pixels.
        sv_size: Edge of the photos in pixels.
    """

    def __init__(self, n: int, rs_size: int, sv_size: int) -> None:
        self.n, self.rs_size, self.sv_size = n, rs_size, sv_size

    def fingerprint(self) -> str:
        """Return a constant: nothing is cached."""
        return "generated"

    def classes(self, target: str) -> tuple[str, ...]:
        """Return nothing: there are no targets, ``target`` or other."""
        del target
        return ()

    def split(self, name: str) -> ArraySplit:
        """Return the triplets, whatever ``name``."""
        del name
        rng = np.random.default_rng(0)
        lonlat = np.stack([rng.uniform(-179, 179, self.n), rng.uniform(-80, 80, self.n)], axis=1)
        west, north = lonlat[:, 0] - 0.5, lonlat[:, 1] + 0.5
        return ArraySplit(
            [str(i) for i in range(self.n)],
            {
                "image": rng.integers(0, 256, (self.n, 3, self.rs_size, self.rs_size), dtype=np.uint8),
                "street_view": rng.integers(0, 256, (self.n, 3, self.sv_size, self.sv_size), dtype=np.uint8),
                "lonlat": lonlat,
                "bbox": np.stack([west, north, west + 1, north - 1], axis=1),
            },
            {},
        )


def recipe_seconds(preset: str, steps: int, device: str) -> list[float]:
    """Return the seconds of each step after the first."""
    config, training = PRESETS[preset].config, PRESETS[preset].training
    if training is None:
        raise SystemExit(f"preset {preset!r} has no recipe")
    # Every epoch has at least this many steps; what is over the wanted number is cut off below.
    per_epoch = -(-(steps + 1) // training.epochs)
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        pretrain(
            PretrainContext(
                preset=preset,
                seed=0,
                source=Generated(per_epoch * training.batch_size, config.rs.image_size, config.sv.image_size),
                delivers=(
                    ImageInput(modality=Modality.RS, size=config.rs.image_size),
                    ImageInput(modality=Modality.SV, size=config.sv.image_size),
                    LocationInput(),
                ),
                fingerprint="generated",
                output=Path(folder),
                device=device,
                limit=None,
                report=lambda _done, _total, _note: ends.append(time.perf_counter()),
            )
        )
    return np.diff(ends)[:steps].tolist()


def encoder_seconds(preset: str, steps: int, device: str) -> list[float]:
    """Return the seconds of forward and backward passes through the two image encoders, after a first one."""
    config, training = PRESETS[preset].config, PRESETS[preset].training
    assert training is not None
    model = untrained(config, 0, sv_patch_drop=training.sv_patch_drop).to(device)
    tiles = torch.randn(training.batch_size, 3, config.rs.image_size, config.rs.image_size, device=device)
    photos = torch.randn(training.batch_size, 3, config.sv.image_size, config.sv.image_size, device=device)
    seconds = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.startswith("cuda")):
            loss = model.encode_rs(tiles).sum() + model.encode_sv(photos).sum()
        loss.backward()
        model.zero_grad()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def main(preset: str, steps: int, device: str) -> None:
    """Print medians, and what they come to for the whole recipe on the embedded triplets."""
    training = PRESETS[preset].training
    whole, encoders = (statistics.median(f(preset, steps, device)) for f in (recipe_seconds, encoder_seconds))
    assert training is not None
    batch = training.batch_size
    print(f"{preset}, batch {batch}, {device}, {torch.get_num_threads()} threads, median of {steps} steps")
    print(f"{'whole step':16}{whole:8.3f} s{batch / whole:10.0f} triplets/s")
    print(f"{'encoders alone':16}{encoders:8.3f} s{batch / encoders:10.0f} triplets/s")
    print(
        f"a step takes {whole / encoders:.2f} x its image encoders; 10,000 triplets x {training.epochs} epochs: ",
        end="",
    )
    print(f"{training.epochs * (10_000 // batch) * whole / 60:.1f} min")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        arguments[0] if arguments else "tiny",
        int(arguments[1]) if len(arguments) > 1 else 5,
        arguments[2] if len(arguments) > 2 else "cpu",
    )
