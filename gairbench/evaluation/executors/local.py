"""Jobs in this process, or in worker processes of it that share out devices."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any

from gairbench.errors import WorkerLostError
from gairbench.isolation import Ended
from gairbench.protocols import Call, Executor, Submitted
from gairbench.spec import ExecutorContext

GRACE = 10.0
"""Seconds that a worker has to put files in order before it is killed."""


def make(context: ExecutorContext) -> Executor:
    """Return the executor that the options ask for."""
    devices: list[str] = context.options.get("devices", [])
    workers: int = context.options.get("workers", len(devices))
    return Workers(workers, devices) if workers > 1 or devices else InProcess()


@dataclass(frozen=True, slots=True)
class _Done:
    value: Any

    def done(self) -> bool:
        return True

    def result(self) -> Any:
        return self.value


class InProcess:
    """Calls run while they are submitted."""

    in_process = True
    slots: int | None = 1

    def submit(self, calls: Sequence[Call]) -> Sequence[Submitted]:
        """Run the calls."""
        return [_Done(call.function(None)) for call in calls]

    def stop(self) -> None:
        """Do nothing: nothing is left running."""


class Workers:
    """Processes with one call at a time each; one that dies takes its own call along and no other.

    Args:
        workers: How many.
        devices: Devices that they share out; empty: each uses the run's device.
    """

    in_process = False

    def __init__(self, workers: int, devices: Sequence[str]) -> None:
        self.slots: int | None = workers
        self._workers = [_Worker(devices[n % len(devices)] if devices else None) for n in range(workers)]

    def submit(self, calls: Sequence[Call]) -> Sequence[Submitted]:
        """Give each call to an idle worker."""
        idle = [worker for worker in self._workers if worker.idle()]
        return [worker.start(call) for worker, call in zip(idle, calls, strict=False)]

    def stop(self) -> None:
        """End the workers, which put their files in order first."""
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.end()


@dataclass(slots=True)
class _Worker:
    """One process in a pool of its own: the standard library gives up a whole pool when one process of it dies."""

    device: str | None
    pool: ProcessPoolExecutor | None = None
    process: BaseProcess | None = None
    running: Future[Any] | None = field(default=None)

    def idle(self) -> bool:
        return self.running is None or self.running.done()

    def start(self, call: Call) -> Submitted:
        if self.pool is None or self.process is None or not self.process.is_alive():
            self.end()
            before = set(multiprocessing.active_children())
            # Not forked: threads and CUDA do not survive a fork.
            self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
            self.running = self.pool.submit(call.function, self.device)
            (self.process,) = set(multiprocessing.active_children()) - before
        else:
            self.running = self.pool.submit(call.function, self.device)
        return _Running(self.running)

    def terminate(self) -> None:
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
        # An idle worker ends by itself.
        if self.process is not None and not self.idle() and self.process.is_alive():
            self.process.terminate()

    def end(self) -> None:
        self.terminate()
        if self.process is not None:
            self.process.join(GRACE)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
        if self.pool is not None:
            self.pool.shutdown(wait=True)
        self.pool = self.process = None


@dataclass(frozen=True, slots=True)
class _Running:
    future: Future[Any]

    def done(self) -> bool:
        return self.future.done()

    def result(self) -> Any:
        try:
            return self.future.result()
        except (BrokenProcessPool, Ended) as error:
            raise WorkerLostError("a worker process died", "it was killed, or memory ran out") from error


def _begin() -> None:
    """Prepare a worker: Ctrl-C is for the process that gives it work, and it never outlives that one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with_parent, name="gairbench-parent", daemon=True).start()


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Ended(143)  # an exception, so that files are put in order


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(GRACE)
    os._exit(1)
