"""Run an objective over a corpus with Lightning, stop and resume exactly."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from gairbench.digests import plain
from gairbench.errors import CheckpointError, TrainingError, UsageError
from gairbench.pretraining.checkpoint_file import AtomicCheckpointIO
from gairbench.pretraining.corpus import Corpus
from gairbench.pretraining.earlier_run import LAST, RUN, TRAINING, started_with
from gairbench.pretraining.interrupts import interrupts_passed_on
from gairbench.pretraining.monitoring import Monitor
from gairbench.pretraining.objective import Objective
from gairbench.pretraining.processes import on_one_device
from gairbench.pretraining.sampling import Shard
from gairbench.pretraining.single_process import SingleProcessEnvironment, as_first_process
from gairbench.protocols import PretrainContext
from gairbench.storage import full_disk_reported, write_atomically
from gairbench.weights.tensors import first_names, non_finite, read_file

METRICS = "metrics.csv"

SHORT_PRECISIONS = {"64": "64-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""Lightning's short names of precisions."""


def identify(context: PretrainContext, recipe: Any, corpus: Corpus, steps: int) -> dict[str, Any]:
    """Return what decides the outcome of a run, for its card and to resume only the same.

    The number of processes does too; :func:`fit`, which starts them, adds it.

    Args:
        context: The recipe's context.
        recipe: A dataclass of all settings.
        corpus: What is trained on.
        steps: Optimizer steps in all.
    """
    return {
        "model": context.model,
        "preset": context.preset,
        "recipe": plain(recipe),
        "seed": context.seed,
        "dataset": context.dataset,
        "dataset_fingerprint": context.fingerprint,
        "samples": len(corpus.train),
        "held_out": len(corpus.held_out),
        "steps": steps,
        "accumulate_grad_batches": context.trainer.accumulate_grad_batches,
        "balance": context.trainer.balance,
        "precision": _precision(context),
    }


def fit(
    objective: Objective,
    corpus: Corpus,
    context: PretrainContext,
    identity: Mapping[str, Any],
    export: Callable[[Mapping[str, Tensor]], None],
) -> None:
    """Train.

    Args:
        objective: What to minimize; its network has its initial weights.
        corpus: What to train on.
        context: Device, options, output and progress.
        identity: Everything that decides the outcome (settings, data fingerprint, seed), JSON types: a run is resumed
            only with the same.
        export: Writes the checkpoint from the state dict of ``objective.network`` after the last step, on the CPU;
            called in the first process only.

    Raises:
        UsageError: Lightning refuses the options, or the batch does not fit the number of devices.
        CheckpointError: There is a checkpoint of another run, or of this one and ``resume`` is off.
        DataError: A sample is broken.
        TrainingError: The loss or the weights are not finite.
        StorageError: The disk is full; the last checkpoint is left as it was.
    """
    folder = context.output / TRAINING
    on_cpu = (context.trainer.accelerator or context.device) == "cpu"
    with seeded(context.seed, exactly=on_cpu), as_first_process() if _is_alone(context) else nullcontext():
        try:
            trainer = _trainer(objective, context, folder, corpus.batches_per_epoch(objective.budget))
            cluster = getattr(trainer.strategy, "cluster_environment", None)
            if cluster is not None:
                # Lightning itself looks only once it trains.
                cluster.validate_settings(num_devices=trainer.num_devices, num_nodes=trainer.num_nodes)
        # ImportError: a package that an accelerator, a strategy or a precision needs. RuntimeError, KeyError: variables
        # of a batch system that contradict each other or are missing.
        except (MisconfigurationException, ValueError, ImportError, RuntimeError) as error:
            raise UsageError(
                f"cannot train so: {error}", "correct the accelerator, devices, strategy or precision"
            ) from error
        except KeyError as error:
            raise UsageError(
                f"cannot train so: the batch system did not set {error}",
                "start one process per device with srun or torchrun, or train with --devices 1",
            ) from error
        # Each process draws augmentation and normalizes batches for its own rows.
        identity = {**identity, "processes": trainer.world_size}
        last = _resumable(folder, context, identity)
        start = 0 if last is None else _batches_done(last)
        shard = Shard(rank=trainer.global_rank, world_size=trainer.world_size)
        loader = corpus.training_loader(objective.budget, start=start, shard=shard)
        with interrupts_passed_on(), full_disk_reported(folder):
            if context.trainer.record and trainer.is_global_zero:
                write_atomically(folder / RUN, (json.dumps(identity, indent=1, sort_keys=True) + "\n").encode())
                _keep_log(folder)
            trainer.fit(
                objective,
                loader,
                corpus.validation_loader(objective.budget),
                ckpt_path=None if last is None else str(last),
                weights_only=True,
            )
        state = trainer.strategy.lightning_module_state_dict()
        prefix = "network."
        network = {n.removeprefix(prefix): value.detach().cpu() for n, value in state.items() if n.startswith(prefix)}
        # The last step may break what the losses before it could not show. All processes stop, not the first alone.
        broken: list[str] = trainer.strategy.broadcast(non_finite(network))
        if broken:
            raise TrainingError(
                f"the last step left NaN or infinite numbers in {first_names(broken)}",
                "lower the learning rate, lengthen the warm-up, or use a wider precision",
            )
        if trainer.is_global_zero:
            export(network)
        trainer.strategy.barrier("checkpoint written")


