"""The per-sample test predictions beside a record, on which two models can be compared sample by sample."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import StorageError
from gairbench.evaluator import ScoresAre
from gairbench.read_only import read_only
from gairbench.results import Result
from gairbench.storage import atomic_file

Array = NDArray[Any]

UNNEEDED = 2**20
"""Scores that no metric of the task needs are kept up to this number, 4 MiB."""

NEEDED = 2**26
"""Scores that a metric of the task needs are kept up to this number, 256 MiB."""

_MEANINGS: tuple[ScoresAre, ...] = ("probabilities", "decisions")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What an evaluator predicted for the test split; the arrays are read-only, as every metric is given the same.

    Args:
        ids: Identifiers of the samples, ``(samples,)``.
        target: Targets, samples along the first axis.
        prediction: Predictions, samples along the first axis.
        scores: Scores ``(samples, classes)`` in single precision, where they are kept.
        scores_are: What the scores mean; ``None`` without scores.
    """

    ids: Array
    target: Array
    prediction: Array
    scores: Array | None = None
    scores_are: ScoresAre | None = None

    def __post_init__(self) -> None:
        for name in ("ids", "target", "prediction", "scores"):
            array = getattr(self, name)
            object.__setattr__(self, name, None if array is None else read_only(array))


def scores_are_kept(values: int, *, needed: bool) -> bool:
    """Say whether scores are saved beside the predictions.

    Args:
        values: How many there are, samples times classes.
        needed: A metric of the task was computed from them.
    """
    return values <= (NEEDED if needed else UNNEEDED)


def save_predictions(record: Path, predictions: Predictions) -> str:
    """Write the predictions of a record.

    Args:
        record: The record's file.
        predictions: What was predicted.

    Returns:
        Name of the file, which stands beside the record.

    Raises:
        StorageError: It cannot be written.
    """
    path = record.with_suffix(".predictions.npz")
    arrays: dict[str, Any] = {
        "ids": np.asarray(predictions.ids, dtype=np.str_),
        "target": predictions.target,
        "prediction": predictions.prediction,
    }
    if predictions.scores is not None:
        # The name says what they mean.
        arrays[str(predictions.scores_are)] = predictions.scores
    with atomic_file(path) as file:
        np.savez_compressed(file, **arrays)
    return path.name


def predictions_beside(result: Result, record: Path) -> Path | None:
    """Return where the predictions of a record lie if it has some.

    A record may come from a third party: what it names is a file beside it or nothing.

    Args:
        result: The record.
        record: Its file.
    """
    named = result.predictions and Path(result.predictions).name == result.predictions
    return record.parent / result.predictions if named else None


def load_predictions(result: Result, folder: Path) -> Predictions:
    """Read the predictions of a record.

    Args:
        result: The record.
        folder: The results folder that it is in.

    Raises:
        StorageError: They are not here (published records come without them), or are broken.
    """
    path = predictions_beside(result, result.path(folder))
    if path is None or not path.is_file():
        raise StorageError(
            f"the predictions of {result.path(folder)} are not here", "compute them with the record's command"
        )
    try:
        with zipfile.ZipFile(path) as archive:
            ids, target, prediction = (_array(archive, name) for name in ("ids", "target", "prediction"))
            meaning = next((name for name in _MEANINGS if f"{name}.npy" in archive.namelist()), None)
            scores = None if meaning is None else _array(archive, meaning)
    except (OSError, EOFError, ValueError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise StorageError(f"{path} holds no predictions: {error}", "delete it and run again") from error
    if not len(ids) == len(target) == len(prediction) == len(prediction if scores is None else scores):
        raise StorageError(
            f"{path} holds {len(ids)} ids, {len(target)} targets, {len(prediction)} predictions"
            + ("" if scores is None else f" and {len(scores)} rows of scores"),
            "delete it and run again",
        )
    return Predictions(ids, target, prediction, scores, meaning)


def _array(archive: zipfile.ZipFile, name: str) -> Array:
    with archive.open(f"{name}.npy") as file:
        array: Array = np.lib.format.read_array(file, allow_pickle=False)
    if not array.ndim:
        raise ValueError(f"{name} is a single value")
    return array
