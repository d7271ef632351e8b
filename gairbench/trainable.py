"""A model and the samples of its task, for an evaluator that trains it: the same values as for its embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.batch import Batch
from gairbench.data import Sample, Split
from gairbench.embedding import encode_on_device, prefetched, read_samples
from gairbench.errors import NotTrainableError, PluginError
from gairbench.feeding import Feed
from gairbench.inputs import EVERY
from gairbench.isolation import Blamed
from gairbench.trainability import untrainable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from gairbench.backbone import BackboneLoader

Array = NDArray[np.float64]

CHECKED = 2
"""Samples that show whether gradients reach the parameters."""


class TrainableModel:
    """What :class:`gairbench.backbone.Backbone` describes. It keeps to itself where targets could be read.

    Args:
        module: The model, on the device.
        feeds: What the features are made of, in their order.
        samples: By split, where its samples come from and which of them take part, in the order of the features.
        mean: Of the features of train before they were standardized; it broadcasts against a batch of them.
        std: Their deviation.
        device: Where to compute.
        who: How to name the model where its code misbehaves.
    """

    def __init__(
        self,
        *,
        module: nn.Module,
        feeds: Sequence[Feed],
        samples: Mapping[str, tuple[Split, Sequence[int]]],
        mean: Array,
        std: Array,
        device: torch.device,
        who: str,
    ) -> None:
        self.module = module
        self._feeds = tuple(feeds)
        self._samples = dict(samples)
        self._scale = (mean, std)
        self._device = device
        self._who = who

    def encode(self, batch: tuple[Batch, ...]) -> Tensor:
        """Compute what the features are made of."""
        import torch

        with Blamed(self._who):
            parts = [
                encode_on_device(self.module, feed.representation, one, self._device)
                for feed, one in zip(self._feeds, batch, strict=True)
            ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def standardize(self, encoded: Tensor) -> Tensor:
        """Return encoded values on the scale of the features."""
        import torch

        mean, std = (torch.as_tensor(values, dtype=torch.float32, device=self._device) for values in self._scale)
        return (encoded - mean) / std

    def loader(
        self, split: str, *, batch_size: int = 32, shuffle: bool = False, seed: int = 0, workers: int = 0
    ) -> BackboneLoader:
        """Return the batches of a split."""
        if split not in self._samples:
            raise PluginError(f"there is no split {split!r} to load", f"ask for {', '.join(self._samples)}")
        if batch_size < 1 or workers < 0:
            raise PluginError(
                f"batches of {batch_size} samples, read by {workers} threads", "batch_size is at least 1, workers 0"
            )
        source, positions = self._samples[split]
        return _Loader(
            feeds=self._feeds,
            split=source,
            positions=np.asarray(positions),
            batch_size=batch_size,
            shuffle=np.random.default_rng(seed) if shuffle else None,
            workers=workers,
        )

    def check_gradient(self) -> None:
        """Refuse a model that cannot be trained, by a first batch.

        Raises:
            NotTrainableError: No gradient reaches a parameter.
            DataError: A sample cannot be read or converted.
        """
        import torch

        parameters = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        if problem := untrainable(self.module, self._who):
            raise NotTrainableError(problem, "")
        split, positions = next(iter(self._samples.values()))
        with torch.enable_grad():
            output = self.encode(_converted(self._feeds, read_samples(split, list(positions[:CHECKED]), self._feeds)))
            reached: Sequence[Tensor | None] = ()
            if output.requires_grad:
                reached = torch.autograd.grad(output.sum(), parameters, allow_unused=True)
        if all(gradient is None for gradient in reached):
            of = " and ".join(map(_said, self._feeds))
            raise NotTrainableError(
                f"{self._who} cannot be trained: no gradient reaches its parameters from {of}",
                "evaluate it without this evaluator; in a model of your own, leave out no_grad, inference_mode, detach",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loader:
    """What :class:`gairbench.backbone.BackboneLoader` describes; ``shuffle`` draws the order of each epoch."""

    feeds: tuple[Feed, ...]
    split: Split
    positions: NDArray[np.int64]
    batch_size: int
    shuffle: np.random.Generator | None
    workers: int

    def __iter__(self) -> Iterator[tuple[tuple[Batch, ...], NDArray[np.int64]]]:
        n = len(self.positions)
        order = np.arange(n) if self.shuffle is None else self.shuffle.permutation(n)
        # A rest of one sample would have no deviation, which batch norm divides by.
        rows = np.array_split(order, len(self))
        reads: Iterator[Callable[[], list[Sample]]] = (
            partial(read_samples, self.split, self.positions[some].tolist(), self.feeds) for some in rows
        )
        read = prefetched(reads, self.workers) if self.workers else (job() for job in reads)
        for some, samples in zip(rows, read, strict=True):
            yield _converted(self.feeds, samples), some

    def __len__(self) -> int:
        return -(-len(self.positions) // self.batch_size)


def _said(feed: Feed) -> str:
    """Return what is computed, by the names of the dataset where an encoder takes whatever images there are."""
    wanted = feed.representation
    return str(replace(wanted, of=tuple(feed.images)) if EVERY in wanted.of else wanted)


def _converted(feeds: Sequence[Feed], samples: Sequence[Sample]) -> tuple[Batch, ...]:
    return tuple(feed.batch(samples) for feed in feeds)
