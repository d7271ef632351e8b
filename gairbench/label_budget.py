"""Share of the training labels that an evaluator learns from: all, a share of them, or some of each class."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gairbench.errors import UsageError
from gairbench.kinds import ONE_CLASS
from gairbench.spec import Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHARE = re.compile(r"(\d+(?:\.\d+)?)%")
_SHOTS = re.compile(r"(\d+)-shot")


@dataclass(frozen=True, slots=True)
class LabelBudget:
    """A part of train's labels; val and test stay whole.

    Args:
        percent: Of every class, or of the samples where there are no classes: above 0 and at most 100.
        shots: Samples of each class instead; ``None``: as many as ``percent`` says.

    Example:
        >>> str(LabelBudget.of("10%")), str(LabelBudget.of("5-shot")), str(LabelBudget())
        ('10%', '5-shot', 'all')
    """

    percent: float = 100
    shots: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.percent <= 100:
            raise ValueError(f"{self.percent:g}% is not above 0 and at most 100%")
        if self.shots is not None and self.shots < 1:
            raise ValueError(f"{self.shots} samples of each class teach nothing")

    @classmethod
    def of(cls, text: str) -> LabelBudget:
        """Return what a text says: ``"all"``, ``"10%"`` or ``"5-shot"``.

        Raises:
            UsageError: The text is not valid.
        """
        try:
            if text == "all":
                return cls()
            if share := _SHARE.fullmatch(text):
                return cls(percent=float(share[1]))
            if shots := _SHOTS.fullmatch(text):
                return cls(shots=int(shots[1]))
        except ValueError as error:
            raise UsageError(f"labels {text!r}: {error}", "write for instance 10% or 5-shot") from error
        raise UsageError(f"labels {text!r} is not a part of the labels", "write all, or for instance 10% or 5-shot")

    @property
    def whole(self) -> bool:
        """All labels are learned from."""
        return self == LabelBudget()

    def __str__(self) -> str:
        """Return it as it is written, in one way only: ``"10.0%"`` is ``"10%"``."""
        if self.shots is not None:
            return f"{self.shots}-shot"
        return "all" if self.whole else f"{self.percent:.12g}%"

    def problem(self, kind: Kind) -> str:
        """Return why a kind of task cannot be learned from such a part; empty if it can."""
        if not self.whole and kind is Kind.RETRIEVAL:
            return "retrieval uses no labels, so --labels does not apply"
        if self.shots is not None and kind not in ONE_CLASS:
            return f"{self} needs one class per sample; {kind} has none; give a share, as 10%"
        return ""

    def chosen(self, kind: Kind, ids: Sequence[str], target: NDArray[Any], draw: int) -> NDArray[Any]:
        """Draw the samples to learn from: smaller parts lie within larger ones of the same draw.

        Args:
            kind: What the task asks for.
            ids: Of the samples of train: the draw depends on them, not on their order.
            target: Their targets.
            draw: Number of the draw, the run's seed.

        Returns:
            Ascending positions, at least one of each class.
        """
        import numpy as np

        if self.whole:
            return np.arange(len(ids))
        drawn = np.argsort([hashlib.sha256(f"{draw} {one}".encode()).hexdigest() for one in ids], kind="stable")
        if kind not in ONE_CLASS:
            return np.sort(drawn[: self._count(len(ids))])
        of_classes = (drawn[target[drawn] == one] for one in np.unique(target))
        return np.sort(np.concatenate([members[: self._count(len(members))] for members in of_classes]))

    def _count(self, of: int) -> int:
        # Not 11 of 100 for 11 %: the product of two floats may lie just above a whole number.
        return self.shots or math.ceil(round(of * self.percent / 100, 9))
