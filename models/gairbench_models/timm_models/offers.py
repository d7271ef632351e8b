"""What a timm model can be read out by, as representations; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from gairbench.representation import Representation

LAYERS = 4
"""Blocks whose token grids are offered together, for heads that take several."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What a model can be read out by.

    Args:
        layers: Channels and stride in pixels of every layer whose token grid it can give; empty if of none.
        poolings: How the tokens of a layer become a vector, as the model does it itself first.
    """

    layers: tuple[tuple[int, int], ...] = ()
    poolings: tuple[str, ...] = ()

    def token_grids(self, of: str) -> tuple[Representation, ...]:
        """Return the token grids of an input.

        The one where the model ends comes first; then, of a model whose layers are of one size, four of them together,
        evenly spaced; and that of each layer.
        """
        if not self.layers:
            return ()
        offers = [Representation("tokens", (of,))]
        if len(set(self.layers)) == 1 and len(self.layers) >= LAYERS:
            spaced = tuple((number + 1) * len(self.layers) // LAYERS - 1 for number in range(LAYERS))
            offers.append(Representation("tokens", (of,), layers=spaced))
        return (*offers, *(Representation("tokens", (of,), layers=(number,)) for number in range(len(self.layers))))

    def vectors(self, of: str) -> tuple[Representation, ...]:
        """Return the vectors of an input: the model's own, then each pooling where it ends, and of each layer."""
        ends = (Representation("pooled", (of,), pooling=pooling) for pooling in self.poolings)
        layers = (
            Representation("pooled", (of,), layers=(number,), pooling=pooling)
            for pooling in self.poolings
            for number in range(len(self.layers))
        )
        return (Representation("pooled", (of,)), *ends, *layers)
