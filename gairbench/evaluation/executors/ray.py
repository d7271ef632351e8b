"""Jobs on a Ray cluster, or on Ray started on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray import exceptions

from gairbench.errors import UsageError, WorkerLostError
from gairbench.protocols import Call, Submitted
from gairbench.spec import ExecutorContext


class RayExecutor:
    """Every call is one Ray task with the resources that the options name; Ray queues and places them.

    Args:
        context: The options.

    Raises:
        UsageError: There is no cluster at the address, or Ray was started here and lacks the resources.
    """

    in_process = False
    slots: int | None = None

    def __init__(self, context: ExecutorContext) -> None:
        options = context.options
        self._resources: dict[str, Any] = {
            "num_cpus": options.get("cpus", 1),
            "resources": {name: float(amount) for name, amount in options.get("resources", {}).items()},
        }
        if "memory_gb" in options:
            self._resources["memory"] = int(options["memory_gb"] * 2**30)
        self._gpus: float = options.get("gpus", 0)
        # A program that has connected to Ray keeps its connection.
        self._ours = not ray.is_initialized()
        address = options.get("address") or os.environ.get("RAY_ADDRESS")
        if self._ours:
            try:
                ray.init(
                    address=address or "local",
                    include_dashboard=None if address else False,
                    logging_level=logging.WARNING,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UsageError(
                    f"executor 'ray': no cluster at {address!r}: {str(error).splitlines()[0]}",
                    "start one with 'ray start --head', or leave 'address' out to start Ray here",
                ) from error
        if address is None:
            self._check_resources()
        # The runner retries: it knows which faults are the machinery's.
        self._run = ray.remote(max_retries=0)(_run)
        self._submitted: list[_Task] = []

    def _check_resources(self) -> None:
        """Refuse what no node has: Ray would wait for a cluster to grow."""
        wanted = {"CPU": self._resources["num_cpus"], "GPU": self._gpus, **self._resources["resources"]}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        if not any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
            self.stop()
            asked = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
            raise UsageError(f"executor 'ray': no node has {asked}", "ask for less, or name a cluster with 'address'")

    def submit(self, calls: Sequence[Call]) -> Sequence[Submitted]:
        """Hand the calls to Ray."""
        tasks = []
        for call in calls:
            options = self._resources | {"num_gpus": self._gpus if call.accelerated else 0, "name": call.label}
            tasks.append(_Task(self._run.options(**options).remote(call.function, None if call.accelerated else "cpu")))
        self._submitted += tasks
        return tasks

    def stop(self) -> None:
        """Cancel what runs, and end Ray if it was started here."""
        if not ray.is_initialized():
            return
        for task in self._submitted:
            if not task.done():
                ray.cancel(task.reference, force=True)
        self._submitted.clear()
        if self._ours:
            ray.shutdown()


@dataclass(frozen=True, slots=True)
class _Task:
    reference: Any

    def done(self) -> bool:
        ready, _ = ray.wait([self.reference], timeout=0)
        return bool(ready)

    def result(self) -> Any:
        try:
            return ray.get(self.reference)
        except exceptions.RayTaskError:
            raise
        except exceptions.RayError as error:
            reason = str(error).strip().splitlines()[0]
            raise WorkerLostError(f"Ray lost a worker: {type(error).__name__}: {reason}", "") from error


def _run(function: Any, device: str | None) -> Any:
    return function(device)
