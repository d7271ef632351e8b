"""The samples of a pre-training dataset as training batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from gairbench.conversion import Converter, make_converter
from gairbench.data import SAMPLE_KEYS, Sample
from gairbench.errors import DataError, GairbenchError, UsageError
from gairbench.inputs import Input, LocationInput, Modality
from gairbench.limit import limited
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.sampling import BatchStream, Shard
from gairbench.protocols import PretrainContext

Batch = dict[str, Tensor]
"""``image`` and ``street_view`` as delivered, ``lonlat`` in degrees, ``position`` of the point in its tile."""

HELD_OUT = 512
"""Samples kept for validation at most; a tenth of a smaller dataset."""


class Corpus:
    """What a recipe trains on.

    Args:
        context: The recipe's context.
        inputs: What the model's encoders take, one per modality.
        placed: The tiles are looked up at the samples' points, whether or not an encoder takes coordinates: every batch
            holds ``lonlat`` and ``position``.

    Raises:
        InputMismatchError: What is delivered does not fit the model's inputs.
        DataError: A modality is not delivered, there are too few samples, or they cannot be balanced.
    """

    def __init__(self, context: PretrainContext, inputs: Sequence[Input], *, placed: bool = False) -> None:
        self.context = context
        delivered = {i.modality: i for i in context.delivers}
        if placed and all(i.modality is not Modality.LOCATION for i in inputs):
            inputs = [*inputs, LocationInput()]
        absent = [str(i.modality) for i in inputs if i.modality not in delivered]
        if absent:
            raise DataError(
                f"dataset {context.dataset!r} delivers no {' and no '.join(absent)} samples",
                f"{context.model} is pre-trained on {', '.join(str(i.modality) for i in inputs)}",
            )
        self.converters: Mapping[Modality, Converter] = {
            i.modality: make_converter(delivered[i.modality], i) for i in inputs
        }
        self.split = context.source.split("pretrain")
        chosen = limited(len(self.split), context.limit)
        n = len(chosen)
        order = chosen[np.random.default_rng([context.seed, n]).permutation(n)]
        held_out = min(HELD_OUT, n // 10) if context.trainer.validate_every != 0 else 0
        self.train, self.held_out = np.sort(order[held_out:]), np.sort(order[:held_out])
        if len(self.train) < 2:
            raise DataError(f"{len(self.train)} training sample in {context.dataset!r}", "give at least 2")
        if context.trainer.validate_every and not held_out:
            raise UsageError(
                f"none of {n} samples can be held out for validation: a tenth of them is less than one",
                "give at least 10 samples, or leave --validate-every out",
            )

    def batch_size(self, budget: Budget) -> int:
        """Return the samples per batch over all processes: the budget's.

        Raises:
            UsageError: There are fewer samples. Only a trial (``gairbench run --limit``), whose records are shown
                apart, goes on with all there are as its batch.
        """
        if len(self.train) >= budget.batch_size:
            return budget.batch_size
        if self.context.limit is not None and not self.context.trainer.record:
            return len(self.train)
        apart = f" ({len(self.held_out)} more are held out for validation)" if len(self.held_out) else ""
        limit = "" if self.context.limit is None else f", raise --limit {self.context.limit}"
        validation = ", or hold none out with --validate-every 0" if len(self.held_out) else ""
        raise UsageError(
            f"{len(self.train)} training samples of {self.context.dataset!r}{apart} do not fill a batch of"
            f" {budget.batch_size}",
            f"lower it with --set batch_size=N{limit}, or give more samples{validation}",
        )

    def batches_per_epoch(self, budget: Budget) -> int:
        """Return the full batches in one pass."""
        return len(self.train) // self.batch_size(budget)

    def steps(self, budget: Budget) -> int:
        """Return the optimizer steps of a whole run.

        Raises:
            UsageError: There is not one, because gradients are accumulated over more batches than there are.
        """
        batches = round(budget.share * budget.epochs * self.batches_per_epoch(budget))
        steps = batches // self.context.trainer.accumulate_grad_batches
        if steps < 1:
            raise UsageError(
                f"{batches} batches make no step of {self.context.trainer.accumulate_grad_batches}",
                "accumulate fewer batches, train longer, or give more samples",
            )
        return steps

    def training_loader(self, budget: Budget, *, start: int, shard: Shard) -> DataLoader[Sample]:
        """Return the batches of the run, without those that an earlier part of it has taken.

        Raises:
            UsageError: The batch cannot be split evenly over the processes.
        """
        batch_size = self.batch_size(budget)
        if batch_size % shard.world_size:
            raise UsageError(
                f"a batch of {batch_size} cannot be split over {shard.world_size} devices",
                "choose a batch_size that is a multiple of the number of devices",
            )
        stream = BatchStream(
            len(self.train),
            batch_size,
            self.steps(budget) * self.context.trainer.accumulate_grad_batches,
            seed=self.context.seed,
            start=start,
            weights=self._weights(),
            shard=shard,
        )
        return self._loader(self.train, batch_sampler=stream)

    def first(self) -> Batch:
        """Return the first training sample as a batch.

        Raises:
            DataError: It is broken.
        """
        return _Collate(self.converters).stack([cast(Dataset[Sample], self.split)[int(self.train[0])]])

    def validation_loader(self, budget: Budget) -> DataLoader[Sample] | None:
        """Return the held-out samples in order, or ``None`` where nothing is held out."""
        if not len(self.held_out):
            return None
        size = self.batch_size(budget)
        chunks = [
            list(range(start, min(start + size, len(self.held_out)))) for start in range(0, len(self.held_out), size)
        ]
        return self._loader(self.held_out, batch_sampler=chunks)

    def _loader(
        self, indices: NDArray[np.int64], *, batch_sampler: BatchStream | list[list[int]]
    ) -> DataLoader[Sample]:
        workers = self.context.trainer.num_workers
        return _Loader(
            _Reporting(cast(Dataset[Sample], self.split), indices.tolist()),
            batch_sampler=batch_sampler,
            num_workers=workers,
            collate_fn=_Collate(self.converters),
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def _weights(self) -> NDArray[np.float64] | None:
        cells = self.context.trainer.balance
        if cells is None:
            return None
        lonlat = getattr(self.split, "lonlat", None)
        if lonlat is None:
            raise DataError(
                f"dataset {self.context.dataset!r} does not hold the coordinates of its samples, so they cannot be"
                " balanced in space",
                "leave --balance out, or give a manifest",
            )
        from gairbench.triplets.balance import balance_weights

        return balance_weights(np.asarray(lonlat)[self.train], cells)


class _Reporting(Dataset[Sample]):
    """Some samples of a split; a mistake in one is its value.

    A process that loads data can only raise what its text describes: its error would arrive as a ``RuntimeError`` with
    the process's traceback as its message. A value arrives as it is.
    """

    def __init__(self, split: Dataset[Sample], indices: Sequence[int]) -> None:
        self.split = split
        self.indices = indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample | GairbenchError:  # type: ignore[override]
        try:
            return self.split[self.indices[index]]
        except GairbenchError as error:
            return error

    def __getitems__(self, indices: Sequence[int]) -> list[Sample | GairbenchError]:
        """Return a batch, read at once where the split can: a split that renders its samples is far faster so."""
        read_many = getattr(self.split, "__getitems__", None)
        if read_many is None:
            return [self[index] for index in indices]
        try:
            return list(read_many([self.indices[index] for index in indices]))
        except GairbenchError as error:
            return [error]


class _Loader(DataLoader[Sample]):
    """Raise the mistakes that come in place of batches."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if isinstance(batch, GairbenchError):
                raise batch
            yield batch


