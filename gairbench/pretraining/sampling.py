"""Which samples make up which batch: a pure function of seed and batch number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One process's part of a distributed run."""

    rank: int = 0
    world_size: int = 1


class BatchStream(Sampler[list[int]]):
    """The batches of a whole training run, in order.

    Nothing is remembered from batch to batch, so a run that is resumed at batch k sees what an uninterrupted one would,
    and a distributed run splits the very batches of a run on one device.

    Args:
        size: Number of samples.
        batch_size: Samples per batch over all processes, a multiple of the number of processes.
        batches: Length of the run.
        seed: Of the order.
        start: Batches that an earlier part of the run has already taken.
        weights: ``(size,)`` probabilities; samples are then drawn with replacement, else every epoch is a permutation.
        shard: Which part of each batch to yield.
    """

    def __init__(
        self,
        size: int,
        batch_size: int,
        batches: int,
        *,
        seed: int,
        start: int = 0,
        weights: NDArray[np.float64] | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.size = size
        self.batch_size = batch_size
        self.batches = batches
        self.seed = seed
        self.start = start
        self.cumulative = None if weights is None else np.cumsum(weights) / np.sum(weights)
        self.shard = shard or Shard()
        self._epoch: tuple[int, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Return the length of the whole run: Lightning counts batches from its beginning."""
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        per_epoch = self.size // self.batch_size
        part = self.batch_size // self.shard.world_size
        for batch in range(self.start, self.batches):
            epoch, place = divmod(batch, per_epoch)
            first = place * self.batch_size + self.shard.rank * part
            yield self._order(epoch)[first : first + part].tolist()

    def _order(self, epoch: int) -> NDArray[np.int64]:
        if self._epoch is None or self._epoch[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch])
            if self.cumulative is None:
                order = rng.permutation(self.size)
            else:
                order = np.searchsorted(self.cumulative, rng.random(self.size), side="right").clip(max=self.size - 1)
            self._epoch = (epoch, order)
        return self._epoch[1]
