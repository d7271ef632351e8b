"""Run a frozen encoder over a split, loading the next batches while the current one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from gairbench.conversion import Converter
from gairbench.data import SAMPLE_KEYS, Sample, Split
from gairbench.errors import DataError
from gairbench.spec import VIEW_MODALITY, Modality, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Loaded = TypeVar("Loaded")

EMBEDDING_VERSION = 1
"""Part of every embedding's key: raise it when embeddings of unchanged models on unchanged data change."""

BATCH = 128
WORKERS = 4


def embed_samples(
    model: object,
    view: View,
    split: Split,
    indices: Sequence[int],
    converters: Mapping[Modality, Converter],
    device: torch.device,
    report: Callable[[int, int], None],
) -> NDArray[np.float32]:
    """Compute one view of every sample.

    Args:
        model: Implements ``view``; already on ``device`` and in evaluation mode.
        view: The method to call.
        split: Where the samples come from.
        indices: Positions in the split, in the order wanted.
        converters: The sealed conversions, by modality.
        device: Where to compute; single precision everywhere, so that devices agree.
        report: Called as ``report(done, total)``.

    Returns:
        ``(samples, dim)``, or ``(samples, dim, rows, columns)`` for tokens.

    Raises:
        DataError: A sample lacks a declared input, or an embedding is not finite.
    """
    parts: list[NDArray[np.float32]] = []
    done = 0
    for samples in prefetched(
        partial(_read, split, indices[start : start + BATCH]) for start in range(0, len(indices), BATCH)
    ):
        output = encode_batch(model, view, _inputs(view, samples, converters), device)
        bad = first_not_finite(output)
        if bad is not None:
            name = split.ids[indices[done + bad]]
            raise DataError(f"the embedding of sample {name!r} is not finite", "check that sample's values")
        parts.append(output)
        done += len(samples)
        report(done, len(indices))
    return np.concatenate(parts)


def prefetched(jobs: Iterable[Callable[[], Loaded]]) -> Iterator[Loaded]:
    """Yield what jobs return, in order, done ahead by threads (image decoding releases the interpreter lock).

    Args:
        jobs: Taken one at a time as places become free, so that an endless stream needs no more memory than a few.

    Raises:
        Exception: Whatever a job raises, when its turn comes.
    """
    pending: deque[Future[Loaded]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="gairbench-load") as pool:
        try:
            for job in jobs:
                pending.append(pool.submit(job))
                if len(pending) > WORKERS:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def encode_batch(model: object, view: View, inputs: Sequence[Tensor], device: torch.device) -> NDArray[np.float32]:
    """Compute one view of a batch.

    Args:
        model: Implements ``view``; already on ``device`` and in evaluation mode.
        view: The method to call.
        inputs: Its arguments, converted to what the model takes.
        device: Where to compute.

    Returns:
        ``(batch, dim)``, or ``(batch, dim, rows, columns)`` for tokens.

    Raises:
        DataError: The model returned another shape.
    """
    import torch

    with torch.inference_mode():
        # Asynchronous only from pinned memory, and then the copy and the computation stay in order.
        on_device = [tensor.to(device, non_blocking=True) for tensor in inputs]
        output: Tensor = getattr(model, view.value)(*on_device).float().cpu()
    if len(output) != len(inputs[0]) or output.ndim != (4 if view is View.RS_TOKENS else 2):
        raise DataError(
            f"{type(model).__name__}.{view.value} returned {tuple(output.shape)} for {len(inputs[0])} samples",
            "return (batch, dim), or (batch, dim, rows, columns) for tokens",
        )
    return output.numpy()


def first_not_finite(values: NDArray[np.float32]) -> int | None:
    """Return the first row that holds infinity or no number, if there is one."""
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    return int(bad[0]) if len(bad) else None


def _read(split: Split, indices: Sequence[int]) -> list[Sample]:
    read_many = getattr(split, "__getitems__", None)
    if read_many is not None:
        samples: list[Sample] = read_many(list(indices))
        return samples
    return [split[i] for i in indices]


def _inputs(view: View, samples: Sequence[Sample], converters: Mapping[Modality, Converter]) -> list[Tensor]:
    import torch

    modality = VIEW_MODALITY[view]
    converted = _convert(_column(samples, SAMPLE_KEYS[modality]), converters[modality])
    if view is not View.RS_QUERY:
        return [converted]
    lonlat = converters[Modality.LOCATION](torch.stack(_column(samples, SAMPLE_KEYS[Modality.LOCATION])))
    return [converted, lonlat, torch.stack(_column(samples, "bbox")).to(torch.float64)]


def _column(samples: Sequence[Sample], key: str) -> list[Tensor]:
    try:
        return [sample[key] for sample in samples]
    except KeyError:
        raise DataError(
            f"a sample has no {key!r}", "deliver every declared input, named as in gairbench.data"
        ) from None


def _convert(values: list[Tensor], converter: Converter) -> Tensor:
    """Convert a batch, one by one where images differ in size."""
    import torch

    if len({value.shape for value in values}) == 1:
        return converter(torch.stack(values))
    converted = [converter(value[None]) for value in values]
    if len({value.shape for value in converted}) > 1:
        raise DataError("images differ in size and the model takes any size", "give the dataset a 'size'")
    return torch.cat(converted)
