"""What models that are compared have in common; light enough for a plugin hook to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge, Gt, Interval

from gairbench.field_types import ADDED_LATER


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The part of a recipe that is equal for every model that is compared.

    Args:
        epochs: Passes over the samples.
        batch_size: Samples per batch over all devices; contrastive objectives take them as each other's negatives.
        learning_rate: Peak of the schedule.
        weight_decay: AdamW's decay of matrices; biases, norms and embeddings have none.
        warmup: Share of the steps over which the learning rate rises from zero before its cosine decay.
        clip: Largest gradient norm.
        brightness: Images are multiplied by a random factor in 1 +- this.
        contrast: Deviations from an image's mean are multiplied by a random factor in 1 +- this.
        beta2: AdamW's decay of the second moment; that of the first is 0.9.
        share: Share of the passes' steps that is trained: what a method whose step is dearer can afford.
    """

    epochs: Annotated[int, Ge(1)]
    batch_size: Annotated[int, Ge(2)]
    learning_rate: Annotated[float, Gt(0)]
    weight_decay: Annotated[float, Ge(0)] = 0.05
    warmup: Annotated[float, Interval(ge=0, le=1)] = 0.1
    clip: Annotated[float, Gt(0)] = 1.0
    brightness: Annotated[float, Interval(ge=0, le=1)] = 0.2
    contrast: Annotated[float, Interval(ge=0, le=1)] = 0.2
    beta2: Annotated[float, Interval(ge=0, lt=1)] = field(default=0.98, metadata=ADDED_LATER)
    share: Annotated[float, Interval(gt=0, le=1)] = field(default=1.0, metadata=ADDED_LATER)
