"""Fields of declarations are of the types that are written beside them."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest

import gairbench
from gairbench import Kind, Preset, SplitParameter, field_types
from gairbench.field_types import field_problem
from gairbench.plugins import load_registry


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Part:
    number: int = 1


@dataclass
class Whole:
    text: str = ""
    share: float = 0.5
    many: tuple[int, ...] = ()
    pair: tuple[str, float] | None = None
    colours: frozenset[Colour] = frozenset()
    how: Literal["up", "down"] = "up"
    part: Part | str = ""
    parts: tuple[Part, ...] = ()
    make: str | Callable[..., Any] = ""
    kind: type[int] | type[list[str]] = int
    anything: Any = None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"share": 1, "many": (1, 2), "pair": ("a", 1)},
        {"colours": frozenset({Colour.RED}), "how": "down"},
        {"part": Part(), "parts": (Part(), Part(2))},
        {"make": len, "kind": list[str], "anything": object()},
    ],
)
def test_values_of_the_declared_types_are_no_problem(fields: dict[str, Any]) -> None:
    assert field_problem(Whole(**fields)) == ""


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"text": 1}, ": text=1 is not a str; it is str"),
        ({"text": None}, ": text=None is not a str; it is str"),
        ({"share": "1"}, ": share='1' is not a number; it is float"),
        ({"share": True}, ": share=True is not a number; it is float"),
        ({"many": 3}, ": many=3 is not a tuple; write many=(3,)"),
        ({"many": [3]}, ": many=[3] is not a tuple; it is tuple[int, ...]"),
        ({"many": (1, "2")}, ": many has '2', which is not an int"),
        ({"pair": ("a",)}, ": pair=('a',) has 1 values, not 2"),
        ({"pair": (1, 2)}, ": pair has 1, which is not a str"),
        ({"colours": {Colour.RED}}, f": colours={ {Colour.RED} } is not a frozenset; it is frozenset[Colour]"),
        ({"colours": frozenset({"red"})}, ": colours has 'red', which is not a Colour; write Colour.RED"),
        (
            {"colours": frozenset({"green"})},
            ": colours has 'green', which is not a Colour; a Colour is one of RED, BLUE",
        ),
        ({"how": "left"}, ": how='left' is not 'up' or 'down'"),
        ({"how": 3}, ": how=3 is not 'up' or 'down'"),
        ({"part": 3}, ": part=3 is not a Part or a str; it is Part | str"),
        ({"part": Part("1")}, ", part: number='1' is not an int; it is int"),  # type: ignore[arg-type]
        ({"parts": (Part(), Part(None))}, ", parts: number=None is not an int; it is int"),  # type: ignore[arg-type]
        ({"parts": Part()}, ": parts=Part(number=1) is not a tuple; write parts=(Part(number=1),)"),
        ({"make": 3}, ": make=3 is not a str or callable; it is str | Callable[..., Any]"),
    ],
)
def test_a_value_of_another_type_is_named_with_what_to_write(fields: dict[str, Any], problem: str) -> None:
    assert field_problem(Whole(**fields)) == problem


def test_a_value_of_many_lines_is_shown_on_one() -> None:
    class Array:
        def __repr__(self) -> str:
            return "array([1,\n       2])"

    assert field_problem(Part(Array())) == ": number=array([1, 2]) is not an int; it is int"  # type: ignore[arg-type]


def test_fields_of_public_specs_are_followed() -> None:
    with pytest.raises(ValueError, match="'X': most='6' is not a number"):
        SplitParameter(name="X", example="5", most="6")  # type: ignore[arg-type]
    wrong = Preset(name="x", inputs=(), needs=frozenset({"date"}))  # type: ignore[arg-type]
    assert field_problem(wrong).startswith(": needs has 'date', which is not 'lonlat' or 'bbox' or 'dates'")
    assert "Kind.RETRIEVAL" in field_problem(_Kinded("retrieval"))  # type: ignore[arg-type]


@dataclass
class _Kinded:
    kind: Kind


def test_every_registered_spec_passes() -> None:
    registry = load_registry(strict=True)
    groups = (registry.models, registry.datasets, registry.tasks, registry.evaluators, registry.metrics)
    groups += (registry.split_policies, registry.executors, registry.model_patterns)  # type: ignore[assignment]
    problems = [problem for group in groups for spec in group.values() if (problem := field_problem(spec))]
    assert problems == []


def test_types_of_every_public_spec_can_be_read() -> None:
    specs = [value for name, value in inspect.getmembers(gairbench, inspect.isclass) if name.endswith("Spec")]
    assert len(specs) > 5
    for spec in specs:
        blank = object.__new__(spec)
        for name in spec.__dataclass_fields__:
            object.__setattr__(blank, name, None)
        assert field_problem(blank)


def test_the_example_runs_as_it_stands() -> None:
    found = doctest.testmod(field_types)
    assert (found.failed, found.attempted > 0) == (0, True)
