"""The split policies that gairbench brings: specs only, what they name is imported when it is needed."""

from __future__ import annotations

from collections.abc import Iterator

from gairbench import hookimpl
from gairbench.spec import SplitParameter, SplitPolicySpec
from gairbench.split_choice import PUBLISHED

_POLICIES = "gairbench.split_policies.policies"

SPLIT_POLICIES = (
    PUBLISHED,
    SplitPolicySpec(
        name="random",
        version=1,
        factory=f"{_POLICIES}:draw_samples",
        draws="samples",
        description="Samples drawn at random, of a task with classes from each of them alike",
    ),
    SplitPolicySpec(
        name="blocks",
        version=1,
        factory=f"{_POLICIES}:draw_blocks",
        parameter=SplitParameter(name="DEGREES", example="5", number=True, above=0, most=360),
        needs=("lonlat",),
        draws="cells",
        description="Whole cells of a longitude-latitude grid, DEGREES wide",
    ),
    SplitPolicySpec(
        name="leave",
        version=1,
        factory=f"{_POLICIES}:draw_groups",
        parameter=SplitParameter(name="GROUPING[=GROUP]", example="country"),
        needs=("group",),
        draws="groups",
        description="Whole groups, as countries; with a GROUP, that one is tested on",
    ),
    SplitPolicySpec(
        name="development",
        version=1,
        factory=f"{_POLICIES}:keep_test_unseen",
        draws="groups",
        parameter=SplitParameter(name="GROUPING", example="country"),
        needs=("group",),
        description="Published val is tested on, train divided by whole groups; published test takes no part",
    ),
)


@hookimpl
def register_split_policies() -> Iterator[SplitPolicySpec]:
    """Yield the built-in split policies."""
    yield from SPLIT_POLICIES
