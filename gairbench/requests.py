"""Turn what users give as options, in YAML or in Python into one frozen dataclass a command.

The types of a request's fields say what is accepted: names as text or lists, pairs as ``NAME=VALUE``, numbers in a
range. Every way in uses the same checks and differs only in how an error names the field.
"""

from __future__ import annotations

import math
import numbers
import os
import shlex
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from dataclasses import field as dataclass_field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

from gairbench.errors import UsageError
from gairbench.names import printable
from gairbench.selection import split_names, unknown

R = TypeVar("R")

NamedError = Callable[[str, str, str], UsageError]
"""Makes the error of a field from the field's name, what is wrong with its value, and the hint."""

COMMAND = "command"
"""The one field that is not an option: the command line, for the records."""


WHOLE = "whole"
"""Marks texts that may have commas, ``tuple[Annotated[str, WHOLE], ...]``: the items of a list are not split."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """How pairs of a mapping are written as text.

    Args:
        metavar: What the help shows, for instance ``"NAME=VALUE"``.
        example: One such pair, for the hint of an error.
    """

    metavar: str
    example: str


@dataclass(frozen=True, slots=True)
class Named:
    """A name with keys of its own; users write the name alone, or a mapping with the key ``name``.

    Args:
        name: The name.
        keys: The other keys, as given: whoever knows the name checks them.
    """

    name: str
    keys: Mapping[str, Any] = dataclass_field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def flag(field: str) -> str:
    """Return the option of a field: ``"rs_unit"`` is ``"--rs-unit"``."""
    return f"--{field.replace('_', '-')}"


def option_error(field: str, what: str, hint: str) -> UsageError:
    """Return an error that names the option of a field."""
    return UsageError(f"{flag(field)} {what}", hint)


def keyword_error(field: str, what: str, hint: str) -> UsageError:
    """Return an error that names a field as Python does."""
    return UsageError(f"{field} {what}", hint)


def options(kind: type[Any]) -> tuple[str, ...]:
    """Return the fields of a request that users give, in order."""
    return tuple(field.name for field in fields(kind) if field.name != COMMAND)


def make_request(kind: type[R], given: Mapping[str, Any], error: NamedError = option_error, *, command: str = "") -> R:
    """Return the request for what a user gave.

    Args:
        kind: The request's dataclass.
        given: Values by field; ``None`` and empty lists mean "not given".
        error: Names a field in an error.
        command: The command line, for requests that keep it.

    Raises:
        UsageError: A value does not fit its field, or a field that has no default is missing.
    """
    values = checked(kind, given, error)
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name not in values and field.default is MISSING and field.default_factory is MISSING:
            raise error(field.name, "is missing", "add it")
    if COMMAND in {field.name for field in fields(kind)}:  # type: ignore[arg-type]
        values[COMMAND] = command
    return kind(**values)


def checked(kind: type[Any], given: Mapping[str, Any], error: NamedError = option_error) -> dict[str, Any]:
    """Return the values that were given, as the types of the request's fields.

    Raises:
        UsageError: A value does not fit its field, or there is no such field.
    """
    hints = get_type_hints(kind, include_extras=True)
    names = options(kind)
    values = {}
    for name, value in given.items():
        if name not in names:
            raise error(name, "is not known", unknown("", name, names).hint)
        if value is None or (isinstance(value, list | tuple | Mapping) and not value):
            continue

        def wrong(what: str, hint: str, name: str = name) -> UsageError:
            return error(name, what, hint)

        values[name] = _value(hints[name], value, wrong)
    return values


def command_line(words: str, request: object) -> str:
    """Return the command that asks for the same as a request: what differs from the defaults, as options."""
    parts = ["gairbench", *words.split()]
    for field in fields(request):  # type: ignore[arg-type]
        value = getattr(request, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.name == COMMAND or value == default:
            continue
        if value is True:
            parts.append(flag(field.name))
        elif isinstance(value, Mapping):
            parts += [word for key, text in value.items() for word in (flag(field.name), f"{key}={text}")]
        elif isinstance(value, tuple):
            # Options are split at commas.
            texts = (item.replace(",", r"\,") if isinstance(item, str) else str(item) for item in value)
            parts += [word for text in texts for word in (flag(field.name), text)]
        else:
            parts += [flag(field.name), str(value)]
    return printable(shlex.join(parts))


_Wrong = Callable[[str, str], UsageError]


def _value(kind: Any, value: Any, wrong: _Wrong, pairs: Pairs | None = None) -> Any:
    """Return a value as a type, or raise what ``wrong`` makes of the reason and the hint."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = arguments[1:]
        found = _value(arguments[0], value, wrong, next((limit for limit in limits if isinstance(limit, Pairs)), None))
        for limit in limits:
            if isinstance(limit, Ge) and found is not None and found < limit.ge:
                raise wrong(f"{value} is less than {limit.ge}", f"write {limit.ge} or more")
            if isinstance(limit, Gt) and found is not None and found <= limit.gt:
                raise wrong(f"{value} is not more than {limit.gt}", f"write more than {limit.gt}")
            if isinstance(limit, Le) and found is not None and found > limit.le:
                raise wrong(f"{value} is more than {limit.le}", f"write {limit.le} or less")
        return found
    if origin in {types.UnionType, Union}:
        return _value(next(argument for argument in arguments if argument is not types.NoneType), value, wrong, pairs)
    if origin is Literal:
        return _choice(value, arguments, wrong)
    if origin is tuple:
        return _several(arguments[0], value, wrong)
    if origin is not None and issubclass(origin, Mapping):
        return _pairs(arguments[1], value, wrong, pairs or Pairs("NAME=VALUE", "name=value"))
    if kind is Named:
        return _named(value, wrong)
    if issubclass(kind, Enum):
        return kind(_choice(str(value), [str(member) for member in kind], wrong))
    return _plain(kind, value, wrong)


