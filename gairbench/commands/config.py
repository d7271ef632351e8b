"""Read a request's fields from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gairbench.requests import checked, options
from gairbench.yamlfile import Section, load_yaml


def load_config(kind: type[Any], path: Path) -> dict[str, Any]:
    """Read what a YAML file says of a request; its keys are the option names, with ``-`` or ``_``.

    Relative paths are relative to the current folder, as on the command line.

    Args:
        kind: The request's dataclass.
        path: The file.

    Returns:
        The values that the file has, by field.

    Raises:
        UsageError: The file, a key or a value is wrong; line and key are named.
    """
    section = load_yaml(path)
    for key in [key for key in section.values if "-" in key]:
        field = key.replace("-", "_")
        if field in section.values:
            raise section.error(key, f"the same as {field!r}, which is there too", "remove one")
        section.values[field] = section.values.pop(key)
        section.lines[field] = section.lines[key]
    section.only(*options(kind))
    for key, value in section.values.items():
        if value is None:
            raise section.error(key, "has no value", "write one, or remove the line")
    return checked(kind, {key: _plain(value) for key, value in section.values.items()}, section.error)


def _plain(value: Any) -> Any:
    return {key: _plain(item) for key, item in value.values.items()} if isinstance(value, Section) else value
