"""The module of a composition: every representation is computed by the part whose inputs it is of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gairbench.batch import Batch
from gairbench.composition import ModelPart
from gairbench.embedding import compute
from gairbench.isolation import call_factory, named
from gairbench.representation import Representation
from gairbench.spec import ModelContext


class ComposedEncoder(nn.Module):
    """Several models as one, each for other inputs.

    Args:
        parts: The parts, what their factories are called with, and the names of the inputs that each takes.

    Attributes:
        holds: What parts that look samples up have, for the message that some samples are not among it.
        changes: What factories of the parts changed in the process, which was undone; empty if nothing.
    """

    def __init__(self, parts: Sequence[tuple[ModelPart, ModelContext, frozenset[str]]]) -> None:
        super().__init__()
        self._names = tuple(names for _, _, names in parts)
        built = [_built(part, context) for part, context, _ in parts]
        models = [model for model, _ in built]
        self.changes = "; ".join(changes for _, changes in built if changes)
        # Only modules can be moved to a device and frozen; the others have no weights.
        self.modules_of_parts = nn.ModuleList(model for model in models if isinstance(model, nn.Module))
        self._models = tuple(models)
        self.holds = "; ".join(model.holds for model in models if hasattr(model, "holds"))

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Compute a representation, as its part does by itself.

        Args:
            batch: What the part takes.
            wanted: What to compute.

        Returns:
            As :meth:`gairbench.protocols.Encodes.encode`.
        """
        number = next(number for number, names in enumerate(self._names) if set(wanted.of) <= names)
        return compute(self._models[number], wanted, batch)


def _built(part: ModelPart, context: ModelContext) -> tuple[object, str]:
    """Return a part, and what its factory changed in the process: random numbers begin anew for each."""
    spec = part.model
    return call_factory(named("model", spec.name, spec.factory), spec.factory, context, seed=context.seed)
