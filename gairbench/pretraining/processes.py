"""Which process of a training this is. Light: it is asked before anything heavy is imported."""

from __future__ import annotations

import os

RANKS = (
    "RANK",
    "LOCAL_RANK",
    "NODE_RANK",
    "GROUP_RANK",
    "SLURM_PROCID",
    "JSM_NAMESPACE_RANK",
    "OMPI_COMM_WORLD_RANK",
    "PMI_RANK",
)
"""Variables by which launchers number processes: torchrun, Lightning, SLURM, LSF and MPI."""


def on_one_device(*, device: str, accelerator: str | None, devices: str, num_nodes: int) -> bool:
    """Whether a training runs in one process, whatever a batch system's variables say of this one.

    Args:
        device: As torch names it; one with a number is one device.
        accelerator: Lightning's, in place of ``device``.
        devices: Lightning's devices on each node; ``"auto"`` may be several.
        num_nodes: Nodes.
    """
    named = accelerator is None and ":" in device
    return num_nodes == 1 and (named or devices.strip() == "1")


def is_first_process() -> bool:
    """Whether no launcher says that this is a further process of a training."""
    return all(os.environ.get(name, "0").strip() in ("", "0") for name in RANKS)