def _trainer(objective: Objective, context: PretrainContext, folder: Path, steps_per_epoch: int) -> lightning.Trainer:
    options = context.trainer
    _, _, index = context.device.partition(":")
    accumulated = options.accumulate_grad_batches
    epoch = max(1, steps_per_epoch // accumulated)
    callbacks: list[lightning.Callback] = [Monitor(context.report)]
    loggers: list[Logger] = []
    if options.record:
        loggers = [
            CSVLogger(folder, name=None, version="", flush_logs_every_n_steps=20),
            TensorBoardLogger(folder, name=None, version=""),
        ]
        callbacks.append(
            ModelCheckpoint(
                folder,
                filename=LAST.removesuffix(".ckpt"),
                every_n_train_steps=options.checkpoint_every or epoch,
                enable_version_counter=False,
            )
        )
    validate_every = epoch if options.validate_every is None else options.validate_every
    return lightning.Trainer(
        accelerator=_accelerator(context),
        devices=[int(index)] if index and options.accelerator is None else _devices(options.devices),
        num_nodes=options.num_nodes,
        strategy=options.strategy,
        precision=_precision(context),  # type: ignore[arg-type]
        accumulate_grad_batches=accumulated,
        max_steps=objective.steps,
        max_epochs=-1,
        val_check_interval=validate_every * accumulated or 1.0,
        check_val_every_n_epoch=None if validate_every else 1,
        limit_val_batches=1.0 if validate_every else 0,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        callbacks=callbacks,
        plugins=_plugins(context),
        logger=loggers,
        enable_checkpointing=options.record,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=context.output,
    )


def _accelerator(context: PretrainContext) -> str:
    kind = context.device.partition(":")[0]
    return context.trainer.accelerator or ("gpu" if kind == "cuda" else kind)


def _plugins(context: PretrainContext) -> list[Any]:
    """Return what replaces parts of Lightning."""
    # TPUs come with a writer of their own.
    plugins: list[Any] = [] if _accelerator(context) == "tpu" else [AtomicCheckpointIO()]
    return [*plugins, SingleProcessEnvironment()] if _is_alone(context) else plugins


def _is_alone(context: PretrainContext) -> bool:
    """Whether the training is this process alone."""
    options = context.trainer
    if on_one_device(
        device=context.device,
        accelerator=options.accelerator,
        devices=options.devices,
        num_nodes=options.num_nodes,
    ):
        return True
    if options.devices != "auto" or options.num_nodes != 1:
        return False
    return _accelerator(context) in {"gpu", "cuda"} and torch.cuda.device_count() == 1


def _precision(context: PretrainContext) -> str:
    """Return the precision by its full name, so that two names of the same precision are equal."""
    on_gpu = _accelerator(context) in {"gpu", "cuda"}
    asked = context.trainer.precision or ("bf16-mixed" if on_gpu else "32-true")
    return SHORT_PRECISIONS.get(asked, asked)


def _keep_log(folder: Path) -> None:
    """Set the log of an earlier part of the run aside: Lightning's logger would remove it."""
    log = folder / METRICS
    if log.exists():
        log.rename(folder / f"metrics.{1 + len([*folder.glob('metrics.*.csv')])}.csv")


def _devices(words: str) -> int | str | list[int]:
    if words == "auto":
        return words
    try:
        numbers = [int(word) for word in words.split(",")]
    except ValueError:
        raise UsageError(
            f"--devices {words!r} is not a number of devices", "write 2, auto or a list such as 0,2"
        ) from None
    return numbers if "," in words else numbers[0]


def _resumable(folder: Path, context: PretrainContext, identity: Mapping[str, Any]) -> Path | None:
    """Return the checkpoint to continue from."""
    last = folder / LAST
    if not context.trainer.record or not last.is_file():
        return None
    if not context.trainer.resume:
        raise CheckpointError(
            f"{folder} holds a run that was not finished", "continue it with --resume, or choose another --out"
        )
    started = started_with(folder)
    # Through JSON, which knows no tuples.
    wanted = json.loads(json.dumps(identity))
    if started != wanted:
        names = sorted(key for key in started.keys() | wanted.keys() if started.get(key) != wanted.get(key))
        shown = "; ".join(f"{key} was {started.get(key)!r}, now {wanted.get(key)!r}" for key in names)
        raise CheckpointError(
            f"the run in {folder} was started with other settings: {shown}",
            "repeat its command with --resume, or choose another --out",
        )
    return last


def _batches_done(checkpoint: Path) -> int:
    try:
        return int(read_file(checkpoint)["batches"])
    except CheckpointError as error:
        raise CheckpointError(f"cannot resume: {error.what}", "remove it and start again") from error
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"cannot resume: {checkpoint} is not a checkpoint of a training", "remove it and start again"
        ) from error


