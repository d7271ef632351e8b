"""Standard output: what a command is for goes there, and can always be written or is reported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from gairbench.errors import StorageError


def show(text: str) -> None:
    """Print text to standard output at once.

    A reader that has gone away (``| head``) ends the output and not the command.

    Raises:
        StorageError: Standard output cannot be written, for instance because the disk is full.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        mute()
    except OSError as error:
        mute()
        raise StorageError(
            f"cannot write to standard output: {error.strerror or error}", "free space, or send the output elsewhere"
        ) from error


def make_tolerant() -> None:
    """Let standard output and error replace characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def holds_unicode() -> bool:
    """Whether standard output can hold any character."""
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def mute() -> None:
    """Send what is still buffered, and all that follows, nowhere: it would fail again when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    # A stream without a file, for instance of a test.
    except (OSError, ValueError):
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (it stays open until Python ends)
    finally:
        os.close(nowhere)
