"""What a process does that is not the one that made the plan: take a call, do it, return what came of it."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from gairbench.environment import use_threads
from gairbench.errors import StorageError, UsageError
from gairbench.evaluation import jobs
from gairbench.evaluation.cells import EmbedJob, EvaluateJob, IdentifyJob, PretrainJob
from gairbench.evaluation.jobs import Evaluated, Failure, Memory, Site
from gairbench.progress import Progress
from gairbench.results import UsedWeights


@dataclass(frozen=True, slots=True)
class Stop:
    """The whole run must stop: for instance the disk is full, or there is no such device."""

    error: StorageError | UsageError


@dataclass(frozen=True, slots=True)
class Work:
    """A call that can be pickled.

    Args:
        task: A job to pre-train, to identify or to evaluate, or jobs to embed with one model.
        site: The run's site.
        pretrained: Seconds that pre-training took, for the record of a cell.
    """

    task: PretrainJob | IdentifyJob | Sequence[EmbedJob] | EvaluateJob
    site: Site
    pretrained: float | None = None

    def __call__(self, device: str | None = None) -> Any:
        """Do it in a process that has no state of the run, and free the model afterwards."""
        site = replace(self.site, device=device or self.site.device)
        logging.basicConfig(format="gairbench: %(levelname)s: %(message)s", stream=sys.stderr)
        warnings.showwarning = _log_warning
        if site.threads is not None:
            # As many as the process that made the plan would.
            use_threads(site.threads)
        memory = Memory(site)
        return self.do(site, memory, Progress(Console(stderr=True, force_terminal=False, width=200)))

    def do(
        self, site: Site, memory: Memory, progress: Progress
    ) -> float | UsedWeights | dict[str, Failure] | Evaluated | Failure | Stop:
        """Do it with what a process keeps between calls."""
        try:
            if isinstance(self.task, PretrainJob):
                return jobs.run_pretrain_job(self.task, site, memory, progress)
            if isinstance(self.task, IdentifyJob):
                return jobs.run_identify_job(self.task, site, memory)
            if isinstance(self.task, EvaluateJob):
                return jobs.run_evaluate_job(self.task, site, memory, self.pretrained)
            return jobs.embed_views(self.task, site, memory, progress)
        except (StorageError, UsageError) as error:
            return Stop(error)


def _log_warning(message: Warning | str, *where: object, **more: object) -> None:
    """Show a warning as one line, without the code it comes from."""
    del where, more
    logging.getLogger("gairbench").warning("%s", message)
