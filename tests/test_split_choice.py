"""How a split is asked for: names, parameters, what is refused, and how it is written."""

from __future__ import annotations

import pytest

from gairbench.errors import UsageError
from gairbench.spec import Kind, SplitParameter, SplitPolicySpec
from gairbench.split_choice import PUBLISHED, SplitChoice
from gairbench.split_policies import SPLIT_POLICIES

POLICIES = {spec.name: spec for spec in SPLIT_POLICIES}


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("published", "published"),
        ("random", "random"),
        ("blocks:5", "blocks:5"),
        (" blocks : 5.0 ", "blocks:5"),
        ("blocks:0.25", "blocks:0.25"),
        ("leave:country", "leave:country"),
        ("leave:country=South Africa", "leave:country=South Africa"),
        ("leave:scene=a:b", "leave:scene=a:b"),
    ],
)
def test_a_split_is_written_in_one_way(text: str, written: str) -> None:
    choice = SplitChoice.of(text, POLICIES)
    assert str(choice) == written
    assert SplitChoice.of(str(choice), POLICIES) == choice


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("block:5", "no split policy 'block'; did you mean blocks"),
        ("blocks", "split 'blocks' lacks its parameter; write blocks:DEGREES, for instance blocks:5"),
        ("leave:", "lacks its parameter; write leave:GROUPING"),
        ("random:3", "split 'random:3': random takes no parameter; write random"),
        ("blocks:0", "'0' is not a number above 0 and at most 360; write blocks:DEGREES"),
        ("blocks:361", "'361' is not a number above 0"),
        ("blocks:nan", "'nan' is not a number above 0"),
        ("blocks:five", "'five' is not a number above 0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        SplitChoice.of(text, POLICIES)
    assert why in str(caught.value)


def test_a_number_without_bounds_is_any_number() -> None:
    spec = SplitPolicySpec(
        name="north", version=1, factory="nowhere:f", parameter=SplitParameter(name="LAT", example="0", number=True)
    )
    assert str(SplitChoice.of("north:-30.50", {"north": spec})) == "north:-30.5"
    with pytest.raises(UsageError, match="'x' is not a number; write north:LAT, for instance north:0"):
        SplitChoice.of("north:x", {"north": spec})


def test_what_a_policy_needs_is_known_before_it_is_called() -> None:
    blocks, leave = (SplitChoice.of(text, POLICIES) for text in ("blocks:5", "leave:country = Japan"))
    assert (blocks.needs_places, blocks.groupings) == (True, ())
    assert (leave.needs_places, leave.groupings) == (False, ("country",))
    fixed = SplitPolicySpec(name="season", version=1, factory="nowhere:f", needs=("group:season", "lonlat"))
    assert (SplitChoice(fixed).needs_places, SplitChoice(fixed).groupings) == (True, ("season",))


def test_only_the_default_is_published() -> None:
    assert SplitChoice().published
    assert SplitChoice() == SplitChoice(PUBLISHED) == SplitChoice.of("published", POLICIES)
    assert not SplitChoice.of("random", POLICIES).published


def test_retrieval_has_nothing_to_divide() -> None:
    assert "retrieval has no training split to divide" in SplitChoice.of("random", POLICIES).problem(Kind.RETRIEVAL)
    assert SplitChoice().problem(Kind.RETRIEVAL) == ""
    assert SplitChoice.of("random", POLICIES).problem(Kind.CLASSIFICATION) == ""
