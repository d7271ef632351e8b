"""Which process of a training this is. Light: it is asked before anything heavy is imported."""

from __future__ import annotations

import os

from gairbench.errors import UsageError

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
    only = devices.strip() == "auto" and (accelerator or device) in ("cpu", "mps")
    return num_nodes == 1 and (named or only or devices.strip() == "1")


def check_ranks() -> None:
    """Refuse variables that do not hold numbers: Lightning reads them when it is imported.

    Raises:
        UsageError: One of them does not.
    """
    for name in RANKS:
        value = os.environ.get(name, "0")
        if not value.strip().isdecimal():
            raise UsageError(
                f"the environment variable {name} is {value!r}, and launchers number processes with it",
                f"unset it: env -u {name} gairbench ...",
            )


def is_first_process() -> bool:
    """Whether no launcher says that this is a further process of a training."""
    return all(os.environ.get(name, "0").strip() == "0" for name in RANKS)
