"""Predictions are read as they were written, with scores where they are kept."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from records import make_result

from gairbench import predictions
from gairbench.errors import StorageError
from gairbench.evaluator import ScoresAre
from gairbench.predictions import Predictions, load_predictions, save_predictions, scores_are_kept

IDS = np.array(["a", "b", "c"])
SCORES = np.random.default_rng(0).random((3, 2)).astype(np.float32)


def written(folder: Path, found: Predictions) -> Predictions:
    record = make_result()
    name = save_predictions(record.path(folder), found)
    return load_predictions(replace(record, predictions=name), folder)


def test_predictions_without_scores_have_none(tmp_path: Path) -> None:
    read = written(tmp_path, Predictions(IDS, np.arange(3), np.ones(3)))
    assert read.ids.tolist() == IDS.tolist()
    assert read.prediction.tolist() == [1, 1, 1]
    assert (read.scores, read.scores_are) == (None, None)


@pytest.mark.parametrize("meaning", ["probabilities", "decisions"])
def test_scores_come_back_with_what_they_mean(tmp_path: Path, meaning: ScoresAre) -> None:
    read = written(tmp_path, Predictions(IDS, np.arange(3), np.ones(3), SCORES, meaning))
    np.testing.assert_array_equal(read.scores, SCORES)
    assert read.scores_are == meaning


def test_scores_of_another_number_of_samples_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="3 ids, 3 targets, 3 predictions and 2 rows of scores"):
        written(tmp_path, Predictions(IDS, np.arange(3), np.ones(3), SCORES[:2], "decisions"))


def test_the_number_of_scores_that_are_kept_is_bounded() -> None:
    few, many = predictions.UNNEEDED, predictions.NEEDED
    assert [scores_are_kept(n, needed=False) for n in (few, few + 1)] == [True, False]
    assert [scores_are_kept(n, needed=True) for n in (few + 1, many, many + 1)] == [True, True, False]


def broken(whole: bytes) -> dict[str, bytes]:
    single = io.BytesIO()
    np.save(single, np.zeros(3))
    lengths = io.BytesIO()
    np.savez_compressed(lengths, ids=np.array(["a", "b"]), target=np.zeros(2), prediction=np.zeros(3))
    pickled = io.BytesIO()
    np.savez_compressed(pickled, ids=np.array([{}], dtype=object), target=np.zeros(1), prediction=np.zeros(1))
    flipped = bytearray(whole)
    flipped[len(whole) // 3] ^= 0xFF
    return {
        "no zip": b"PK nothing",
        "empty": b"",
        "one array": single.getvalue(),
        "cut short": whole[: len(whole) // 2],
        "flipped": bytes(flipped),
        "lengths": lengths.getvalue(),
        "pickled": pickled.getvalue(),
    }


@pytest.mark.parametrize("how", ["no zip", "empty", "one array", "cut short", "flipped", "lengths", "pickled"])
def test_broken_predictions_are_refused(how: str, tmp_path: Path) -> None:
    record = make_result()
    name = save_predictions(record.path(tmp_path), Predictions(np.array(["a", "b"]), np.zeros(2), np.ones(2)))
    path = record.path(tmp_path).parent / name
    path.write_bytes(broken(path.read_bytes())[how])
    with pytest.raises(StorageError, match="delete it and run again"):
        load_predictions(replace(record, predictions=name), tmp_path)


def test_missing_predictions_and_those_elsewhere_are_refused(tmp_path: Path) -> None:
    record = make_result()
    name = save_predictions(record.path(tmp_path), Predictions(np.array(["a", "b"]), np.zeros(2), np.ones(2)))
    other = make_result("rival")
    elsewhere = replace(other, predictions=f"../../../../gair/default-seed0/earth-rs-koeppen/{name}")
    with pytest.raises(StorageError, match="are not here"):
        load_predictions(elsewhere, tmp_path)
    (record.path(tmp_path).parent / name).unlink()
    with pytest.raises(StorageError, match="are not here; compute them with the record's command"):
        load_predictions(replace(record, predictions=name), tmp_path)
