"""A whole training step of GAIR beside forward and backward of its two image encoders alone, on the same batches.

Paired: each repetition times both, in alternating order, in this process; peak memory is that of a fresh process each.
What a step adds to the encoders is augmentation and conversion, location encoder with a full queue of past coordinates,
NILI, losses, clipping and the optimizer.

Usage: python benchmarks/pretraining.py [PRESET] [BATCH] [REPETITIONS] [DEVICE]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from gairbench import ImageInput, LocationInput, Modality
from gairbench.conversion import make_converter
from gairbench.inputs import Unit
from gairbench.pretraining.augmentation import Augmentation
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.pretraining import ContrastiveTraining


def generate(preset: str, batch: int, device: str) -> dict[str, Tensor]:
    """Return a batch of random pixels at random places, as data deliver it: speed does not depend on what they show."""
    generator = torch.Generator().manual_seed(0)
    inputs = {i.modality: i for i in PRESETS[preset].inputs}
    rs, sv = inputs[Modality.RS], inputs[Modality.SV]
    assert isinstance(rs, ImageInput)
    assert isinstance(sv, ImageInput)
    assert rs.size is not None
    assert sv.size is not None
    top = 256 if rs.unit is Unit.UINT8 else 5000
    lonlat = torch.rand(batch, 2, generator=generator) * torch.tensor([358.0, 160.0]) - torch.tensor([179.0, 80.0])
    values = {
        "image": torch.randint(0, top, (batch, len(rs.bands), rs.size, rs.size), generator=generator),
        "street_view": torch.randint(0, 256, (batch, 3, sv.size, sv.size), generator=generator),
        "lonlat": lonlat,
        "position": torch.rand(batch, 2, generator=generator) * 2 - 1,
    }
    return {name: value.to(device) for name, value in values.items()}


def make_step(preset: str, batch: int, device: str) -> Callable[[], None]:
    """Return a function that does one training step."""
    chosen = PRESETS[preset]
    converters = {i.modality: make_converter(_delivered(i), i) for i in chosen.inputs}
    model = untrained(chosen.config, 0, sv_patch_drop=chosen.objective.sv_patch_drop)
    task = ContrastiveTraining(
        model,
        chosen.objective,
        chosen.budget,
        augmentation=Augmentation(converters, chosen.budget),
        steps=100,
        seed=0,
    ).to(device)
    optimizer = task.configure_optimizers()["optimizer"]
    task.network.queue.push(generate(preset, chosen.objective.queue_size, device)["lonlat"])
    data = generate(preset, batch, device)
    number = 0

    def step() -> None:
        nonlocal number
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.startswith("cuda")):
            loss: Tensor = task.training_step(data, number)["loss"]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), chosen.budget.clip)
        optimizer.step()
        optimizer.zero_grad()
        number += 1

    return step


def _delivered(wanted: ImageInput | LocationInput) -> ImageInput | LocationInput:
    if isinstance(wanted, LocationInput):
        return wanted
    return ImageInput(modality=wanted.modality, bands=wanted.bands, unit=wanted.unit, size=wanted.size)


def make_encoders(preset: str, batch: int, device: str) -> Callable[[], None]:
    """Return a function that does forward and backward through both image encoders."""
    chosen = PRESETS[preset]
    model: Gair = untrained(chosen.config, 0, sv_patch_drop=chosen.objective.sv_patch_drop).to(device)
    rs, sv = chosen.config.rs, chosen.config.sv
    tiles = torch.randn(batch, rs.bands, rs.image_size, rs.image_size, device=device)
    photos = torch.randn(batch, sv.bands, sv.image_size, sv.image_size, device=device)

    def step() -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=device.startswith("cuda")):
            loss = model.encode_rs(tiles).sum() + model.encode_sv(photos).sum()
        loss.backward()
        model.zero_grad()

    return step


MAKE = {"step": make_step, "encoders": make_encoders}


def seconds_of(function: Callable[[], None], device: str) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    function()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_gib(name: str, preset: str, batch: int, device: str) -> float:
    """Return the peak memory of two steps in a fresh process."""
    command = [sys.executable, __file__, "--peak", name, preset, str(batch), device]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(preset: str, batch: int, repetitions: int, device: str) -> None:
    """Print medians and their ratio, and the peak memory of both."""
    # First: a child process starts out with its parent's peak.
    peaks = {name: peak_gib(name, preset, batch, device) for name in MAKE}
    functions = {name: make(preset, batch, device) for name, make in MAKE.items()}
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for repetition in range(repetitions + 1):
        for name in sorted(functions, reverse=bool(repetition % 2)):
            taken = seconds_of(functions[name], device)
            if repetition:
                seconds[name].append(taken)
    ratios = [step / encoders for step, encoders in zip(seconds["step"], seconds["encoders"], strict=True)]
    print(f"{preset}, batch {batch}, {device}, {torch.get_num_threads()} threads, median of {repetitions}")
    for name, title in (("step", "whole training step"), ("encoders", "encoders alone, forward and backward")):
        print(f"{title:40}{statistics.median(seconds[name]):8.3f} s{peaks[name]:8.2f} GiB peak")
    print(f"a step takes {statistics.median(ratios):.3f} x its two image encoders")


def _peak(name: str, preset: str, batch: str, device: str) -> None:
    step = MAKE[name](preset, int(batch), device)
    step()
    step()
    peak = torch.cuda.max_memory_allocated() if device.startswith("cuda") else _resident()
    print(peak / 2**30)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--peak"]:
        _peak(*sys.argv[2:])
    else:
        given = sys.argv[1:]
        main(
            given[0] if given else "tiny",
            int(given[1]) if len(given) > 1 else 256,
            int(given[2]) if len(given) > 2 else 5,
            given[3] if len(given) > 3 else "cpu",
        )
