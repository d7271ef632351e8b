"""Where jobs run: in this process or in workers of it, on Ray, under SLURM. Each engine is one thin adapter."""

from __future__ import annotations

from collections.abc import Iterator

from gairbench import hookimpl
from gairbench.spec import ExecutorOption, ExecutorSpec

_CPUS = ExecutorOption(name="cpus", kind=int, least=1, description="CPU cores of a job [default: 1]")
_GPUS = ExecutorOption(
    name="gpus", kind=float, least=0, description="GPUs of a job that runs a model; others get none [default: 0]"
)
_MEMORY = ExecutorOption(name="memory_gb", kind=float, least=0, description="memory of a job [default: the engine's]")

EXECUTORS = (
    ExecutorSpec(
        name="local",
        factory="gairbench.evaluation.executors.local:make",
        description="This process, or worker processes of it, each with a device.",
        options=(
            ExecutorOption(
                name="workers",
                kind=int,
                least=1,
                description="worker processes [default: one for each device; without devices none, jobs run here]",
            ),
            ExecutorOption(
                name="devices", kind=list, description="devices that the workers share out, as [cuda:0, cuda:1]"
            ),
        ),
    ),
    ExecutorSpec(
        name="ray",
        factory="gairbench.evaluation.executors.ray:RayExecutor",
        description="A Ray cluster, or Ray on this machine.",
        extra="gairbench[ray]",
        options=(
            ExecutorOption(
                name="address",
                kind=str,
                description="address of the cluster, 'auto' for the one that this machine is in"
                " [default: $RAY_ADDRESS, else Ray is started here]",
            ),
            _CPUS,
            _GPUS,
            _MEMORY,
            ExecutorOption(
                name="resources", kind=dict, description="custom resources of a job, as {a100: 1} [default: none]"
            ),
        ),
    ),
    ExecutorSpec(
        name="slurm",
        factory="gairbench.evaluation.executors.slurm:SlurmExecutor",
        description="Job arrays on a SLURM cluster, through submitit.",
        extra="gairbench[slurm]",
        options=(
            ExecutorOption(
                name="cluster", kind=str, description="'slurm', or 'local' to try it without SLURM [default: slurm]"
            ),
            ExecutorOption(name="partition", kind=str, description="partition [default: the cluster's]"),
            ExecutorOption(name="account", kind=str, description="account [default: yours]"),
            ExecutorOption(name="minutes", kind=int, least=1, description="time limit of a job [default: 60]"),
            _CPUS,
            _GPUS,
            _MEMORY,
            ExecutorOption(
                name="parallel", kind=int, least=1, description="jobs of an array that run at once [default: 256]"
            ),
            ExecutorOption(
                name="slurm",
                kind=dict,
                description="further options of sbatch, as {qos: high, constraint: a100} [default: none]",
            ),
            ExecutorOption(
                name="setup", kind=list, description="shell lines that run first on the node, as [module load cuda]"
            ),
        ),
    ),
)


@hookimpl
def register_executors() -> Iterator[ExecutorSpec]:
    """Yield the built-in executors."""
    yield from EXECUTORS
