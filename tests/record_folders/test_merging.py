"""Records of several folders become one folder: which of two is kept, and that nothing is lost."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import make_result

from gairbench.errors import StorageError, UsageError
from gairbench.predictions import Predictions, load_predictions, save_predictions
from gairbench.record_folders.merging import Merged, merge_folders
from gairbench.results import Result, read_results, write_result

OLD = make_result(created="2026-01-01T00:00:00+00:00")
NEWER = "2026-01-02T00:00:00+00:00"


def two(tmp_path: Path, first: Result, second: Result) -> list[Path]:
    """Return two folders, each with a record."""
    write_result(first, tmp_path / "a")
    write_result(second, tmp_path / "b")
    return [tmp_path / "a", tmp_path / "b"]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(folders: list[Path], out: Path) -> tuple[Result, Merged]:
    merged = merge_folders(folders, out)
    (record,) = read_results(out)
    return record, merged


def test_all_records_come_with_what_lies_beside_them_and_the_folders_stay(tmp_path: Path) -> None:
    a = write_result(replace(OLD, predictions="linear.predictions.npz"), tmp_path / "a")
    save_predictions(a, Predictions(np.array(["x"]), np.array([1]), np.array([1])))
    b = write_result(make_result("b", status="failed", reason="boom (see linear.traceback.txt)"), tmp_path / "b")
    b.with_suffix(".traceback.txt").write_text("where")
    before = contents(tmp_path)
    assert merge_folders([tmp_path / "a", tmp_path / "b"], tmp_path / "out") == Merged(2, 0, ())
    assert contents(tmp_path / "out") == contents(tmp_path / "a") | contents(tmp_path / "b")
    record = next(one for one in read_results(tmp_path / "out") if one.model == "gair")
    assert load_predictions(record, tmp_path / "out").ids.tolist() == ["x"]
    assert contents(tmp_path) == before | {f"out/{name}": text for name, text in contents(tmp_path / "out").items()}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_that_agree_the_older_is_kept(tmp_path: Path, order: int) -> None:
    newer = replace(OLD, created=NEWER, seconds={"embed": 9.0}, command="another")
    record, merged = kept(two(tmp_path, OLD, newer)[::order], tmp_path / "out")
    assert (record, merged) == (OLD, Merged(1, 1, ()))


def test_last_digits_of_another_environment_agree(tmp_path: Path) -> None:
    other = make_result(value=0.5004, created=NEWER, environment={"python": "3.12"})
    assert kept(two(tmp_path, OLD, other), tmp_path / "out")[0] == OLD


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("changes", [{"key": "another"}, {"weights": "ab", "checkpoint": "pretrained:cd"}])
def test_of_two_keys_or_weights_the_newer_supersedes(tmp_path: Path, order: int, changes: dict[str, Any]) -> None:
    newer = make_result(value=0.7, created=NEWER, **changes)
    a, b = two(tmp_path, OLD, newer)
    record, merged = kept([a, b][::order], tmp_path / "out")
    assert record == newer
    assert merged.superseded == ((OLD.path(a), newer.path(b)),)


@pytest.mark.parametrize("order", [1, -1])
def test_a_number_is_kept_rather_than_a_newer_failure(tmp_path: Path, order: int) -> None:
    failed = make_result(status="skipped", reason="its data are not here", created=NEWER)
    assert kept(two(tmp_path, OLD, failed)[::order], tmp_path / "out")[0] == OLD


def test_of_two_failures_the_newer_is_kept(tmp_path: Path) -> None:
    first, second = (
        make_result(status="failed", reason=why, created=when) for why, when in (("a", OLD.created), ("b", NEWER))
    )
    assert kept(two(tmp_path, second, first), tmp_path / "out")[0] == second


@pytest.mark.parametrize(
    "other",
    [
        make_result(value=0.7, created=NEWER),
        make_result(value=0.5 + 1e-9, created=NEWER),
        make_result(value=0.7, key="another", created=OLD.created),
        make_result(value=0.7, key="another", created=""),
    ],
    ids=["same key", "same key and environment", "same time", "no time"],
)
def test_two_that_contradict_each_other_are_refused_and_nothing_is_written(tmp_path: Path, other: Result) -> None:
    folders = two(tmp_path, OLD, other)
    with pytest.raises(UsageError, match="are of one cell") as raised:
        merge_folders(folders, tmp_path / "out")
    assert str(tmp_path / "a") in str(raised.value)
    assert str(tmp_path / "b") in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_nothing_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = two(tmp_path, OLD, make_result("other"))
    before = contents(tmp_path)
    copy, calls = shutil.copyfile, []

    def full(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        copy(source, target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(StorageError, match="No space left"):
        merge_folders(folders, tmp_path / "out")
    assert len(calls) == 2
    assert contents(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    folders = two(tmp_path, OLD, make_result("other"))
    with pytest.raises(UsageError, match="is there already"):
        merge_folders(folders, tmp_path / "a")
    (tmp_path / "empty").mkdir()
    assert merge_folders(folders, tmp_path / "empty").records == 2


def test_a_broken_record_or_a_missing_folder_stops_before_anything_is_written(tmp_path: Path) -> None:
    folders = two(tmp_path, OLD, make_result("other"))
    with pytest.raises(StorageError, match="no results folder"):
        merge_folders([*folders, tmp_path / "nowhere"], tmp_path / "out")
    OLD.path(folders[0]).write_text("{")
    with pytest.raises(StorageError, match="is not a gairbench result"):
        merge_folders(folders, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_predictions_that_a_record_names_elsewhere_are_not_copied(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not a prediction")
    folders = two(tmp_path, replace(OLD, predictions="../../../../secret"), make_result("other"))
    merge_folders(folders, tmp_path / "out")
    assert {Path(name).name for name in contents(tmp_path / "out")} == {"linear.json"}
