"""Keys of task files that name files below the data root, and what becomes of what is missing there."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Literal, cast

from gairbench.taskfiles.declaration import PLACEHOLDER
from gairbench.yamlfile import Section

Missing = Literal["refuse", "drop"]


def missing_rule(section: Section) -> Missing:
    """Return what becomes of rows whose image or partner is missing.

    Raises:
        UsageError: It is another word.
    """
    return cast(Missing, section.choice("missing", ["refuse", "drop"], "refuse"))


def relative_path(section: Section, key: str) -> str:
    """Return a path below the data root.

    Raises:
        UsageError: It is missing, or leads out of the data root.
    """
    path: str = section.get(key, str)
    refuse_leaving(section, key, path)
    return path


def refuse_leaving(section: Section, key: str, path: str) -> None:
    """Refuse a path that leads out of the data root.

    Raises:
        UsageError: It does.
    """
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise section.error(key, f"{path!r} leaves the data root", "give a path relative to --data-root")


def check_template(section: Section, key: str, template: str) -> None:
    """Refuse a template of paths that names no column, or has a brace too many.

    Raises:
        UsageError: It is such a template.
    """
    literal = PLACEHOLDER.sub("", template)
    if not PLACEHOLDER.search(template) or "{" in literal or "}" in literal:
        raise section.error(key, f"{template!r} names no column", "write for instance '{uuid}.jpeg'")
