"""Run a frozen encoder over a split, loading the next batches while the current one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from gairbench.batch import Batch
from gairbench.data import Sample, Split
from gairbench.errors import DataError, NotCoveredError, PluginError
from gairbench.feeding import Feed
from gairbench.representation import METHODS, Representation

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Loaded = TypeVar("Loaded")

EMBEDDING_VERSION = 2
"""Part of every embedding's key: raise it when embeddings of unchanged models on unchanged data change."""

BATCH = 128
WORKERS = 4


def embed_samples(
    model: object,
    feed: Feed,
    split: Split,
    indices: Sequence[int],
    device: torch.device,
    report: Callable[[int, int], None],
    *,
    partial_coverage: bool = False,
) -> NDArray[np.float32]:
    """Compute one representation of every sample.

    Args:
        model: Offers the feed's representation; already on ``device`` and in evaluation mode.
        feed: What it is fed with.
        split: Where the samples come from.
        indices: Positions in the split, in the order wanted.
        device: Where to compute; single precision everywhere, so that devices agree.
        report: Called as ``report(done, total)``.
        partial_coverage: Of a model that looks samples up, those that it lacks are not numbers.

    Returns:
        ``(samples, dim)``, ``(samples, dim, rows, columns)`` for tokens, or ``(samples, layers, dim, rows, columns)``
        for tokens of several layers.

    Raises:
        DataError: A sample lacks a declared input, or an embedding is not finite.
        NotCoveredError: A model that looks samples up has none of some of them.
    """
    parts: list[NDArray[np.float32]] = []
    names = split.ids if feed.looks_up else ()
    lacking: list[str] = []
    done = 0
    for samples in prefetched(
        partial(_read, split, feed, indices[start : start + BATCH]) for start in range(0, len(indices), BATCH)
    ):
        ids = [names[i] for i in indices[done : done + len(samples)]] if feed.looks_up else []
        output = encode_batch(model, feed.representation, feed.batch(samples, ids), device)
        if feed.looks_up:
            lacking += [ids[row] for row in np.flatnonzero(~finite_rows(output))]
        elif (bad := first_not_finite(output)) is not None:
            name = split.ids[indices[done + bad]]
            raise DataError(f"the embedding of sample {name!r} is not finite", "check that sample's values")
        parts.append(output)
        done += len(samples)
        report(done, len(indices))
    if lacking and not partial_coverage:
        raise NotCoveredError(tuple(lacking), len(indices), getattr(model, "holds", "others"))
    return np.concatenate(parts)


def _read(split: Split, feed: Feed, indices: Sequence[int]) -> list[Sample]:
    return read_samples(split, indices, [feed]) if feed.reads_samples else [{} for _ in indices]


def prefetched(jobs: Iterable[Callable[[], Loaded]], workers: int = WORKERS) -> Iterator[Loaded]:
    """Yield what jobs return, in order, done ahead by threads (image decoding releases the interpreter lock).

    Args:
        jobs: Taken one at a time as places become free, so that an endless stream needs no more memory than a few.
        workers: Number of threads.

    Raises:
        Exception: Whatever a job raises, when its turn comes.
    """
    pending: deque[Future[Loaded]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="gairbench-load") as pool:
        try:
            for job in jobs:
                pending.append(pool.submit(job))
                if len(pending) > workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def encode_batch(
    model: object, representation: Representation, batch: Batch, device: torch.device
) -> NDArray[np.float32]:
    """Compute one representation of a batch, without gradients.

    Args:
        model: Offers the representation; already on ``device`` and in evaluation mode.
        representation: What to compute.
        batch: What the model takes.
        device: Where to compute.

    Returns:
        As :func:`embed_samples`.

    Raises:
        DataError: The model returned another shape.
        PluginError: The model has no method for it.
    """
    import torch

    with torch.inference_mode():
        return encode_on_device(model, representation, batch, device).cpu().numpy()


def encode_on_device(model: object, representation: Representation, batch: Batch, device: torch.device) -> Tensor:
    """Compute one representation of a batch, with gradients where they are on.

    Args:
        model: As for :func:`encode_batch`.
        representation: What to compute.
        batch: What the model takes, on any device.
        device: Where to compute.

    Returns:
        A tensor of the shape of :func:`embed_samples`, in single precision, on ``device``.

    Raises:
        DataError: The model returned another shape.
        PluginError: The model has no method for it.
    """
    output = compute(model, representation, batch.to(device)).float()
    dimensions = _dimensions(representation)
    several = len(representation.layers) if "layers" in dimensions else None
    fits = len(output) == len(batch) and output.ndim == len(dimensions)
    if not fits or (several is not None and output.shape[1] != several):
        raise DataError(
            f"{type(model).__name__} returned {tuple(output.shape)} as {representation} of {len(batch)} samples",
            f"return ({', '.join(dimensions)})" + (f" of {several} layers" if several is not None else ""),
        )
    return output


def _dimensions(representation: Representation) -> tuple[str, ...]:
    if representation.form != "tokens":
        return ("batch", "dim")
    several = ("layers",) * (len(representation.layers) > 1)
    return ("batch", *several, "dim", "rows", "columns")


def dim_axis(axes: int) -> int:
    """Return which axis of embeddings is their width, by their number of axes: 2, 4, or 5 where there are layers."""
    return 2 if axes == 5 else 1


def compute(model: object, representation: Representation, batch: Batch) -> Tensor:
    """Call the method of a model that computes a representation.

    Args:
        model: Has one of the small methods of :mod:`gairbench.protocols`, or ``encode``.
        representation: What to compute.
        batch: What the model takes, on its device.

    Raises:
        PluginError: The model has no such method.
    """
    method = getattr(model, METHODS.get(representation, ""), None)
    if method is not None:
        output: Tensor = method(*_arguments(representation, batch))
        return output
    encode = getattr(model, "encode", None)
    if encode is None:
        small = METHODS.get(representation)
        raise PluginError(
            f"{type(model).__name__} has no method for {representation}",
            f"give it encode(batch, representation){f' or {small}' if small else ''}",
        )
    encoded: Tensor = encode(batch, representation)
    return encoded


def _arguments(representation: Representation, batch: Batch) -> list[Tensor]:
    if batch.coordinates is not None:
        return [batch.coordinates]
    values = [image.values for image in batch.images.values()]
    if representation.form == "query" and batch.lonlat is not None and batch.bbox is not None:
        return [*values, batch.lonlat, batch.bbox]
    return values


def first_not_finite(values: NDArray[np.float32]) -> int | None:
    """Return the first row that holds infinity or no number, if there is one."""
    bad = np.flatnonzero(~finite_rows(values))
    return int(bad[0]) if len(bad) else None


def finite_rows(values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which rows hold finite numbers alone, ``(n,)``."""
    return np.asarray(np.isfinite(values).reshape(len(values), -1).all(axis=1))


def read_samples(split: Split, indices: Sequence[int], feeds: Iterable[Feed]) -> list[Sample]:
    """Read samples of a split, all at once where it can; what no feed takes of them is not kept until its turn."""
    taken = frozenset[str]().union(*(feed.keys for feed in feeds))
    return [{key: sample[key] for key in taken if key in sample} for sample in whole_samples(split, indices)]


def whole_samples(split: Split, indices: Sequence[int]) -> Iterable[Sample]:
    """Return samples of a split as it delivers them: all at once where it can, else each when it is its turn."""
    read_many = getattr(split, "__getitems__", None)
    return read_many(list(indices)) if read_many is not None else (split[i] for i in indices)
