"""YAML files that people write, read so that every complaint names the file, the line and the key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from gairbench.errors import UsageError


class Section:
    """One mapping of a YAML file.

    Args:
        path: The file.
        line: Where the mapping starts, counted from 1.
        name: Dotted key of the mapping; empty for the whole file.
        values: Its values; nested mappings are sections.
        lines: Line of each key.
    """

    def __init__(self, path: Path, line: int, name: str, values: dict[str, Any], lines: dict[str, int]) -> None:
        self.path = path
        self.line = line
        self.name = name
        self.values = values
        self.lines = lines

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def error(self, key: str, what: str, hint: str) -> UsageError:
        """Return a complaint about a key."""
        dotted = f"{self.name}.{key}" if self.name else key
        return UsageError(f"{self.path}, line {self.lines.get(key, self.line)}, key {dotted!r}: {what}", hint)

    def only(self, *known: str) -> None:
        """Refuse keys other than these.

        Raises:
            UsageError: There is another key; the nearest known one is named.
        """
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
                raise self.error(key, "unknown key", hint)

    def get(self, key: str, kind: type[Any] | tuple[type[Any], ...], default: Any = ...) -> Any:
        """Return a value of the right type.

        Args:
            key: Its key.
            kind: Its type; whole numbers are accepted for ``float``, and ``bool`` is never a number.
            default: Returned if the key is absent; required if not given.

        Raises:
            UsageError: The key is missing or its value is of another type.
        """
        if key not in self.values:
            if default is ...:
                raise self.error(key, "missing", "add it")
            return default
        value = self.values[key]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if float in kinds and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(_NAMES.get(k, k.__name__) for k in kinds)
            raise self.error(key, f"{value!r} is not {names}", f"write {names}")
        return value

    def choice(self, key: str, options: Iterable[str], default: Any = ...) -> str:
        """Return one of several words.

        Raises:
            UsageError: It is missing or none of them; the nearest is named.
        """
        value: str = self.get(key, str, default)
        known = [str(option) for option in options]
        if key in self.values and value not in known:
            near = difflib.get_close_matches(value, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
            raise self.error(key, f"unknown {key} {value!r}", hint)
        return value

    def texts(self, key: str, default: Any = ...) -> list[str]:
        """Return a list of words; a single word is a list of one.

        Raises:
            UsageError: It is missing or holds something else.
        """
        value = self.get(key, (str, list), default)
        items = [value] if isinstance(value, str) else value
        if not all(isinstance(item, str) for item in items):
            raise self.error(key, f"{value!r} is not a list of words", "write [a, b, c]")
        return list(items)

    def sections(self, key: str) -> list[Section]:
        """Return a list of mappings; empty if the key is absent.

        Raises:
            UsageError: It holds something else.
        """
        items = self.get(key, list, [])
        for item in items:
            if not isinstance(item, Section):
                raise self.error(key, f"{item!r} is not a mapping", "write '- key: value' items")
        return list(items)


_NAMES = {
    str: "a word",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    Section: "a mapping",
}


def load_yaml(path: Path) -> Section:
    """Read a YAML file whose top level is a mapping.

    Only plain YAML is accepted: no tags that build objects, no key twice.

    Raises:
        UsageError: The file cannot be read or is not such YAML; line and column are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}", "name an existing UTF-8 YAML file") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = _build(path, root, "", yaml.SafeLoader(text), ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{path}{where}: {error.problem or error.context}", "correct the YAML") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: {error}", "correct the YAML") from error
    if not isinstance(value, Section):
        raise UsageError(f"{path} is not a mapping", "write 'key: value' lines at its top level")
    return value


def _build(path: Path, node: yaml.Node, name: str, loader: yaml.SafeLoader, parents: tuple[yaml.Node, ...]) -> Any:
    line = node.start_mark.line + 1
    if node in parents:
        raise UsageError(f"{path}, line {line}: an alias stands for something that contains it", "write it out")
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(f"{path}, line {key_node.start_mark.line + 1}: a key is no word", "write 'key: value'")
            # The word as written: YAML 1.1 would make True of 'on'.
            key = str(key_node.value)
            here = key_node.start_mark.line + 1
            if key in values:
                raise UsageError(f"{path}, line {here}: key {key!r} is there twice", "remove one")
            values[key] = _build(path, value_node, f"{name}.{key}" if name else key, loader, (*parents, node))
            lines[key] = here
        return Section(path, line, name, values, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_build(path, item, f"{name}[{i}]", loader, (*parents, node)) for i, item in enumerate(node.value)]
    try:
        return loader.construct_object(node)
    # A date that does not exist, for instance.
    except ValueError as error:
        raise UsageError(f"{path}, line {line}: {error}", "quote it if it is a word") from error
