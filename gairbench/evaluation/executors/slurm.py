"""Jobs as arrays on a SLURM cluster, through submitit."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError

from gairbench.errors import UsageError, WorkerLostError
from gairbench.isolation import Ended
from gairbench.protocols import Call, Submitted
from gairbench.selection import unknown
from gairbench.spec import ExecutorContext

CLUSTERS = ("slurm", "local")

MINUTES = 60


class SlurmExecutor:
    """Calls that are submitted together become one job array.

    Args:
        context: The options, and the folder of scripts and logs.

    Raises:
        UsageError: SLURM is not here, or does not take the options.
    """

    in_process = False

    def __init__(self, context: ExecutorContext) -> None:
        options = context.options
        cluster = options.get("cluster", "slurm")
        if cluster not in CLUSTERS:
            raise unknown("cluster of executor 'slurm'", cluster, CLUSTERS)
        if cluster == "slurm" and shutil.which("srun") is None:
            raise UsageError("executor 'slurm': srun is not on PATH", "run on a login node, or write 'cluster: local'")
        # A cluster queues by itself; without one, this machine would start everything at once.
        self.slots: int | None = None if cluster == "slurm" else options.get("parallel", os.cpu_count() or 1)
        self._gpus = int(options.get("gpus", 0))
        self._executor = submitit.AutoExecutor(folder=context.folder, cluster=cluster)
        parameters = {
            "name": "gairbench",
            "timeout_min": options.get("minutes", MINUTES),
            "cpus_per_task": options.get("cpus", 1),
            "mem_gb": options.get("memory_gb"),
            "slurm_partition": options.get("partition"),
            "slurm_account": options.get("account"),
            "slurm_array_parallelism": options.get("parallel"),
            "slurm_setup": options.get("setup"),
            "slurm_additional_parameters": options.get("slurm"),
        }
        self._executor.update_parameters(**{name: value for name, value in parameters.items() if value is not None})
        self._jobs: list[_Job] = []

    def submit(self, calls: Sequence[Call]) -> Sequence[Submitted]:
        """Submit one array for the calls that get GPUs and one for the others."""
        taken: dict[int, _Job] = {}
        for accelerated in (True, False):
            chosen = [number for number, call in enumerate(calls) if call.accelerated is accelerated]
            if not chosen:
                continue
            if self._gpus:
                self._executor.update_parameters(gpus_per_node=self._gpus if accelerated else 0)
            functions = [_OnNode(calls[number].function, None if accelerated else "cpu") for number in chosen]
            try:
                submitted = self._executor.submit_array(functions)
            except FailedSubmissionError as error:
                reason = str(error).strip().splitlines()[-1]
                raise UsageError(
                    f"executor 'slurm': sbatch refuses the job: {reason}", "correct its options"
                ) from error
            taken |= {number: _Job(job) for number, job in zip(chosen, submitted, strict=True)}
        jobs = [taken[number] for number in range(len(calls))]
        self._jobs += jobs
        return jobs

    def stop(self) -> None:
        """Cancel the jobs that have not ended."""
        for job in self._jobs:
            if not job.done():
                job.job.cancel(check=False)
        self._jobs.clear()


@dataclass(frozen=True, slots=True)
class _Job:
    job: submitit.Job[Any]

    def done(self) -> bool:
        return self.job.done()

    def result(self) -> Any:
        try:
            return self.job.result()
        except FailedJobError:
            raise
        except UncompletedJobError as error:
            raise WorkerLostError(
                f"SLURM job {self.job.job_id} ended without a result ({self.job.state})",
                f"its log is {self.job.paths.stderr}",
            ) from error


@dataclass(frozen=True, slots=True)
class _OnNode:
    """A call on a node. A job whose time runs out, or that is preempted, ends at once: the runner submits it again."""

    function: Callable[[str | None], Any]
    device: str | None

    def __call__(self) -> Any:
        for name in ("SIGTERM", "SIGUSR1", "SIGUSR2"):
            # submitit's handlers would raise in the middle of a plugin, as if it were the plugin's fault.
            signal.signal(getattr(signal, name), _end)
        return self.function(self.device)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Ended(143)
