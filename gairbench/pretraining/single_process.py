"""Train in one process, also within a job of a batch system that would take it for one of many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only


class SingleProcessEnvironment(LightningEnvironment):
    """A cluster of this process alone.

    Lightning guesses the cluster from the variables of torchrun, SLURM, LSF and MPI. They describe the job, not the
    training: a job of four tasks may start one training, or four that have nothing to do with each other.
    """

    @property
    def creates_processes_externally(self) -> bool:
        """Nobody starts further processes."""
        return True

    def local_rank(self) -> int:
        """Return 0, whatever ``LOCAL_RANK`` says."""
        return 0

    def node_rank(self) -> int:
        """Return 0, whatever ``NODE_RANK`` says."""
        return 0

    def teardown(self) -> None:
        """Leave the batch system's variables as they are."""


@contextmanager
def as_first_process() -> Iterator[None]:
    """Let Lightning log in the block: it silences a process that a batch system's variables give another number."""
    # An attribute of a function, set when Lightning is imported.
    kept: dict[str, int] = vars(rank_zero_only)
    rank = kept["rank"]
    kept["rank"] = 0
    try:
        yield
    finally:
        kept["rank"] = rank
