"""How models of blocks can be read out, as representations; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gairbench.representation import Representation

SPACED = 4
"""Blocks whose token grids are offered together, evenly spaced, for heads that take several."""


def vector_readouts(of: tuple[str, ...], poolings: Sequence[str], blocks: int) -> Iterator[Representation]:
    """Yield the vectors of inputs: the model's own, then each pooling where it ends, and after each block.

    Args:
        of: The inputs.
        poolings: How tokens become a vector, as the model does it itself first.
        blocks: How many there are.
    """
    yield Representation("pooled", of)
    yield from (Representation("pooled", of, pooling=pooling) for pooling in poolings)
    for pooling in poolings:
        yield from (Representation("pooled", of, layers=(number,), pooling=pooling) for number in range(blocks))


def token_readouts(of: tuple[str, ...], blocks: int, *, alike: bool = True) -> Iterator[Representation]:
    """Yield the token grids of inputs: where the model ends, then :data:`SPACED` of them together, and of each block.

    Args:
        of: The inputs.
        blocks: How many there are.
        alike: Their grids are of one size, without which none are given together.
    """
    yield Representation("tokens", of)
    if alike and blocks >= SPACED:
        yield Representation("tokens", of, layers=tuple((n + 1) * blocks // SPACED - 1 for n in range(SPACED)))
    yield from (Representation("tokens", of, layers=(number,)) for number in range(blocks))
