"""``gairbench pretrain``: stop and resume, several processes, logs, and mistakes in one line."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from gairbench import cli
from gairbench.errors import BusyError, CheckpointError, TrainingError, UsageError
from gairbench.locks import exclusive, lock_beside
from gairbench.pretraining.monitoring import Monitor

TINY = [
    *("--set", "rs.depth=1", "--set", "sv.depth=1", "--set", "queue_size=20", "--set", "batch_size=8"),
    *("--set", "location.hidden=16", "--set", "model.location.frequencies=8", "--device", "cpu"),
]


WAIT = "wait until it has finished (--resume continues one that was stopped), or choose another --out"


def pretrain(out: Path, *options: str, model: str = "gair", epochs: int = 2) -> int:
    arguments = ["pretrain", "--model", model, "--data", "earth-triplets", "--out", str(out), "--limit", "40"]
    try:
        cli.app([*arguments, *TINY, "--set", f"epochs={epochs}", *options], standalone_mode=False)
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / "model.safetensors")


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "training" / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


class StoppedError(Exception):
    pass


def test_a_run_that_is_stopped_and_resumed_ends_where_an_uninterrupted_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--checkpoint-every", "3", "--set", "learn_temperature=true")
    pretrain(tmp_path / "whole", *options)
    log = Monitor.on_train_batch_end

    def stop(self: Monitor, trainer: Any, *rest: Any) -> None:
        log(self, trainer, *rest)
        if trainer.global_step == 5:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "on_train_batch_end", stop)
        with pytest.raises(StoppedError):
            pretrain(tmp_path / "parts", *options)
    assert not (tmp_path / "parts" / "checkpoint.json").exists()
    # Whatever the process drew in between must not matter.
    torch.manual_seed(99)
    pretrain(tmp_path / "parts", *options, "--resume")

    expected, found = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=0)
    last = [rows(tmp_path / name)[-1]["train/loss"] for name in ("whole", "parts")]
    assert last[0] == last[1]
    with (tmp_path / "parts" / "training" / "metrics.1.csv").open(newline="") as file:
        earlier = [row["train/loss"] for row in csv.DictReader(file) if row["train/loss"]]
    assert earlier == [row["train/loss"] for row in rows(tmp_path / "whole") if row["train/loss"]][: len(earlier)]
    assert len(earlier) >= 4


def test_a_run_is_resumed_only_with_its_own_settings(tmp_path: Path) -> None:
    pretrain(tmp_path, "--checkpoint-every", "2")
    for name in ("model.safetensors", "checkpoint.json"):
        (tmp_path / name).unlink()
    with pytest.raises(CheckpointError, match="not finished; continue it with --resume"):
        pretrain(tmp_path)
    with pytest.raises(CheckpointError, match="started with other settings: seed was 0, now 1"):
        pretrain(tmp_path, "--resume", "--seed", "1")
    with pytest.raises(CheckpointError, match="settings: precision was '32-true', now 'bf16-mixed'"):
        pretrain(tmp_path, "--resume", "--precision", "bf16")
    with pytest.raises(CheckpointError, match="settings: processes was 1, now 2"):
        pretrain(tmp_path, "--resume", "--accelerator", "cpu", "--devices", "2", "--strategy", "ddp")


def test_accumulated_batches_make_fewer_steps(tmp_path: Path) -> None:
    pretrain(tmp_path, "--accumulate-grad-batches", "2", "--validate-every", "0")
    assert json.loads((tmp_path / "checkpoint.json").read_text())["steps"] == 5


def test_the_logged_loss_of_accumulated_batches_is_the_sum_of_its_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretrain(tmp_path, "--accumulate-grad-batches", "3", "--validate-every", "0", epochs=3)
    steps = [row for row in rows(tmp_path) if row["train/loss"]]
    assert len(steps) == 5
    for row in steps:
        assert float(row["train/loss"]) == pytest.approx(float(row["train/incl"]) + float(row["train/secl"]), abs=1e-5)
    assert f"loss {float(steps[-1]['train/loss']):.2f} (incl" in capsys.readouterr().err


def test_logs_hold_losses_embedding_statistics_and_validation_retrieval(tmp_path: Path) -> None:
    pretrain(tmp_path, epochs=3)
    logged = {name for row in rows(tmp_path) for name, value in row.items() if value}
    assert {"train/loss", "train/incl", "train/secl", "train/learning_rate"} <= logged
    assert {"train/spread/rs", "train/uniformity/location", "train/alignment/rs-sv"} <= logged
    assert {"val/rs-sv/recall@1", "val/rs-sv/recall@10", "val/rs-location/mrr"} <= logged
    assert list((tmp_path / "training").glob("events.out.tfevents.*"))
    assert json.loads((tmp_path / "checkpoint.json").read_text())["held_out"] == 4


@pytest.mark.parametrize("accumulated", [1, 2])
def test_embedding_statistics_stand_only_where_they_were_measured(tmp_path: Path, accumulated: int) -> None:
    options = ("--accumulate-grad-batches", str(accumulated), "--validate-every", "0")
    pretrain(tmp_path, *options, epochs=5 * accumulated)
    logged = rows(tmp_path)
    steps = [int(row["step"]) for row in logged if row["train/loss"]]
    assert steps == list(range(25))
    # The tenth, the twentieth and the last step; Lightning counts from 0.
    for name in ("train/spread/rs", "train/uniformity/location", "train/alignment/rs-sv"):
        assert [int(row["step"]) for row in logged if row[name]] == [9, 19, 24]


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the loss of step \d+ is (nan|inf); lower the learning rate"):
        pretrain(tmp_path, "--set", "learning_rate=1e30", "--set", "warmup=0", "--validate-every", "0", epochs=12)
    assert not (tmp_path / "checkpoint.json").exists()


@pytest.mark.parametrize(
    "teachers", [[], pytest.param(["--set", "distillation.rs.model=pixel-stats"], marks=pytest.mark.slow)]
)
def test_two_processes_train_one_model(tmp_path: Path, teachers: list[str]) -> None:
    command = [sys.executable, "-m", "gairbench", "pretrain", "--model", "gair", "--data", "earth-triplets"]
    command += ["--out", str(tmp_path / "out"), "--limit", "40", *TINY, "--set", "epochs=1"]
    command += ["--accelerator", "cpu", "--devices", "2", "--strategy", "ddp", *teachers]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("checkpoint in") == 1
    assert "warning" not in done.stderr
    assert all(torch.isfinite(value).all() for value in weights(tmp_path / "out").values())
    card = json.loads((tmp_path / "out" / "checkpoint.json").read_text())
    assert card["steps"] == 4
    assert card["precision"] == "32-true"
    assert [row for row in rows(tmp_path / "out") if row["val/rs-sv/mrr"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "gari"], "no model 'gari'; did you mean gair?"),
        (["--model", "lonlat"], "model 'lonlat' has no pre-training; choose one of gair"),
        (["--data", "nowhere.csv"], "--data 'nowhere.csv' is neither a registered dataset nor a file"),
        (["--data", "earth"], "'earth' is not for pre-training; name one of earth-triplets"),
        (["--preset", "huge"], "huge"),
        (["--set", "epochs"], "--set 'epochs' is not NAME=VALUE"),
        (["--devices", "two"], "--devices 'two' is not a number"),
        (["--precision", "3-true"], "cannot train so"),
        (["--accelerator", "tpu"], "cannot train so: Requirement 'torch_xla"),
        (["--balance", "grid:5"], "does not hold the coordinates"),
        (["--devices", "3", "--accelerator", "cpu"], "a batch of 8 cannot be split over 3 devices"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    arguments = ["--model", "gair", "--data", "earth-triplets", "--out", str(tmp_path / "out"), "--limit", "40", *TINY]
    monkeypatch.setattr(sys, "argv", ["gairbench", "pretrain", *arguments, *options])
    with pytest.raises(SystemExit) as error:
        cli.main()
    assert error.value.code in {1, 2}
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told


def test_a_finished_checkpoint_is_never_overwritten(tmp_path: Path) -> None:
    pretrain(tmp_path, epochs=1)
    before = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match="holds a finished checkpoint"):
        pretrain(tmp_path, "--seed", "4")
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_second_training_into_one_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with exclusive(lock_beside(out / "training" / "last.ckpt"), taken="held", hint=""):
        # By whatever name the folder is reached.
        (tmp_path / "link").symlink_to(out)
        for name in ("out", "link"):
            with pytest.raises(BusyError, match=f"another process pre-trains into .*{name}; wait"):
                pretrain(tmp_path / name)
    assert not (out / "training" / "run.json").exists()


def test_the_folder_is_held_while_a_training_runs_and_free_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Monitor.on_train_batch_end
    refused: list[str] = []

    def second(self: Monitor, trainer: Any, *rest: Any) -> None:
        log(self, trainer, *rest)
        command = [sys.executable, "-m", "gairbench", "pretrain", "--model", "gair", "--data", "earth-triplets"]
        done = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True, check=False)
        refused.append(f"{done.returncode}: {done.stderr}")
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "on_train_batch_end", second)
        with pytest.raises(StoppedError):
            pretrain(tmp_path)
    assert refused == [f"1: gairbench: error: another process pre-trains into {tmp_path}; {WAIT}\n"]
    with exclusive(lock_beside(tmp_path / "training" / "last.ckpt"), taken="", hint=""):
        pass


def test_fewer_samples_than_a_batch_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"6 training samples .* do not fill a batch of 8; .*--limit 6"):
        pretrain(tmp_path, "--limit", "6")
    assert not (tmp_path / "checkpoint.json").exists()


def test_other_settings_are_refused_before_the_folder_is_asked_for(tmp_path: Path) -> None:
    """Both are wrong then, and this is the one that waiting does not change."""
    training = tmp_path / "training"
    training.mkdir()
    (training / "last.ckpt").touch()
    (training / "run.json").write_text('{"recipe": {"budget": {"batch_size": 16}}}')
    with (
        exclusive(lock_beside(training / "last.ckpt"), taken="held", hint=""),
        pytest.raises(CheckpointError, match="batch_size was 16, now 8"),
    ):
        pretrain(tmp_path, "--resume")
