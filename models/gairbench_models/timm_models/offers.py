"""What a timm model can be read out by, as representations; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from gairbench.representation import Representation
from gairbench_models.readouts import token_readouts, vector_readouts


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
        return tuple(token_readouts((of,), len(self.layers), alike=len(set(self.layers)) == 1))

    def vectors(self, of: str) -> tuple[Representation, ...]:
        """Return the vectors of an input: the model's own, then each pooling where it ends, and of each layer."""
        return tuple(vector_readouts((of,), self.poolings, len(self.layers)))
