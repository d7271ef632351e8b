"""One rule for comparing names: of files, columns, labels and samples."""

from __future__ import annotations

import os
import unicodedata
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote


def composed(text: str) -> str:
    """Return a text in Unicode's composed form (NFC).

    macOS writes "é" as two characters and Linux as one; both print alike.
    """
    return unicodedata.normalize("NFC", text)


def plain_name(text: str) -> str:
    """Return a name as it is compared and printed: composed, without surrounding blanks; case is kept."""
    return composed(text).strip()


def in_path(name: str) -> str:
    """Return a model's name as part of a path: some systems allow no colon in it, and no registered name has a plus.

    Example:
        >>> in_path("timm:resnet18.a1_in1k")
        'timm+resnet18.a1_in1k'
    """
    return name.replace(":", "+")


def quoted_in_path(text: str) -> str:
    """Return any text as part of a path: what some system forbids in it is quoted, and a long one is cut.

    Example:
        >>> quoted_in_path("leave:country=South Africa")
        'leave+country=South%20Africa'
    """
    # Each part by itself: a plus stands for the colon alone, and one of the text is quoted.
    quoted = "+".join(quote(part, safe="=") for part in text.split(":"))
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:_LONGEST]}~{sha256(text.encode()).hexdigest()[:12]}"


_LONGEST = 80


def printable(path: Path | str) -> str:
    """Return a path as text that can be printed anywhere; a byte that is not UTF-8 is shown by its number."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
