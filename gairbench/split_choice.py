"""How the samples of a dataset are divided for an evaluation: as published, or by a policy and its parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from gairbench.errors import UsageError
from gairbench.selection import unknown
from gairbench.spec import Kind, SplitPolicySpec

PUBLISHED = SplitPolicySpec(
    name="published",
    version=1,
    factory="gairbench.split_policies.policies:keep_published",
    description="As the dataset's authors divided it",
)


@dataclass(frozen=True, slots=True)
class SplitChoice:
    """A split policy with its parameter.

    Args:
        policy: The policy.
        parameter: What stands after the colon; empty where it has none.

    Example:
        >>> str(SplitChoice())
        'published'
    """

    policy: SplitPolicySpec = PUBLISHED
    parameter: str = ""

    @classmethod
    def of(cls, text: str, policies: Mapping[str, SplitPolicySpec]) -> SplitChoice:
        """Return what a text says: the name of a policy, with its parameter after a colon if it has one.

        Args:
            text: For instance ``"published"`` or ``"blocks:5"``.
            policies: What is installed.

        Raises:
            UsageError: There is no such policy, or the parameter is missing, superfluous or out of range.
        """
        name, colon, given = (part.strip() for part in text.partition(":"))
        if name not in policies:
            raise unknown("split policy", name, policies)
        policy = policies[name]
        if policy.parameter is None:
            if colon:
                raise UsageError(f"split {text!r}: {name} takes no parameter", f"write {name}")
            return cls(policy)
        if not given:
            raise UsageError(f"split {text!r} lacks its parameter", _like(policy))
        return cls(policy, _number(text, policy, given) if policy.parameter.number else given)

    @property
    def published(self) -> bool:
        """The dataset's own splits are used."""
        return self.policy.name == PUBLISHED.name

    @property
    def groupings(self) -> tuple[str, ...]:
        """Names of the groupings that it needs."""
        named = self.parameter.partition("=")[0].strip()
        wanted = (need.partition(":") for need in self.policy.needs)
        return tuple(dict.fromkeys(name or named for need, _, name in wanted if need == "group"))

    @property
    def needs_places(self) -> bool:
        """It needs the samples' coordinates."""
        return "lonlat" in self.policy.needs

    def __str__(self) -> str:
        """Return it as it is written, in one way only: ``"blocks:5.0"`` is ``"blocks:5"``."""
        return f"{self.policy.name}:{self.parameter}" if self.parameter else self.policy.name

    def problem(self, kind: Kind) -> str:
        """Return why a kind of task cannot be divided anew; empty if it can."""
        if not self.published and kind is Kind.RETRIEVAL:
            return "retrieval has no training split to divide"
        return ""


def _like(policy: SplitPolicySpec) -> str:
    example = policy.parameter.example if policy.parameter else ""
    return f"write {policy}, for instance {policy.name}:{example}"


def _number(text: str, policy: SplitPolicySpec, given: str) -> str:
    low, high = (policy.parameter.above, policy.parameter.most) if policy.parameter else (None, None)
    try:
        value = float(given)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or (low is not None and value <= low) or (high is not None and value > high):
        bounds = [f"above {low:g}"] if low is not None else []
        bounds += [f"at most {high:g}"] if high is not None else []
        what = " ".join(["a number", " and ".join(bounds)]).strip()
        raise UsageError(f"split {text!r}: {given!r} is not {what}", _like(policy))
    return f"{value:.12g}"
