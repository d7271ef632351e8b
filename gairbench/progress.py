"""Show what runs, how far it is and how long it will take: bars on a terminal, log lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

LOG_SECONDS = 10.0
"""Least time between two log lines of one step."""


class Step(Protocol):
    """Called with how many of how many units are done, and a short note."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show the state of the step."""
        ...


class Progress:
    """Report the steps of a run.

    Args:
        console: Where to write; bars if it is a terminal, plain lines otherwise.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, line: str) -> None:
        """Print one line, above a bar if there is one."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def step(self, label: str) -> Iterator[Step]:
        """Show one step while the block runs."""
        if not self._console.is_terminal:
            yield _LogLines(self, label)
            return
        columns = [
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        ]
        with Bars(*columns, console=self._console, transient=True) as bars:
            task = bars.add_task(label, total=None, note="")

            def show(done: int, total: int, note: str = "") -> None:
                bars.update(task, completed=done, total=total, note=note)

            yield show


class _LogLines:
    """A step as log lines: at its start, every few seconds, and at its end."""

    def __init__(self, progress: Progress, label: str) -> None:
        self._progress = progress
        self._label = label
        self._start = self._last = time.monotonic()
        progress.say(f"{label} ...")

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if done < total and now - self._last < LOG_SECONDS:
            return
        self._last = now
        passed = now - self._start
        left = passed / done * (total - done) if done else float("nan")
        self._progress.say(
            f"{self._label}: {done}/{total} ({done / max(total, 1):.0%}), {passed:.0f} s passed, {left:.0f} s left"
            + (f", {note}" if note else "")
        )
