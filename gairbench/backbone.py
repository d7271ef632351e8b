"""What an evaluator is given that trains the model itself; importing this module imports neither torch nor numpy.

An :class:`gairbench.spec.EvaluatorSpec` with ``needs="backbone"`` names a function whose input has, beside the features
of the frozen model, ``data.backbone``::

    head = torch.nn.Linear(data.features["train"].shape[1], data.classes).to(data.device)
    for batch, rows in data.backbone.loader("train", shuffle=True, seed=data.seed):
        logits = head(data.backbone.standardize(data.backbone.encode(batch)))
        loss = cross_entropy(logits, torch.as_tensor(data.targets["train"][rows], device=data.device))

With ``needs="architecture"`` it is the same, but that features have no columns and that there is no scale of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from gairbench.batch import Batch

TRAINED = "the model was trained on the task, not frozen"
"""Why a number of an evaluator that trains the model does not stand beside those of frozen ones unmarked."""

BACKBONE_VERSION = 1
"""Part of the key of every record whose evaluator trains the model: raise it when batches or their order change."""


class BackboneLoader(Protocol):
    """Batches of a split; each iteration over it is an epoch."""

    def __iter__(self) -> Iterator[tuple[tuple[Batch, ...], NDArray[np.int64]]]:
        """Yield batches, each with the positions of its samples ``(batch,)`` among the split's features."""
        ...

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        ...


class Backbone(Protocol):
    """The model of a cell, for its evaluator to train: loaded anew for it, so that no other cell sees the change."""

    @property
    def module(self) -> nn.Module:
        """The whole model on the device, in evaluation mode; all its parameters require gradients.

        An evaluator may freeze some, or replace layers by its own (adapters).
        """
        ...

    def encode(self, batch: tuple[Batch, ...]) -> Tensor:
        """Compute what the features are made of, with gradients unless the caller turns them off.

        Args:
            batch: From :meth:`loader`, on any device: for each of the task's inputs what the model takes. Changed
                images (augmentation) are given as ``tuple(one.map(change) for one in batch)``.

        Returns:
            ``(batch, dim)``, or ``(batch, dim, rows, columns)`` where features are token grids, in single precision on
            the model's device: of the untrained module the features before they were standardized.

        Raises:
            DataError: The model returned another shape.
        """
        ...

    def standardize(self, encoded: Tensor) -> Tensor:
        """Return what :meth:`encode` computes on the scale of the features, so that a probe on them fits it.

        Where features have no columns, it is what :meth:`encode` computes.
        """
        ...

    def loader(
        self, split: str, *, batch_size: int = 32, shuffle: bool = False, seed: int = 0, workers: int = 0
    ) -> BackboneLoader:
        """Return the batches of a split, converted as for the features.

        Args:
            split: ``"train"``, ``"val"`` or ``"test"``: those of its samples that take part, no others.
            batch_size: The most samples of a batch; the batches of an epoch are nearly equal in size.
            shuffle: In a new order each epoch; otherwise in the order of the features.
            seed: Of the orders.
            workers: Threads that read the next batches; 0: each is read when it is wanted.

        Raises:
            PluginError: There is no such split, or a number is not possible.
        """
        ...
