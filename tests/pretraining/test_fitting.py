"""A run keeps its last checkpoint, whatever the disk does."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gairbench import LocationInput
from gairbench.data import ArraySplit
from gairbench.errors import StorageError
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Batch, Corpus
from gairbench.pretraining.fitting import fit, identify
from gairbench.pretraining.objective import Losses, Objective
from gairbench.protocols import PretrainContext, TrainerOptions

BUDGET = Budget(epochs=2, batch_size=4, learning_rate=0.1)
STEPS = 4


class Places:
    """Eight points."""

    def fingerprint(self) -> str:
        return "places"

    def split(self, name: str) -> ArraySplit:
        lonlat = np.random.default_rng(0).uniform(-80, 80, (8, 2))
        return ArraySplit([str(i) for i in range(8)], {"lonlat": lonlat}, {})

    def classes(self, target: str) -> tuple[str, ...]:
        return ()


class Longitude(Objective):
    """Learn the longitude."""

    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        return Losses(total=(self.network(batch["lonlat"] / 90)[:, 0] - batch["lonlat"][:, 0] / 90).square().mean())


def train(out: Path, *, resume: bool = False) -> Mapping[str, Tensor]:
    context = PretrainContext(
        model="longitude",
        preset="default",
        seed=0,
        dataset="places",
        source=Places(),
        delivers=(LocationInput(),),
        fingerprint="places",
        output=out,
        device="cpu",
        limit=None,
        report=lambda done, total, note="": None,
        trainer=TrainerOptions(record=True, checkpoint_every=1, validate_every=0, resume=resume),
        settings={},
    )
    corpus = Corpus(context, [LocationInput()])
    torch.manual_seed(0)
    objective = Longitude(nn.Linear(2, 1), BUDGET, steps=STEPS, seed=0)
    exported: dict[str, Tensor] = {}
    fit(objective, corpus, context, identify(context, BUDGET, corpus, STEPS), exported.update)
    return exported


def full_from(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full when a checkpoint is written for the n-th time."""
    sync, written = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal written
        if Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith(".last.ckpt."):
            written += 1
            # Each scratch is synchronized twice.
            if written > 2 * (step - 1):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="finds files by /proc")
def test_a_full_disk_leaves_the_older_checkpoint_to_go_on_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(tmp_path / "whole")
    with monkeypatch.context() as disk:
        full_from(3, disk)
        with pytest.raises(StorageError, match=r"cannot write .*last.ckpt: No space left on device; free space"):
            train(tmp_path / "out")
    folder = tmp_path / "out" / "training"
    assert torch.load(folder / "last.ckpt", weights_only=True)["global_step"] == 2
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    resumed = train(tmp_path / "out", resume=True)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_checkpoint_does_not_pass_through_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On another file system moving from there would be copying.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no-such-folder"))
    train(tmp_path / "out")
    assert torch.load(tmp_path / "out" / "training" / "last.ckpt", weights_only=True)["global_step"] == STEPS


@pytest.mark.parametrize(("number", "reported"), [(errno.ENOSPC, True), (errno.EINTR, False)])
def test_a_log_on_a_full_disk_ends_a_run_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reported: bool
) -> None:
    from lightning.fabric.loggers.csv_logs import _ExperimentWriter

    def full(self: Any) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path / "out" / "training" / "metrics.csv"))

    monkeypatch.setattr(_ExperimentWriter, "save", full)
    with pytest.raises(OSError if not reported else StorageError, match=os.strerror(number)) as error:
        train(tmp_path / "out")
    assert ("cannot write" in str(error.value)) == reported
