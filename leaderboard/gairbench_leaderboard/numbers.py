"""Print a metric and its interval so that neither claims more than was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

NBSP = "\N{NO-BREAK SPACE}"
_SAME = 0.0015
"""Half widths closer than this print alike, give or take one in the last of three decimals."""


_ENDLESS = 1e6
"""Ends of an interval beyond this, and beyond this many times its number, say no more than that there is no end."""


class HasInterval(Protocol):
    """A number with its interval."""

    @property
    def value(self) -> float:
        """The number."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""


def number(value: float) -> str:
    """Print a metric's value: three decimals, or four figures where it is large."""
    # Adding zero takes the sign of a number that rounds to it.
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else f"{value:.4g}"


def ends(value: HasInterval) -> str:
    """Print an interval as ``[low, high]``; an end beyond a million, and a million times its number, is infinite."""
    beyond = _ENDLESS * max(abs(value.value), 1.0)
    low, high = ("-∞" if end < -beyond else "∞" if end > beyond else number(end) for end in (value.low, value.high))
    return f"[{low},{NBSP}{high}]"


def is_symmetric(value: HasInterval) -> bool:
    """Return whether the interval's two halves are the same length as printed."""
    below, above = value.value - value.low, value.high - value.value
    return min(below, above) >= 0 and abs(above - below) < _SAME and abs(value.value) < 100


def with_interval(value: HasInterval, *, symmetric: bool) -> str:
    """Print a value with its 95 % interval.

    Args:
        value: The metric, or a mean of it.
        symmetric: Print ``value +- half width``, the longer half; otherwise ``value [low, high]``.
    """
    if symmetric:
        half = max(value.value - value.low, value.high - value.value)
        return f"{number(value.value)}{NBSP}±{NBSP}{number(half)}"
    return f"{number(value.value)}{NBSP}{ends(value)}"


def column(values: Sequence[HasInterval | None]) -> list[str]:
    """Print one column in one style: ``+-`` only if every interval in it is symmetric. No value is an empty string."""
    symmetric = all(is_symmetric(v) for v in values if v)
    return [with_interval(v, symmetric=symmetric) if v else "" for v in values]
