"""What GAIR learns from frozen teachers: embeddings of the same views of the same samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gairbench.data import SAMPLE_KEYS, Sample
from gairbench.inputs import Modality
from gairbench.pretraining.corpus import Batch
from gairbench.teacher import FrozenTeacher, Teacher
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.losses import distillation_loss


class Distillation:
    """The teachers of a run, outside of what is trained and saved.

    Args:
        teachers: One at most of each modality.
        weight: Of each term.
        first: A batch of a sample or more, by which the teachers show how long their embeddings are.
    """

    def __init__(self, teachers: Sequence[Teacher], weight: float, first: Batch) -> None:
        self.weight = weight
        self.teachers: Mapping[Modality, FrozenTeacher] = {teacher.modality: teacher.load() for teacher in teachers}
        samples = as_samples(first)
        cpu = torch.device("cpu")
        self.widths = {name: teacher.embed(samples, cpu).shape[1] for name, teacher in self.teachers.items()}

    @property
    def about(self) -> dict[str, Any]:
        """What the teachers are by content, by modality; JSON types, for the checkpoint's card."""
        return {str(modality): dict(teacher.about) for modality, teacher in self.teachers.items()}

    def heads(self, config: GairConfig, seed: int) -> nn.ModuleDict:
        """Return linear layers from the encoders' embeddings to those of teachers of another length.

        Where the lengths are equal there is none, as in the authors' first public code.

        Args:
            config: The model that learns.
            seed: Of their initial weights.
        """
        lengths = {Modality.RS: config.dim, Modality.SV: config.sv.width, Modality.LOCATION: config.dim}
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            return nn.ModuleDict(
                {
                    str(modality): nn.Linear(lengths[modality], width)
                    for modality, width in self.widths.items()
                    if width != lengths[modality]
                }
            )

    def losses(
        self, students: Mapping[Modality, Tensor], heads: nn.ModuleDict, looks: Mapping[Modality, Batch]
    ) -> dict[str, Tensor]:
        """Compare each encoder that has a teacher with it.

        Args:
            students: Embeddings of the encoders, ``(batch, dim)``.
            heads: From :meth:`heads`.
            looks: What each was computed from, as the dataset delivers it, with the augmentation of the student.

        Returns:
            The weighted terms, by name.
        """
        parts: dict[str, Tensor] = {}
        for modality, teacher in self.teachers.items():
            student = students[modality]
            if modality in heads:
                student = heads[modality](student)
            wanted = teacher.embed(as_samples(looks[modality]), student.device)
            parts[f"distillation_{modality}"] = self.weight * distillation_loss(student, wanted)
        return parts


def as_samples(batch: Batch) -> list[Sample]:
    """Return the samples of a batch one by one, as teachers take them."""
    # Places are double precision to encoders, which not every device has.
    columns = {
        key: values.detach().cpu().double() if key == SAMPLE_KEYS[Modality.LOCATION] else values
        for key, values in batch.items()
        if key in SAMPLE_KEYS.values()
    }
    rows = len(next(iter(columns.values())))
    return [{key: values[row] for key, values in columns.items()} for row in range(rows)]
