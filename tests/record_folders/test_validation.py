"""Every kind of unsound record is found, one line a problem, and a broken file does not hide the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generated import make_registry
from records import make_result

from gairbench.errors import StorageError
from gairbench.predictions import Predictions, save_predictions
from gairbench.record_folders.validation import Validation, record_problems, validate_folder
from gairbench.results import MetricValue, Result, write_result

SOUND = make_result(value=0.5, probe="knn", predictions="knn.predictions.npz", n={"test": 40})


def look(folder: Path) -> Validation:
    return validate_folder(folder, make_registry())


def problems(folder: Path) -> list[str]:
    return [str(one).removeprefix(f"{folder}/") for one in look(folder).problems]


def written(folder: Path, record: Result = SOUND, *, right: int = 20) -> Path:
    """Write a record with predictions of which so many of 40 are right."""
    path = write_result(record, folder)
    target = np.zeros(40, dtype=np.int64)
    prediction = np.where(np.arange(40) < right, 0, 1)
    save_predictions(path, Predictions(np.arange(40).astype(str), target, prediction))
    return path


def headline(**changes: float | None) -> dict[str, MetricValue]:
    (name, value), *_ = SOUND.metrics.items()
    return {name: replace(value, **changes)}  # type: ignore[arg-type]


def test_sound_records_have_no_problems_with_and_without_predictions(tmp_path: Path) -> None:
    written(tmp_path)
    write_result(make_result("other"), tmp_path)
    write_result(make_result("third", status="skipped", reason="no data"), tmp_path)
    assert look(tmp_path) == Validation(records=3, recomputed=1, problems=())


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"metrics": headline(value=0.9)}, r"accuracy: the interval [0.49, 0.51] does not hold the value 0.9"),
        ({"metrics": headline(value=float("nan"))}, "accuracy: value is nan"),
        ({"metrics": headline(high=float("inf"), error=0.01)}, "accuracy: high is inf"),
        ({"metrics": headline(high=float("inf"), most=1.0)}, "accuracy: high is inf"),
        ({"metrics": headline(error=-1.0)}, "accuracy: its standard error is -1"),
        ({"metrics": headline(least=0.0, most=0.4)}, "accuracy: value, low, high not between 0 and 0.4"),
        ({"metrics": headline(trivial=2.0, most=1.0)}, "accuracy: trivial not between -inf and 1"),
        ({"metric": "macro_f1"}, "has no value of its headline metric macro_f1"),
        ({"n": {"train": 0, "test": 5}}, "has 0 samples of train"),
        ({"n": {"train": 5}}, "does not say how many samples were tested"),
        ({"key": ""}, "has no key"),
        ({"jackknife": (0.5,) * 41}, "its jackknife leaves out 41 units of 40"),
        ({"jackknife": (0.5,) * 4, "groups": {"test": 3}}, "its jackknife leaves out 4 units of 3"),
        ({"jackknife": (float("nan"), 0.5)}, "its jackknife holds what is not a number"),
        (
            {"jackknife": tuple(np.linspace(0.69, 0.71, 40))},
            "accuracy: its jackknife is around 0.7, and not around 0.5",
        ),
    ],
)
def test_unsound_numbers_are_found(changes: dict[str, object], what: str) -> None:
    assert list(record_problems(replace(SOUND, **changes))) == [what]  # type: ignore[arg-type]


@pytest.mark.parametrize("right", [20, 38])
def test_a_jackknife_of_real_samples_is_around_the_value(right: int) -> None:
    hits = np.arange(40) < right
    without = tuple(float((hits.sum() - hit) / 39) for hit in hits)
    record = replace(SOUND, jackknife=without, metrics=headline(value=right / 40, low=0.0, high=1.0))
    assert list(record_problems(record)) == []


def test_cells_without_a_number_have_a_reason_and_no_metrics() -> None:
    assert list(record_problems(replace(SOUND, status="failed"))) == [
        "is failed without a reason",
        "is failed and has numbers",
    ]


def test_predictions_that_give_another_metric_are_found(tmp_path: Path) -> None:
    written(tmp_path, right=21)
    (line,) = problems(tmp_path)
    assert line.endswith("knn.json: accuracy: its predictions give 0.525, and it says 0.5")
    assert look(tmp_path).recomputed == 0


def test_predictions_of_other_samples_or_broken_ones_are_found(tmp_path: Path) -> None:
    path = written(tmp_path, replace(SOUND, n={"test": 39}))
    assert "has predictions of 40 samples, and 39 were tested" in problems(tmp_path)[0]
    path.with_suffix(".predictions.npz").write_bytes(b"no zip")
    assert "holds no predictions" in problems(tmp_path)[0]


def test_metrics_of_other_versions_are_not_computed_from_predictions(tmp_path: Path) -> None:
    (name, value), *_ = SOUND.metrics.items()
    written(tmp_path, replace(SOUND, metrics={name: replace(value, version=99)}), right=39)
    assert problems(tmp_path) == []


def test_a_record_in_another_place_is_found_and_is_a_duplicate(tmp_path: Path) -> None:
    path = written(tmp_path)
    moved = tmp_path / "else" / path.parent.parent.name / path.parent.name / path.name
    moved.parent.mkdir(parents=True)
    moved.write_bytes(path.read_bytes())
    place = path.relative_to(tmp_path)
    assert problems(tmp_path) == [
        f"{moved.relative_to(tmp_path)}: its names belong to {place}",
        f"{place}: is of the same cell as {moved.relative_to(tmp_path)}",
    ]


def test_a_broken_file_is_one_line_and_the_others_are_looked_at(tmp_path: Path) -> None:
    path = written(tmp_path)
    broken = path.with_name("aaa.json")
    broken.write_text("{")
    other = path.with_name("bbb.json")
    other.write_text(json.dumps({**json.loads(path.read_text()), "seed": "zero"}))
    (tmp_path / ".locks" / "a" / "b").mkdir(parents=True)
    (tmp_path / ".locks" / "a" / "b" / "c.json").write_text("no record")
    found = look(tmp_path)
    assert (found.records, found.recomputed) == (1, 1)
    assert [one.path for one in found.problems] == [broken, other]
    assert all("\n" not in str(one) for one in found.problems)
    assert "seed='zero' is not an int" in found.problems[1].what


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no results folder"):
        look(tmp_path / "nowhere")


def test_an_interval_without_an_end_is_sound_where_there_is_no_standard_error() -> None:
    record = replace(SOUND, metrics=headline(low=float("-inf"), high=float("inf")))
    assert list(record_problems(record)) == []
