"""Rivals at GAIR's compute: how much of GAIR's passes a dearer step leaves them."""

from __future__ import annotations

from collections.abc import Mapping

SUFFIX = "[equal-compute]"
"""Of the name of a rival that trains with as many operations as GAIR, and not as many steps."""

GIGAFLOPS: Mapping[str, Mapping[str, float]] = {
    "tiny": {"gair": 82.2, "mocov3": 190.2, "mae": 135.1},
}
"""10^9 floating-point operations of a training step, by preset and model (``benchmarks/training_compute.py``)."""


def share_of(model: str, preset: str) -> float:
    """Return the share of GAIR's steps that a rival trains.

    Args:
        model: Its registered name.
        preset: The preset's name.

    Example:
        >>> share_of("mocov3", "tiny"), share_of("mocov3[equal-compute]", "tiny")
        (1.0, 0.4322)
    """
    rival = model.removesuffix(SUFFIX)
    if rival == model:
        return 1.0
    costs = GIGAFLOPS[preset]
    return round(costs["gair"] / costs[rival], 4)
