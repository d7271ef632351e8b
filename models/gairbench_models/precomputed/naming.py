"""Paths with options, as ``--model`` takes them, and the names that they have in tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from gairbench.errors import UsageError
from gairbench.selection import unknown

_OPTIONS = re.compile(r"(.+?)((?::[a-z]+=[^:]*)*)")


def path_and_options(prefix: str, rest: str, known: Collection[str]) -> tuple[str, dict[str, str]]:
    """Split what stands after a pattern's colon.

    Args:
        prefix: Of the pattern, for messages.
        rest: ``"PATH[:OPTION=VALUE]..."``.
        known: The options that there are.

    Raises:
        UsageError: There is no path, or an option is not known, given twice or empty.

    Example:
        >>> path_and_options("table", "out.parquet:column=rs:by=id", ("column", "by"))
        ('out.parquet', {'column': 'rs', 'by': 'id'})
    """
    found = _OPTIONS.fullmatch(rest)
    if found is None:
        raise UsageError(f"{prefix}:{rest} names no file", f"write {prefix}:PATH")
    options: dict[str, str] = {}
    for part in found[2].split(":")[1:]:
        key, _, value = part.partition("=")
        if key not in known:
            raise unknown("option", key, known, of=f"of {prefix}:PATH")
        if key in options or not value:
            raise UsageError(
                f"{prefix}:{rest}: option {key!r} is {'there twice' if key in options else 'empty'}", "correct it"
            )
        options[key] = value
    return found[1], options


def short_name(prefix: str, path: str, options: Iterable[str]) -> str:
    """Return what a file with options is called in tables: by the file's name alone.

    Raises:
        UsageError: The file's name has nothing that a name could be made of.

    Example:
        >>> short_name("table", "/data/my table.parquet", ["rs"])
        'table:my-table.rs'
    """
    words = [re.sub(r"[^A-Za-z0-9]+", "-", word).strip("-") for word in (Path(path).stem, *options)]
    if not words[0]:
        raise UsageError(f"the name of {path} has neither letters nor digits", "rename the file")
    return f"{prefix}:{'.'.join(filter(None, words))}"
