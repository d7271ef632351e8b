"""Specs refuse what no plan could serve where they are made, by one line that says what to write."""

from __future__ import annotations

from typing import Any

import pytest

from gairbench import EvaluatorSpec, Kind, MetricSpec, SplitParameter, SplitPolicySpec

KINDS = frozenset({Kind.REGRESSION})
DEGREES = SplitParameter(name="DEGREES", example="5", number=True)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"needs": "token"}, "evaluator 'x': needs='token' is not 'features' or 'tokens' or 'backbone'"),
        ({"needs": ("tokens",)}, "evaluator 'x': needs=('tokens',) is not 'features'"),
        ({"kinds": "regression"}, "evaluator 'x': kinds='regression' is not a frozenset"),
        ({"kinds": frozenset({"regression"})}, "kinds has 'regression', which is not a Kind; write Kind.REGRESSION"),
        ({"default": KINDS | {"all"}}, "default has 'all', which is not a Kind; a Kind is one of CLASSIFICATION"),
        ({"layers": "4", "needs": "tokens"}, "evaluator 'x': layers='4' is not an int"),
        ({"version": "1"}, "evaluator 'x': version='1' is not an int"),
    ],
)
def test_an_evaluator_that_no_plan_could_serve_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match="evaluator 'x'") as refused:
        EvaluatorSpec(**({"name": "x", "version": 1, "factory": "a:b", "kinds": KINDS} | wrong))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"needs": "score"}, "metric 'x': needs='score' is not 'prediction' or 'scores' or 'probabilities'"),
        ({"kinds": (Kind.REGRESSION,)}, "metric 'x': kinds=(<Kind.REGRESSION: 'regression'>,) is not a frozenset"),
        ({"higher_is_better": "yes"}, "metric 'x': higher_is_better='yes' is not a bool"),
        ({"unit": None}, "metric 'x': unit=None is not a str"),
    ],
)
def test_a_metric_that_nothing_could_be_scored_by_is_refused(wrong: dict[str, Any], why: str) -> None:
    values = {"name": "x", "version": 1, "factory": "a:b", "kinds": KINDS, "higher_is_better": True}
    with pytest.raises(ValueError, match="metric 'x'") as refused:
        MetricSpec(**(values | wrong))
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"needs": ("latlon",)}, "needs 'latlon'; what it can need is 'lonlat', 'group' or 'group:NAME'"),
        ({"needs": ("groups:country",)}, "needs 'groups:country'; what it can need is"),
        ({"needs": ("group:",)}, "needs 'group:'; what it can need is"),
        ({"needs": ("lonlat", "group: ")}, "needs 'group: '; what it can need is"),
        ({"needs": ("lonlat:x",)}, "needs 'lonlat:x'; what it can need is"),
        ({"needs": ("group",)}, "needs 'group', which a parameter names; give it one, or write 'group:NAME'"),
        ({"draws": "cells"}, "draws cells, whose width is a parameter; give it one with number=True"),
        ({"draws": "groups"}, "draws groups, which it does not need; write 'group' or 'group:NAME' into needs"),
        ({"needs": "lonlat"}, "needs='lonlat' is not a tuple; write needs=('lonlat',)"),
        ({"parameter": "DEGREES"}, "parameter='DEGREES' is not a SplitParameter or None"),
    ],
)
def test_a_split_policy_that_no_plan_could_serve_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=r"^split policy 'x'") as refused:
        SplitPolicySpec(**({"name": "x", "version": 1, "factory": "a:b"} | wrong))
    assert why in str(refused.value)


@pytest.mark.parametrize("needs", [(), ("lonlat",), ("group",), ("group:country",), ("group:country", "lonlat")])
def test_a_split_policy_needs_places_and_groupings(needs: tuple[str, ...]) -> None:
    spec = SplitPolicySpec(name="x", version=1, factory="a:b", needs=needs, parameter=DEGREES)
    assert spec.needs == needs


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"number": True, "above": "0"}, "above='0' is not a number or None"),
        ({"number": True, "above": 5, "most": 5}, "no number is above 5 and at most 5"),
        ({"most": 5}, "has bounds and is not a number; write number=True, or leave them out"),
        ({"example": 5}, "example=5 is not a str"),
    ],
)
def test_a_split_parameter_without_values_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match="split parameter 'X'") as refused:
        SplitParameter(**({"name": "X", "example": "5"} | wrong))
    assert why in str(refused.value)
