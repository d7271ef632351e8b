"""Calls of plugins in the conformance suite: isolated as in a run, so that one plugin's check cannot fail another's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from gairbench.errors import PluginWarning
from gairbench.isolation import Isolated

Returned = TypeVar("Returned")


def call_isolated(who: str, call: Callable[[], Returned], *, seed: int = 0) -> tuple[Returned, str]:
    """Call a plugin as a run does.

    Args:
        who: Whom to name, as :func:`gairbench.isolation.named` does.
        call: What to call.
        seed: Seed of the global random numbers.

    Returns:
        What it returns, and what it changed in the process, which is undone; empty if nothing.

    Raises:
        PluginError: It called ``sys.exit``.
        Exception: Whatever it raises.
    """
    with unreported(), Isolated(who, seed=seed) as called:
        returned = call()
    return returned, called.changes


@contextmanager
def unreported() -> Iterator[None]:
    """Report changes of the process in the one check that is for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        yield
