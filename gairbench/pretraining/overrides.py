"""Change single settings of a recipe by name, as ``--set name=value`` does."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from gairbench.errors import UsageError

T = TypeVar("T")

FOLLOWS = "follows"
"""Key of a dataclass field's metadata: it follows from other settings or the model, and is not a setting itself."""


def override(recipe: T, settings: Mapping[str, str]) -> T:
    """Return a recipe with some settings changed.

    Args:
        recipe: A dataclass, possibly of dataclasses; fields marked with :data:`FOLLOWS` are not settings.
        settings: Values as text by dotted name (``"model.rs.depth"``); a name's end is enough where only one fits
            (``"temperature"``, ``"rs.depth"``).

    Raises:
        UsageError: No setting has the name, or several have; or a value does not fit its type or the other values.
    """
    names = dict(_leaves(recipe, ""))
    changes: dict[str, Any] = {}
    written: dict[str, str] = {}
    for name, text in settings.items():
        fitting = settings_named(name, names)
        if not fitting:
            near = difflib.get_close_matches(name, {*names, *(full.rpartition(".")[2] for full in names)}, n=1)
            raise UsageError(
                f"no setting {name!r}", f"did you mean {near[0]!r}?" if near else f"settings: {', '.join(names)}"
            )
        if len(fitting) > 1:
            raise UsageError(f"setting {name!r} could be {' or '.join(fitting)}", "write it in full")
        full = fitting[0]
        if full in changes:
            raise UsageError(f"setting {full} is given twice", "leave one out")
        changes[full], written[full] = _parsed(text, names[full], name), f"{name}={text}"
    return _replaced(recipe, changes, written, "")


def settings_named(name: str, names: Iterable[str]) -> list[str]:
    """Return the full names that a name may mean: itself, or else all that end with it.

    Args:
        name: As a user writes it.
        names: Full dotted names of all settings.
    """
    fitting = [full for full in names if full == name or full.endswith(f".{name}")]
    return [name] if name in fitting else fitting


def _leaves(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    hints = get_type_hints(type(value), include_extras=True)
    for field in dataclasses.fields(value):
        if field.metadata.get(FOLLOWS):
            continue
        held = getattr(value, field.name)
        if dataclasses.is_dataclass(held):
            yield from _leaves(held, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, hints[field.name]


def _parsed(text: str, kind: Any, name: str) -> Any:
    # Not at the top: presets, which every listing reads, import this module.
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    listed = getattr(kind, "__origin__", None) in {tuple, frozenset}
    value: Any = text.split(",") if listed else text
    if text.casefold() in {"none", "null"} and type(None) in get_args(kind):
        value = None
    try:
        return TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False)).validate_python(value)
    except ValidationError as error:
        raise UsageError(f"setting {name}={text}: {error.errors()[0]['msg']}", "correct the value") from error


def _replaced(recipe: T, changes: Mapping[str, Any], written: Mapping[str, str], prefix: str) -> T:
    """Change everything at once: sizes that depend on each other are valid only together."""
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(recipe):  # type: ignore[arg-type]
        name, held = prefix + field.name, getattr(recipe, field.name)
        if dataclasses.is_dataclass(held):
            new: Any = _replaced(held, changes, written, f"{name}.")
            if new is not held:
                changed[field.name] = new
        elif name in changes:
            changed[field.name] = changes[name]
    if not changed:
        return recipe
    try:
        return dataclasses.replace(recipe, **changed)  # type: ignore[type-var]
    except ValueError as error:
        given = " ".join(text for name, text in written.items() if name.startswith(prefix))
        raise UsageError(f"setting {given}: {error}", "correct the value") from error