@contextmanager
def seeded(seed: int, *, exactly: bool) -> Iterator[None]:
    """Seed everything inside and leave the process as it was: random state, deterministic mode, Lightning's voice.

    Args:
        seed: Of the global generators.
        exactly: Refuse operations that do not repeat themselves bit for bit; they exist on accelerators only, where
            deterministic ones are merely preferred.
    """
    voices = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [voice.level for voice in voices]
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    # Without it cuBLAS refuses to work in deterministic mode; it must be there before CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), warnings.catch_warnings():
        # Workers are the caller's choice: embedded data are read faster than they are learnt from.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        # Ours resume by themselves: the stream of batches starts where the run stopped.
        warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
        warnings.filterwarnings("ignore", message=".*exists and is not empty.*")
        warnings.filterwarnings("ignore", message=".*but have no `val_dataloader`.*")
        # Between Lightning and PyTorch; nothing that a user of gairbench could hint.
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        # Said of accelerators in the docs.
        warnings.filterwarnings("ignore", message=".*deterministic.*")
        # What it names as its replacement came long after torch 2.4, the oldest we take.
        warnings.filterwarnings(
            "ignore", message=r"torch\.distributed\.nn\.functional\.all_gather is deprecated", category=FutureWarning
        )
        torch.manual_seed(seed)
        try:
            for voice in voices:
                voice.setLevel(logging.ERROR)
            torch.use_deterministic_algorithms(True, warn_only=not exactly)
            yield
        finally:
            torch.use_deterministic_algorithms(was_deterministic)
            for voice, level in zip(voices, levels, strict=True):
                voice.setLevel(level)
