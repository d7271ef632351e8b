"""Let Ctrl-C pass through Lightning, which ends the program with status 1 and ignores further signals."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_passed_on() -> Iterator[None]:
    """Raise the ``KeyboardInterrupt`` that Lightning made a ``SystemExit`` of, and keep Python's signal handlers.

    Raises:
        KeyboardInterrupt: The block was interrupted.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
    finally:
        # Only the main thread may set handlers, and only there does Lightning set its own.
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                if handler is not None:
                    signal.signal(number, handler)
