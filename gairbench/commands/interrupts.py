"""Ctrl-C and SIGTERM: scratch files are cleaned up, and the user reads what is safe and how to continue."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems send it at the end of a job's time; it cleans up as Ctrl-C does."""


_received: list[type[KeyboardInterrupt]] = []
"""The signals that have come, as what they raise: libraries swallow exceptions or turn them into others."""


def watch_signals() -> None:
    """Let SIGTERM raise like Ctrl-C; signals that the process was started to ignore stay ignored."""
    _received.clear()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _stop)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _stop)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _send_again


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    kind = Terminated if number == signal.SIGTERM else KeyboardInterrupt
    _received.append(kind)
    raise kind


_A_MOMENT = 0.05
"""Seconds until a swallowed signal is sent again: by then the code that cannot raise has returned."""


def _send_again(unraisable: UnraisableHookArgs) -> None:
    """Send a signal again that came where nothing can be raised, as in a finalizer or while a process is forked."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    number = signal.SIGTERM if issubclass(unraisable.exc_type, Terminated) else signal.SIGINT
    timer = threading.Timer(_A_MOMENT, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()


def as_interrupt(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt that an exception is or comes from, with its notes; ``None`` if it has another cause."""
    if isinstance(error, KeyboardInterrupt):
        return error
    if not _received:
        return None
    interrupt = _received[0]()
    for note in getattr(error, "__notes__", ()):
        interrupt.add_note(note)
    return interrupt


@contextmanager
def if_interrupted(note: Callable[[], str]) -> Iterator[None]:
    """Let an interrupt of the block carry a note.

    Args:
        note: Returns what is safe and how to continue, one line without a full stop; called if it comes to that.
    """
    try:
        yield
    except BaseException as error:
        interrupt = as_interrupt(error)
        if interrupt is None:
            raise
        interrupt.add_note(note())
        raise interrupt from error.__cause__
