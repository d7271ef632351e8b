"""What a cell's evaluator is given that trains the model: the model, and the samples that take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.evaluation.cells import Cell
from gairbench.evaluation.open_data import Reading, dataset_name
from gairbench.evaluation.open_model import OpenModel
from gairbench.isolation import Isolated
from gairbench.trainable import TrainableModel
from gairbench.weights.loading import model_name

if TYPE_CHECKING:
    import torch

    from gairbench.data import Split

Array = NDArray[Any]


def backbone_of(
    cell: Cell,
    opened: OpenModel,
    splits: Mapping[str, Split],
    positions: Mapping[str, Array],
    scale: tuple[Array, Array],
    device: torch.device,
) -> tuple[TrainableModel, str]:
    """Return the model of a cell for its evaluator to train, after a gradient has been seen to reach it.

    Args:
        cell: The cell.
        opened: Its model, loaded for it alone by :func:`gairbench.weights.loading.build_to_train`.
        splits: What its samples come from, by split.
        positions: By split, where the samples that take part stand in it, in the order of the features.
        scale: Mean and deviation of the features of train before they were standardized; of no use where they are
            empty.
        device: Where the model is.

    Returns:
        The model, and what it changed in the process, which was undone.

    Raises:
        NotTrainableError: No gradient reaches its parameters.
        Exception: Whatever the model or the dataset raises.
    """
    from torch import nn

    assert isinstance(opened.model, nn.Module)  # noqa: S101
    task = cell.task
    who = model_name(cell.model)
    mean, std = (np.zeros(1), np.ones(1)) if _without_features(cell) else scale
    backbone = TrainableModel(
        module=opened.model,
        feeds=tuple(embedding.feed for embedding in cell.embeddings if embedding.split == "train"),
        samples={
            name: (Reading(split, dataset_name(task.dataset)), positions[name].tolist())
            for name, split in splits.items()
        },
        mean=mean,
        std=std,
        device=device,
        who=who,
    )
    with Isolated(who) as call:
        backbone.check_gradient()
    return backbone, call.changes


def notes_of(cell: Cell, splits: Mapping[str, Split]) -> dict[str, str]:
    """Return what was done to the samples that were read for training, by split, where no embedding has noted it."""
    if not _without_features(cell):
        return {}
    notes = {name: Reading(split, dataset_name(cell.task.dataset)).note() for name, split in splits.items()}
    return {name: note for name, note in notes.items() if note}


def _without_features(cell: Cell) -> bool:
    return any(embedding.empty for embedding in cell.embeddings)
