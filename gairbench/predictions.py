"""The per-sample test predictions beside a record, on which two models can be compared sample by sample."""

from __future__ import annotations

import io
import zipfile
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
    if not result.predictions or not path.is_file():
        raise StorageError(
            f"the predictions of {result.path(folder)} are not here", "compute them with the record's command"
        )
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Predictions(arrays["ids"], arrays["target"], arrays["prediction"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StorageError(f"{path} holds no predictions: {error}", "delete it and run again") from error
