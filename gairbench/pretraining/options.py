"""How training is carried out, as opposed to what is trained: devices, precision, logs, checkpoints, sampling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainerOptions:
    """Options of ``gairbench pretrain`` that any recipe on Lightning understands; the first six are Lightning's own.

    Args:
        accelerator: ``"cpu"``, ``"gpu"`` ...; ``None``: from the context's device.
        devices: Processes on each node, one per device: a number, ``"auto"`` or a list such as ``"0,2"``.
        num_nodes: Nodes.
        strategy: ``"auto"``, ``"ddp"``, ``"fsdp"`` ...
        precision: ``"32-true"``, ``"bf16-mixed"``, ``"16-mixed"``; ``None``: bfloat16 autocast on CUDA, else float32.
        accumulate_grad_batches: Batches whose gradients are summed into one optimizer step.
        num_workers: Processes that load data; 0 loads in the training process.
        record: Write logs and resumable checkpoints into ``<output>/training``.
        resume: Continue from ``<output>/training/last.ckpt`` where there is one.
        checkpoint_every: Optimizer steps between checkpoints; ``None``: once an epoch.
        validate_every: Optimizer steps between validations on held-out samples; ``None``: once an epoch; 0: no sample
            is held out.
        balance: Sample every occupied cell alike: ``"grid:5"`` (degrees) or ``"h3:3"`` (H3 resolution).
    """

    accelerator: str | None = None
    devices: str = "1"
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str | None = None
    accumulate_grad_batches: int = 1
    num_workers: int = 0
    record: bool = False
    resume: bool = False
    checkpoint_every: int | None = None
    validate_every: int | None = 0
    balance: str | None = None
