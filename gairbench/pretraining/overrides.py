"""Change single settings of a recipe by name, as ``--set name=value`` does."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from gairbench.errors import UsageError

T = TypeVar("T")


def override(recipe: T, settings: Mapping[str, str]) -> T:
    """Return a recipe with some settings changed.

    Args:
        recipe: A dataclass, possibly of dataclasses.
        settings: Values as text by dotted name (``"model.rs.depth"``); a name's end is enough where only one fits
            (``"temperature"``, ``"rs.depth"``).

    Raises:
        UsageError: No setting has the name, or several have; or the value does not fit its type.
    """
    names = dict(_leaves(recipe, ""))
    for name, text in settings.items():
        fitting = [full for full in names if full == name or full.endswith(f".{name}")]
        if name in fitting:
            fitting = [name]
        if not fitting:
            near = difflib.get_close_matches(name, {*names, *(full.rpartition(".")[2] for full in names)}, n=1)
            raise UsageError(
                f"no setting {name!r}", f"did you mean {near[0]!r}?" if near else f"settings: {', '.join(names)}"
            )
        if len(fitting) > 1:
            raise UsageError(f"setting {name!r} could be {' or '.join(fitting)}", "write it in full")
        recipe = _replaced(recipe, fitting[0].split("."), _parsed(text, names[fitting[0]], name))
    return recipe


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(type(value))
    for field in dataclasses.fields(value):
        held = getattr(value, field.name)
        if dataclasses.is_dataclass(held):
            yield from _leaves(held, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, hints[field.name]


def _parsed(text: str, kind: Any, name: str) -> Any:
    listed = getattr(kind, "__origin__", None) in {tuple, frozenset}
    value: Any = text.split(",") if listed else text
    if text.casefold() in {"none", "null"} and type(None) in get_args(kind):
        value = None
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise UsageError(f"setting {name}={text}: {error.errors()[0]['msg']}", "correct the value") from error


def _replaced(recipe: Any, path: list[str], value: Any) -> Any:
    head, *rest = path
    if rest:
        value = _replaced(getattr(recipe, head), rest, value)
    try:
        return dataclasses.replace(recipe, **{head: value})
    except ValueError as error:
        raise UsageError(f"setting {head}={value}: {error}", "correct the value") from error