def _plain(kind: type[Any], value: Any, wrong: _Wrong) -> Any:
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    if kind is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise wrong(f"{value} is not a finite number", "write a finite number")
        return float(value)
    if kind is str and isinstance(value, str):
        if not value.strip():
            raise wrong("is empty", "write a value, or leave it out")
        return str(value)
    if kind is Path and isinstance(value, str | os.PathLike):
        if not os.fspath(value):
            raise wrong("is empty", "write a path, or leave it out")
        return Path(value)
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", Path: "a path"}[kind]
    raise wrong(f"{_shown(value)} is not {words}", f"write {words}")


def _named(value: Any, wrong: _Wrong) -> Named:
    if isinstance(value, Named):
        return value
    if not isinstance(value, Mapping):
        return Named(_plain(str, value, wrong))
    if "name" not in value:
        raise wrong("has keys but no name", "write {name: NAME, key: value}")
    keys = {str(key): item for key, item in value.items() if key != "name"}
    return Named(_plain(str, value["name"], wrong), keys)


def _shown(value: Any) -> str:
    """Show a value in a message: plain ones as they are, others by what they are."""
    if value is None or isinstance(value, str | bool | numbers.Number | list | tuple):
        return repr(value)
    return "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}"


def _choice(value: Any, choices: Iterable[Any], wrong: _Wrong) -> Any:
    choices = list(choices)
    if value not in choices:
        raise wrong(f"{_shown(value)} is not known", unknown("", str(value), map(str, choices)).hint)
    return value


def _several(kind: Any, value: Any, wrong: _Wrong) -> tuple[Any, ...]:
    """Return one value or several as a tuple; text is split at commas, but not names of files and ``WHOLE`` items."""
    single = isinstance(value, str | os.PathLike) or not isinstance(value, Iterable)
    items = [value] if single else list(value)
    whole = get_args(kind) == (str, WHOLE)
    if kind is not str and not whole:
        return tuple(_value(kind, item, wrong) for item in items)
    if not all(isinstance(item, str) for item in items):
        raise wrong(f"{_shown(value)} is not a list of words", "write [a, b, c]; quote what is not a word")
    names = tuple(filter(None, map(str.strip, items)) if whole and not single else split_names(items))
    if not names:
        raise wrong("is empty", "name at least one, or leave it out")
    return names


def _pairs(kind: Any, value: Any, wrong: _Wrong, written: Pairs) -> dict[str, Any]:
    """Return a mapping from a mapping, or from text such as ``"gair=model.safetensors"``, one or several."""
    if isinstance(value, Mapping):
        return {str(name): _value(kind, _text(item) if kind is str else item, wrong) for name, item in value.items()}
    found: dict[str, Any] = {}
    for item in [value] if isinstance(value, str) or not isinstance(value, Iterable) else value:
        name, equals, text = (part.strip() for part in item.partition("=")) if isinstance(item, str) else ("", "", "")
        if not (name and equals and (text or kind is str)):
            raise wrong(f"{_shown(item)} is not {written.metavar}", f"write for instance {written.example}")
        if name in found:
            raise wrong(f"{name} is given twice", "leave one out")
        found[name] = text if kind is str else _value(kind, text, wrong)
    return found


def _text(value: Any) -> Any:
    """Write a plain value of Python as an option's text: ``True`` is ``"true"``, a list is joined by commas."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(cast("str", _text(item)) for item in value)
    return str(value) if isinstance(value, numbers.Number) else value
