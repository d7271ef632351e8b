"""Teachers of a pre-training: frozen models whose embeddings a recipe learns from; a recipe names and is given them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from gairbench.inputs import Modality

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gairbench.data import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherChoice:
    """A teacher as a recipe names it (:class:`gairbench.spec.Pretraining`).

    Args:
        modality: What it embeds of each sample, for the recipe's encoder of that modality.
        model: Name of a model, any that ``--model`` takes.
        preset: Its preset; ``None``: that of its checkpoint, or its first.
    """

    modality: Modality
    model: str
    preset: str | None = None


class Teacher(Protocol):
    """A teacher whose weights are here and which the data can feed; nothing of it is loaded."""

    @property
    def modality(self) -> Modality:
        """What it embeds."""
        ...

    @property
    def placed(self) -> bool:
        """Whether it is given where samples are."""
        ...

    def load(self) -> FrozenTeacher:
        """Bring it into memory.

        Raises:
            CheckpointError: Its weights are broken.
            PluginError: A package that it needs is not installed.
        """
        ...


class FrozenTeacher(Protocol):
    """A teacher in memory. It is in evaluation mode, and no part of what is trained: no checkpoint holds it."""

    @property
    def about(self) -> Mapping[str, str]:
        """What it is by content, for the checkpoint's card: model, preset, weights."""
        ...

    def embed(self, samples: Sequence[Sample], device: torch.device) -> Tensor:
        """Compute embeddings as an evaluation would: in single precision also under autocast, without gradients.

        Args:
            samples: As the dataset delivers them, but places longitude first; images may be augmented.
            device: Where to compute.

        Returns:
            ``(samples, dim)`` float32 on ``device``.

        Raises:
            DataError: A sample lacks an input.
        """
        ...
