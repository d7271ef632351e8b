"""What GAIR's image encoders offer beside the vector that each gives: poolings, layers, token grids."""

from __future__ import annotations

from gairbench.representation import RS, RS_TOKENS, SV, Representation
from gairbench_models.gair.config import VisionConfig

_TOGETHER = 4
"""Blocks whose token grids are offered together, for heads that take several."""


def rs_offers(config: VisionConfig) -> tuple[Representation, ...]:
    """Return what the overhead encoder offers: its own vector is the mean token where it ends."""
    spaced = tuple((number + 1) * config.depth // _TOGETHER - 1 for number in range(_TOGETHER))
    several = (Representation("tokens", ("rs",), layers=spaced),) if config.depth >= _TOGETHER else ()
    single = (Representation("tokens", ("rs",), layers=(number,)) for number in range(config.depth))
    return (RS_TOKENS, *several, *single, RS, *_pooled("rs", "mean", config.depth))


def sv_offers(config: VisionConfig) -> tuple[Representation, ...]:
    """Return what the photo encoder offers: its own vector, then the class token and the mean patch token."""
    return (SV, *_pooled("sv", "cls", config.depth), *_pooled("sv", "mean", config.depth))


def _pooled(of: str, pooling: str, depth: int) -> tuple[Representation, ...]:
    layers = (Representation("pooled", (of,), layers=(number,), pooling=pooling) for number in range(depth))
    return (Representation("pooled", (of,), pooling=pooling), *layers)
