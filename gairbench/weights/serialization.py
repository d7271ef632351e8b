"""Dataclasses of plain values to JSON and strictly back: model configurations and declared inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from gairbench.digests import plain
from gairbench.field_types import added_later
from gairbench.inputs import ImageInput, Input, LocationInput

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Return a dataclass instance, or a sequence of them, as JSON's types."""
    return json.loads(json.dumps(plain(value)))


def from_json(kind: type[T], value: Any) -> T:
    """Build a dataclass from what :func:`to_json` made of it.

    Args:
        kind: The dataclass. Its fields are numbers, texts, truth values, enumerations, literals, tuples of one type,
            optional ones, and dataclasses of such.
        value: Parsed JSON.

    Raises:
        ValueError: A field is missing, unknown or of another type, or the dataclass refuses it; its place is named.
    """
    return cast(T, _decode(kind, value, ""))


def inputs_from_json(value: Any) -> tuple[Input, ...]:
    """Build the inputs of a model from their JSON.

    Raises:
        ValueError: They are not inputs; the place is named.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError(f"inputs are {value!r}, not a list of declarations")
    return tuple(
        _decode(LocationInput if isinstance(v, dict) and v.get("modality") == "location" else ImageInput, v, f"[{i}]")
        for i, v in enumerate(value)
    )


def _decode(kind: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if origin in (Union, UnionType):
        return _decode_union(inner, value, where)
    if origin is Literal:
        found = next((choice for choice in inner if choice == value), None)
        if found is None:
            raise ValueError(f"{where or 'it'} is {value!r}, expected one of {', '.join(map(repr, inner))}")
        return found
    if origin is tuple and isinstance(value, list):
        if Ellipsis not in inner and len(value) != len(inner):
            raise ValueError(f"{where or 'it'} has {len(value)} entries, expected {len(inner)}")
        return tuple(_decode(inner[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if isinstance(kind, type) and issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"{where} is {value!r}, expected one of {', '.join(str(k.value) for k in kind)}") from None
    if kind is float and type(value) in (int, float):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"{where or 'it'} is {value!r}, expected {getattr(kind, '__name__', kind)}")


def _decode_union(kinds: Sequence[Any], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    problems = []
    for kind in kinds:
        try:
            return _decode(kind, value, where)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(problems[0])


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where or kind.__name__} is {value!r}, expected an object")
    hints = get_type_hints(kind)
    known = {f.name: f for f in fields(kind)}
    dot = f"{where}." if where else ""
    for name in value:
        if name not in known:
            raise ValueError(f"{dot}{name} is unknown")
    for name, one in known.items():
        if name not in value and not added_later(one):
            raise ValueError(f"{dot}{name} is missing")
    decoded = {name: _decode(hints[name], value[name], f"{dot}{name}") for name in known if name in value}
    try:
        return kind(**{name: v for name, v in decoded.items() if known[name].init})
    except ValueError as error:
        raise ValueError(f"{where or kind.__name__}: {error}") from error
