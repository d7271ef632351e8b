"""Run a frozen encoder over a split, loading the next batches while the current one is computed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.conversion import Converter
from gairbench.data import SAMPLE_KEYS, Sample, Split
from gairbench.errors import DataError
from gairbench.spec import VIEW_MODALITY, Modality, View

if TYPE_CHECKING:
    import torch
    from torch import Tensor

EMBEDDING_VERSION = 1
"""Part of every embedding's key: raise it when embeddings of unchanged models on unchanged data change."""

BATCH = 128
WORKERS = 4


def embed(
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
    import torch

    encode = getattr(model, view.value)
    parts: list[NDArray[np.float32]] = []
    done = 0
    with torch.inference_mode():
        for samples in _batches(split, indices):
            inputs = [t.to(device) for t in _inputs(view, samples, converters)]
            output = encode(*inputs).float().cpu()
            if len(output) != len(samples) or output.ndim != (4 if view is View.RS_TOKENS else 2):
                raise DataError(
                    f"{type(model).__name__}.{view.value} returned {tuple(output.shape)} for {len(samples)} samples",
                    "return (batch, dim), or (batch, dim, rows, columns) for tokens",
                )
            finite = torch.isfinite(output).flatten(1).all(1)
            if not bool(finite.all()):
                bad = split.ids[indices[done + int((~finite).nonzero()[0, 0])]]
                raise DataError(f"the embedding of sample {bad!r} is not finite", "look at that sample's values")
            parts.append(output.numpy())
            done += len(samples)
            report(done, len(indices))
    return np.concatenate(parts)


def _batches(split: Split, indices: Sequence[int]) -> Iterator[list[Sample]]:
    """Yield batches in order, read by threads a few batches ahead (image decoding releases the interpreter lock)."""
    chunks = [indices[start : start + BATCH] for start in range(0, len(indices), BATCH)]
    pending: deque[Future[list[Sample]]] = deque()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="gairbench-load") as pool:
        try:
            for chunk in chunks:
                pending.append(pool.submit(_read, split, chunk))
                if len(pending) > WORKERS:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


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
        raise DataError("images differ in size and the encoder asks for none", "give the dataset a 'size'")
    return torch.cat(converted)
