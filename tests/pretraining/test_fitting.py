"""A run keeps its last checkpoint whatever the disk does, and one device trains alike in any batch system."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.strategies import ParallelStrategy
from torch import Tensor, nn

from gairbench import LocationInput
from gairbench.data import ArraySplit
from gairbench.errors import CheckpointError, StorageError, TrainingError, UsageError
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Batch, Corpus
from gairbench.pretraining.fitting import _trainer, fit, identify
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


def context_of(out: Path, **options: Any) -> PretrainContext:
    return PretrainContext(
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
        trainer=TrainerOptions(record=True, checkpoint_every=1, validate_every=0, **options),
        settings={},
    )


def train(out: Path, **options: Any) -> Mapping[str, Tensor]:
    context = context_of(out, **options)
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


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_broken_last_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    train(tmp_path)
    (tmp_path / "training" / "last.ckpt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot resume: .*last\.ckpt is .*; remove it and start again"):
        train(tmp_path, resume=True)


SLURM = {
    "SLURM_JOB_ID": "1",
    "SLURM_JOB_NAME": "job",
    "SLURM_NNODES": "1",
    "SLURM_NODEID": "0",
    "SLURM_JOB_NODELIST": "n1",
    "SLURM_NTASKS": "4",
    "SLURM_LOCALID": "2",
    "SLURM_PROCID": "2",
}
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "1",
    "RANK": "2",
    "LOCAL_RANK": "2",
    "GROUP_RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "nowhere.invalid",
    "MASTER_PORT": "1",
}
LSF = {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "/nowhere", "JSM_NAMESPACE_RANK": "2", "JSM_NAMESPACE_SIZE": "4"}


@pytest.mark.parametrize(
    "variables",
    [SLURM, SLURM | {"SLURM_NTASKS_PER_NODE": "4", "SLURM_STEP_ID": "0"}, TORCHRUN, LSF],
    ids=["sbatch", "srun", "torchrun", "lsf"],
)
@pytest.mark.parametrize("devices", ["1", "auto"])
def test_one_device_trains_alike_within_any_batch_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], devices: str
) -> None:
    alone = train(tmp_path / "alone")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    # As Lightning sets it from these variables when it is imported.
    monkeypatch.setitem(vars(rank_zero_only), "rank", 2)
    within = train(tmp_path / "within", devices=devices)
    assert all(torch.equal(alone[name], within[name]) for name in alone)
    for name in ("metrics.csv", "last.ckpt", "run.json"):
        assert (tmp_path / "within" / "training" / name).is_file()
    assert vars(rank_zero_only)["rank"] == 2
    assert {name: os.environ.get(name) for name in variables} == variables


def trainer_of(out: Path, **options: Any) -> lightning.Trainer:
    return _trainer(Longitude(nn.Linear(2, 1), BUDGET, steps=STEPS, seed=0), context_of(out, **options), out, 2)


def test_several_devices_still_take_their_ranks_from_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SLURM | {"SLURM_NTASKS_PER_NODE": "4"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(vars(rank_zero_only), "rank", 2)
    trainer = trainer_of(tmp_path, devices="4", strategy="ddp")
    assert isinstance(trainer.strategy, ParallelStrategy)
    assert isinstance(trainer.strategy.cluster_environment, SLURMEnvironment)
    assert (trainer.global_rank, trainer.world_size) == (2, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "cannot train so: You set `--ntasks=4`"),
        ({"SLURM_NTASKS_PER_NODE": "3"}, "number of tasks per node configured in SLURM"),
        ({"SLURM_NTASKS_PER_NODE": "2", "SLURM_PROCID": None}, "the batch system did not set 'SLURM_PROCID'"),
    ],
)
def test_a_batch_system_that_contradicts_the_devices_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str | None], message: str
) -> None:
    for name, value in (SLURM | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    monkeypatch.setitem(vars(rank_zero_only), "rank", 0)
    with pytest.raises(UsageError) as caught:
        train(tmp_path, devices="2", strategy="ddp")
    assert message in str(caught.value)


def test_weights_that_the_last_step_breaks_are_not_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Longitude, progress: float) -> None:
        if progress >= 1 - 1 / STEPS:
            with torch.no_grad():
                self.network.bias.fill_(float("nan"))

    monkeypatch.setattr(Longitude, "after_step", broken)
    with pytest.raises(TrainingError, match="the last step left NaN or infinite numbers in bias"):
        train(tmp_path)
