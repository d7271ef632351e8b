"""The per-sample test predictions beside a record, on which two models can be compared sample by sample."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import StorageError
from gairbench.results import Result
from gairbench.storage import write_atomically

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a probe predicted for the test split.

    Args:
        ids: Identifiers of the samples, ``(samples,)``.
        target: Targets, samples along the first axis.
        prediction: Predictions, samples along the first axis.
    """

    ids: Array
    target: Array
    prediction: Array


def save_predictions(record: Path, ids: Sequence[str], target: Array, prediction: Array) -> str:
    """Write the predictions of a record.

    Args:
        record: The record's file.
        ids: Identifiers of the samples.
        target: Targets, samples along the first axis.
        prediction: Predictions, samples along the first axis.

    Returns:
        Name of the file, which stands beside the record.

    Raises:
        StorageError: It cannot be written.
    """
    path = record.with_suffix(".predictions.npz")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, ids=np.asarray(ids, dtype=np.str_), target=target, prediction=prediction)
    write_atomically(path, buffer.getvalue())
    return path.name


def load_predictions(result: Result, folder: Path) -> Predictions:
    """Read the predictions of a record.

    Args:
        result: The record.
        folder: The results folder that it is in.

    Raises:
        StorageError: They are not here (published records come without them), or are broken.
    """
    path = result.path(folder).parent / result.predictions
    # A record may come from a third party: what it names is a file beside it or nothing.
    if not result.predictions or Path(result.predictions).name != result.predictions or not path.is_file():
        raise StorageError(
            f"the predictions of {result.path(folder)} are not here", "compute them with the record's command"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            ids, target, prediction = (_array(archive, name) for name in ("ids", "target", "prediction"))
    except (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise StorageError(f"{path} holds no predictions: {error}", "delete it and run again") from error
    if not len(ids) == len(target) == len(prediction):
        raise StorageError(
            f"{path} holds {len(ids)} ids, {len(target)} targets and {len(prediction)} predictions",
            "delete it and run again",
        )
    return Predictions(ids, target, prediction)


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    if not array.ndim:
        raise ValueError(f"{name} is a single value")
    return array
