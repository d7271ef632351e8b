"""Which field of a declaration is not of its type: dataclasses let everything pass, and a plan would fail later."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

ADDED_LATER = {"gairbench": "added later"}
"""Metadata of a field that declarations did not always have. Keys and checkpoints' cards hold it only where it is not
the default, so that those from before stay valid."""


def added_later(field: Field[Any]) -> bool:
    """Whether a field has :data:`ADDED_LATER` among its metadata."""
    return ADDED_LATER.items() <= dict(field.metadata).items()


def default_of(field: Field[Any]) -> Any:
    """Return a field's default, also where it is made anew for each object; ``MISSING`` if it has none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def field_problem(declaration: Any, declared_as: type | None = None) -> str:
    """Return which field is not of its type, and what to write; empty if all are.

    Unions, literals, enums, and what is in tuples and frozensets are followed, and so are dataclasses in them.

    Args:
        declaration: A dataclass object.
        declared_as: Its class or a base of it, whose fields are checked; ``None``: its class.

    Returns:
        Text to append to the name of the declaration.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Cut:
        ...     above: float | None = None
        >>> field_problem(Cut(above="0"))
        ": above='0' is not a number or None; it is float | None"
    """
    for name, annotation, written in _declared(declared_as or type(declaration)):
        if problem := _problem(getattr(declaration, name), annotation, name, written):
            return problem
    return ""


@cache
def _declared(kind: type) -> tuple[tuple[str, Any, str], ...]:
    annotations = get_type_hints(kind)
    return tuple((field.name, annotations[field.name], str(field.type)) for field in fields(kind))


def _problem(value: object, annotation: Any, name: str, written: str, *, item: bool = False) -> str:
    allowed = _alternatives(annotation)
    fitting = [one for one in allowed if _is_a(value, one)]
    if not fitting:
        said = " ".join(repr(value).split())
        what = f"{name} has {said}, which is not" if item else f"{name}={said} is not"
        return f": {what} {' or '.join(map(_noun, allowed))}{_hint(value, allowed, name, written, item=item)}"
    problems = [_inside(value, one, name, written) for one in fitting]
    return "" if "" in problems else problems[0]


@cache
def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in {Union, types.UnionType}:
        return tuple(one for part in get_args(annotation) for one in _alternatives(part))
    return (annotation,)


def _is_a(value: object, kind: Any) -> bool:
    """Whether a value is of a type, whatever it holds."""
    origin = get_origin(kind)
    if origin is Literal:
        return any(isinstance(value, type(one)) and value == one for one in get_args(kind))
    if origin is Callable or kind is Callable:
        return callable(value)
    if kind in {int, float}:
        # A truth value is an int to Python, and means something else to whoever declares a number.
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    # A type of types has generic ones too, as list[str], which Python does not call types.
    return True if kind is Any or origin is type else isinstance(value, kind if origin is None else origin)


def _inside(value: Any, kind: Any, name: str, written: str) -> str:
    """Return what is wrong in a value that is of a type."""
    if isinstance(kind, type) and is_dataclass(kind):
        inner = field_problem(value, kind)
        return inner and f", {name}{inner}"
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple and parts[-1:] != (...,):
        if len(value) != len(parts):
            return f": {name}={value!r} has {len(value)} values, not {len(parts)}"
    elif origin in {tuple, frozenset}:
        parts = parts[:1] * len(value)
    else:
        return ""
    problems = (_problem(one, part, name, written, item=True) for one, part in zip(value, parts, strict=True))
    return next(filter(None, problems), "")


_NOUNS = {str: "a str", int: "an int", float: "a number", bool: "a bool", tuple: "a tuple", type(None): "None"}


def _noun(kind: Any) -> str:
    origin = get_origin(kind)
    if origin is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if origin is Callable:
        return "callable"
    plain = kind if origin is None else origin
    return _NOUNS.get(plain) or f"a {plain.__name__}"


def _hint(value: object, allowed: Sequence[Any], name: str, written: str, *, item: bool) -> str:
    """Return what to write instead."""
    for kind in allowed:
        if isinstance(kind, type) and issubclass(kind, Enum):
            meant = [one for one in kind if one.value == value]
            members = ", ".join(str(one.name) for one in kind)
            return f"; write {kind.__name__}.{meant[0].name}" if meant else f"; a {kind.__name__} is one of {members}"
        several = get_origin(kind) is tuple and get_args(kind)[-1:] == (...,)
        if several and not _problem(value, get_args(kind)[0], name, written):
            return f"; write {name}=({value!r},)"
    literal = item or all(get_origin(kind) is Literal for kind in allowed)
    return "" if literal else f"; it is {written}"
