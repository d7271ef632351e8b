"""How numbers are read out of a model, where it offers several ways: which pooling, and which layers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from gairbench.errors import UsageError
from gairbench.representation import Representation

_TEXT = re.compile(r"([a-zA-Z][\w-]*)?(?:@(\d+(?:\+\d+)*))?")

RESERVED = frozenset({"default", "each", "tokens", "query", "projected"})
"""Words that are not names of poolings."""


@dataclass(frozen=True, slots=True)
class Readout:
    """A pooling, layers, or both; neither: the model's own, which is the first that it offers.

    Args:
        pooling: How tokens become a vector, as the model names it; empty: the first that it offers of the layers.
        layers: Blocks of the backbone, counted from 0; empty: where the model ends.

    Example:
        >>> str(Readout.of("cls@5")), str(Readout.of("@2+5+8+11")), str(Readout())
        ('cls@5', '@2+5+8+11', 'default')
    """

    pooling: str = ""
    layers: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str) -> Readout:
        """Return what a text says: ``"default"``, ``"mean"``, ``"cls@5"`` or ``"@11"``.

        Raises:
            UsageError: The text is not valid.
        """
        if text == "default":
            return cls()
        found = _TEXT.fullmatch(text)
        if not text or found is None or found[1] in RESERVED:
            raise UsageError(
                f"readout {text!r} is not a pooling and layers",
                "write default, each, or for instance mean, cls@5, @11 or @2+5+8+11",
            )
        return cls(found[1] or "", tuple(map(int, found[2].split("+"))) if found[2] else ())

    @classmethod
    def from_offer(cls, offer: Representation) -> Readout:
        """Return how a representation is read out."""
        return cls(offer.pooling, offer.layers)

    @property
    def default(self) -> bool:
        """It is the model's own."""
        return self == Readout()

    def __str__(self) -> str:
        """Return it as it is written."""
        if self.default:
            return "default"
        return self.pooling + (f"@{'+'.join(map(str, self.layers))}" if self.layers else "")

    def reads(self, offer: Representation) -> bool:
        """Whether a representation is of this pooling and of these layers."""
        return offer.layers == self.layers and self.pooling in {"", offer.pooling}


AskedReadout = Readout | Literal["each"]
"""A readout, or ``"each"``: all that a model offers of what an evaluator needs."""


def asked_readout(text: str) -> AskedReadout:
    """Return what a user's text asks for.

    Raises:
        UsageError: It is neither ``"each"`` nor a readout.
    """
    return "each" if text == "each" else Readout.of(text)


def described_readouts(readouts: Iterable[Readout]) -> str:
    """Name readouts on one line, following layers of one pooling as ``"cls@0 to cls@11"``."""
    parts: list[str] = []
    numbered = enumerate(readouts)
    # In a run of single layers, a layer and its place differ by the same number.
    for _, group in groupby(numbered, lambda n: (n[1].pooling, n[1].layers[0] - n[0] if len(n[1].layers) == 1 else n)):
        names = [str(readout) for _, readout in group]
        parts += names if len(names) < 3 else [f"{names[0]} to {names[-1]}"]
    return ", ".join(parts)
