"""Models for the tests of executors, in a module that worker processes can import: they log what they do, or die."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import generated
from generated import SHADES, TRAINED, Shades
from torch import Tensor

from gairbench import ModelContext, ModelSpec, Pretraining
from gairbench.protocols import PretrainContext

FOLDER = "GAIRBENCH_TEST_FOLDER"
"""Environment variable that names a folder of logs and marks."""


def log(line: str) -> None:
    """Add a line to a log that several processes write."""
    with (Path(os.environ[FOLDER]) / "log").open("a") as file:
        file.write(line + "\n")


def logged() -> list[str]:
    """Return the lines of the log."""
    file = Path(os.environ[FOLDER]) / "log"
    return file.read_text().split("\n")[:-1] if file.exists() else []


class Watched(Shades):
    """Log when it is loaded and what it embeds."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        log(f"load {os.getpid()}")

    def encode_rs(self, images: Tensor) -> Tensor:
        log(f"embed {len(images)}")
        return super().encode_rs(images)


class DiesOnce(Shades):
    """Kill the first process that embeds with it."""

    def encode_rs(self, images: Tensor) -> Tensor:
        mark = Path(os.environ[FOLDER]) / "died"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_rs(images)


class Dies(Shades):
    """Kill every process that embeds with it."""

    def encode_rs(self, images: Tensor) -> Tensor:
        log("died")
        os.kill(os.getpid(), signal.SIGKILL)
        return super().encode_rs(images)


class TerminatedOnce(Shades):
    """Get a SIGTERM in the first process that embeds with it, as batch systems send it."""

    def encode_rs(self, images: Tensor) -> Tensor:
        mark = Path(os.environ[FOLDER]) / "terminated"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGTERM)
        return super().encode_rs(images)


class Exits(Shades):
    """End the program."""

    def encode_rs(self, images: Tensor) -> Tensor:
        sys.exit(3)


class Slow(Watched):
    """Take its time over photos, and say when it begins."""

    def encode_sv(self, images: Tensor) -> Tensor:
        log(f"begin {os.getpid()}")
        mark = Path(os.environ[FOLDER]) / "fast"
        for _ in range(1200):
            if mark.exists():
                break
            time.sleep(0.05)
        return super().encode_rs(images)


def pretrain(context: PretrainContext) -> None:
    """Pre-train, and log it."""
    log(f"pretrain {os.getpid()}")
    generated.pretrain(context)


def made_with(name: str, factory: type[Shades], base: ModelSpec = SHADES) -> ModelSpec:
    """Return a model of the generated world."""
    return replace(base, name=name, factory=factory)


WATCHED = made_with("watched", Watched)
DIES_ONCE = made_with("dies-once", DiesOnce)
DIES = made_with("dies", Dies)
TERMINATED_ONCE = made_with("terminated-once", TerminatedOnce)
EXITS = made_with("exits", Exits)
SLOW = made_with("slow", Slow)
TRAINED_ONCE = replace(
    TRAINED,
    name="trained-once",
    factory=Watched,
    presets=(replace(TRAINED.presets[0], weights=Pretraining(recipe=pretrain, version=1, dataset="world-pretrain")),),
)


def shift(folder: Path) -> float:
    """Return what a checkpoint holds."""
    return float(json.loads((folder / "shift.json").read_text()))
