"""A boundary around the reading of one file: whatever a library raises, a broken file is an error in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gairbench.errors import DataError, GairbenchError


@contextmanager
def reading(path: Path, what: str, hint: str) -> Iterator[None]:
    """Report any error of a block that reads a file as an error of that file.

    Libraries raise more types than their documentation lists, so no list of types is kept here.

    Args:
        path: The file.
        what: What it is, for instance ``"table"``.
        hint: What to do about it.

    Raises:
        DataError: In place of any other exception but those of gairbench and the lack of memory.
    """
    try:
        yield
    except (GairbenchError, MemoryError):
        raise
    except Exception as error:
        raise DataError(f"cannot read {what} {path}: {_reason(error)}", hint) from error


def _reason(error: BaseException) -> str:
    """Return what went wrong first, in one line: GDAL hands over what it met as a chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