class _Collate:
    """Stack samples and place each point in its tile, in float64 on the CPU, before anything reaches a device.

    The first mistake among the samples, or of the batch, comes in place of the batch.
    """

    def __init__(self, converters: Mapping[Modality, Converter]) -> None:
        self.converters = converters

    def __call__(self, samples: Sequence[Sample | GairbenchError]) -> Batch | GairbenchError:
        whole: list[Sample] = []
        for sample in samples:
            if isinstance(sample, GairbenchError):
                return sample
            whole.append(sample)
        try:
            return self.stack(whole)
        except GairbenchError as error:
            return error

    def stack(self, samples: Sequence[Sample]) -> Batch:
        """Return the samples as a batch.

        Raises:
            DataError: They differ in size, an input is missing, or a point is not in its tile.
        """
        wanted = {SAMPLE_KEYS[modality] for modality in self.converters}
        if SAMPLE_KEYS[Modality.LOCATION] in wanted and SAMPLE_KEYS[Modality.RS] in wanted:
            wanted.add("bbox")
        try:
            columns: Batch = default_collate([{key: sample[key] for key in wanted} for sample in samples])
        except KeyError as error:
            raise DataError(f"a pre-training sample has no {error}", "deliver every declared input") from None
        except RuntimeError as error:
            raise DataError(f"pre-training samples differ in size: {error}", "deliver images of one size") from error
        if "lonlat" not in columns:
            return columns
        lonlat = self.converters[Modality.LOCATION](columns["lonlat"])
        batch = {key: columns[key] for key in ("image", "street_view") if key in columns} | {"lonlat": lonlat.float()}
        if "bbox" in columns:
            batch["position"] = _position(lonlat, columns["bbox"].double()).float()
        return batch


def _position(lonlat: Tensor, bbox: Tensor) -> Tensor:
    from gairbench.georeference import relative_position

    try:
        return relative_position(lonlat, bbox)
    except ValueError as error:
        raise DataError(f"pre-training sample: {error}", "correct its coordinates or bounding box") from error
