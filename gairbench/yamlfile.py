"""YAML files that people write, read so that every complaint names the file, the line and the key."""

from __future__ import annotations

import datetime
import difflib
import re
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
        nodes: Each value as it is written.
    """

    def __init__(
        self,
        path: Path,
        line: int,
        name: str,
        values: dict[str, Any],
        lines: dict[str, int],
        nodes: dict[str, yaml.Node],
    ) -> None:
        self.path = path
        self.line = line
        self.name = name
        self.values = values
        self.lines = lines
        self._nodes = nodes

    def __repr__(self) -> str:
        return f"the mapping {{{', '.join(self.values)}}}"

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
            kind: Its type; whole numbers are accepted for ``float``, as is ``1e-3``, and ``bool`` is never a number.
            default: Returned if the key is absent; required if not given.

        Raises:
            UsageError: The key is missing or its value is of another type.
        """
        if key not in self.values:
            if default is ...:
                raise self.error(key, "missing", "add it")
            return default
        value, node = self.values[key], self._nodes[key]
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if float in kinds and str not in kinds and _is_decimal(node):
            return float(node.value)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(_NAMES.get(k, k.__name__) for k in kinds)
            hint = (_quoted(node) if str in kinds else "") or f"write {names}"
            raise self.error(key, f"{_shown(node, value)} is not {names}", hint)
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
        for number, item in enumerate(items):
            if not isinstance(item, str):
                node = self._nodes[key].value[number]
                raise self.error(
                    key, f"{_shown(node, item)} in the list is not a word", _quoted(node) or "write [a, b, c]"
                )
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


def _is_decimal(node: yaml.Node) -> bool:
    """Whether a value is written as an unquoted decimal number; YAML 1.1 reads 0777 as octal and 1:30 as 90."""
    return isinstance(node, yaml.ScalarNode) and node.style is None and re.fullmatch(_DECIMAL, node.value) is not None


def _shown(node: yaml.Node, value: object) -> str:
    """Return a value as it is written, and what YAML makes of it where that is something else."""
    if not isinstance(node, yaml.ScalarNode):
        return repr(value)
    if isinstance(value, str):
        return repr(value)
    if value is None:
        return repr(node.value) if node.value else "nothing"
    read = str(value).lower() if isinstance(value, bool) else str(value)
    kind = next((name for of, name in _READ_AS if isinstance(value, of)), type(value).__name__)
    return f"{node.value} ({kind}" + (f" {read})" if read != node.value else ")")


def _quoted(node: yaml.Node) -> str:
    """Return the advice to quote a value that YAML does not take for a word; empty for what has no quotes to miss."""
    return f"put it in quotes: {node.value!r}" if isinstance(node, yaml.ScalarNode) and node.value else ""


_DECIMAL = r"[-+]?(0|[1-9][0-9_]*|[0-9]*\.[0-9]+|(0|[1-9][0-9_]*)\.[0-9]*)([eE][-+]?[0-9]+)?"

_READ_AS: tuple[tuple[type, str], ...] = (
    (bool, "the truth value"),
    (int, "the number"),
    (float, "the number"),
    (datetime.date, "the date"),
)

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
        nodes: dict[str, yaml.Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise UsageError(
                    f"{path}, line {key_node.start_mark.line + 1}: a key must be plain text", "write 'key: value'"
                )
            # The word as written: YAML 1.1 would make True of 'on'.
            key = str(key_node.value)
            here = key_node.start_mark.line + 1
            if key in values:
                raise UsageError(f"{path}, line {here}: key {key!r} is there twice", "remove one")
            values[key] = _build(path, value_node, f"{name}.{key}" if name else key, loader, (*parents, node))
            lines[key], nodes[key] = here, value_node
        return Section(path, line, name, values, lines, nodes)
    if isinstance(node, yaml.SequenceNode):
        return [_build(path, item, f"{name}[{i}]", loader, (*parents, node)) for i, item in enumerate(node.value)]
    try:
        value = loader.construct_object(node)
    # A date that does not exist, for instance.
    except ValueError as error:
        raise UsageError(f"{path}, line {line}: {error}", "quote it if it is a word") from error
    # Octal numbers, times and infinity: whether a word or a number is meant, it is not this one.
    if type(value) in (int, float) and not _is_decimal(node):
        where = f"{path}, line {line}, key {name!r}: {node.value}"
        raise UsageError(f"{where} is read as {value}", f"put it in quotes, {node.value!r}, or write a decimal number")
    return value
