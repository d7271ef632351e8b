"""The result record: nothing is lost on the way to disk and back, whatever goes wrong."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
from records import make_result

from gairbench.errors import GairbenchError, StorageError
from gairbench.results import SCHEMA, Result, read_result, read_results, write_result
from gairbench.storage import write_atomically


def test_round_trip_keeps_every_field(tmp_path: Path) -> None:
    result = make_result(
        limit=200,
        probe_params={"C": 0.1, "grid": [1, 2]},
        dropped={"train": "3 samples without this label"},
        conversion={"encode_rs": {"rs": {"filled": ["B1"]}}},
        predictions="linear.predictions.npz",
        reason="",
        value=1 / 3,
    )
    assert read_result(write_result(result, tmp_path)) == result


def test_every_field_is_written(tmp_path: Path) -> None:
    written = json.loads(write_result(make_result(), tmp_path).read_text(encoding="utf-8"))
    assert written.keys() == {field.name for field in fields(Result)}
    assert written["schema"] == SCHEMA


def test_a_record_without_a_number_survives(tmp_path: Path) -> None:
    result = make_result(status="failed", reason="OSError: ö|\n")
    assert read_result(write_result(result, tmp_path)) == result
    assert result.headline_value is None


@pytest.mark.parametrize(
    ("changes", "folder"),
    [
        ({}, "default-seed0"),
        ({"preset": "tiny", "seed": 3}, "tiny-seed3"),
        ({"limit": 200}, "default-seed0-limit200"),
        ({"labels": "10%"}, "default-seed0-labels10pct"),
        ({"split": "blocks:5"}, "default-seed0-split-blocks+5"),
        (
            {"split": "leave:country=South Africa", "limit": 9},
            "default-seed0-limit9-split-leave+country=South%20Africa",
        ),
        ({"checkpoint": "file:0123456789abcdef"}, "default-ckpt-01234567-seed0"),
    ],
)
def test_every_variant_has_a_file_of_its_own(tmp_path: Path, changes: dict[str, Any], folder: str) -> None:
    path = write_result(make_result(**changes), tmp_path)
    assert path == tmp_path / "gair" / folder / "earth-rs-koeppen" / "linear.json"


def test_a_rerun_replaces_its_record(tmp_path: Path) -> None:
    write_result(make_result(value=0.1), tmp_path)
    write_result(make_result(value=0.2), tmp_path)
    assert [r.metrics["accuracy"].value for r in read_results(tmp_path)] == [0.2]


def test_all_records_come_in_a_fixed_order(tmp_path: Path) -> None:
    results = [make_result(model, task) for model in ("b", "a") for task in ("y", "x")]
    for result in results:
        write_result(result, tmp_path)
    assert [(r.model, r.task) for r in read_results(tmp_path)] == [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")]


def test_files_beside_the_records_are_no_records(tmp_path: Path) -> None:
    path = write_result(make_result(), tmp_path)
    path.with_suffix(".predictions.npz").write_bytes(b"PK")
    (tmp_path / "LEADERBOARD.md").write_text("#")
    (path.parent / "._linear.json").write_bytes(b"Mac OS X")
    (tmp_path / ".Trash" / "a" / "b").mkdir(parents=True)
    (tmp_path / ".Trash" / "a" / "b" / "linear.json").write_bytes(b"{")
    assert len(list(read_results(tmp_path))) == 1


def test_folder_of_records_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = write_result(make_result("a"), tmp_path).parent
    write_result(make_result("b"), tmp_path)
    scandir = os.scandir

    def guarded(folder: Any) -> Any:
        if Path(folder) == hidden:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(StorageError, match=r"cannot read .*/a/.*: Permission denied; fix its permissions"):
        list(read_results(tmp_path))


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no results folder .*; run 'gairbench run' first"):
        list(read_results(tmp_path / "none"))


def _raw() -> dict[str, Any]:
    return asdict(make_result())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Expecting value"),
        (json.dumps(_raw())[:-200], "is not a gairbench result"),
        ("[]", "is not a gairbench result"),
        ("{}", "'schema'"),
        (json.dumps(_raw() | {"schema": SCHEMA + 1}), f"schema {SCHEMA + 1}, expected {SCHEMA}"),
        (json.dumps(_raw() | {"surprise": 1}), r"unknown fields \['surprise'\]"),
        (json.dumps({k: v for k, v in _raw().items() if k != "model"}), "'model'"),
        (json.dumps(_raw() | {"metrics": {"accuracy": {"value": 1}}}), "missing"),
        (json.dumps(_raw() | {"metrics": 3}), "is not a gairbench result"),
    ],
    ids=["empty", "cut short", "list", "no schema", "newer schema", "unknown", "lacking", "half metric", "no metrics"],
)
def test_what_is_no_record_is_refused_by_name(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "linear.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(StorageError, match=why) as caught:
        read_result(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "run again" in caught.value.hint


def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "linear.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StorageError, match=r"linear\.json is not a gairbench result"):
        read_result(path)


def test_a_full_disk_leaves_the_old_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_result(make_result(value=0.1), tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"cannot write .*linear\.json: No space left on device; free space"):
        write_result(make_result(value=0.2), tmp_path)
    monkeypatch.undo()
    assert read_result(path).metrics["accuracy"].value == 0.1
    assert list(path.parent.iterdir()) == [path], "scratch files are left behind"


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file, not a folder")
    with pytest.raises(StorageError, match=r"cannot write .*linear\.json: ") as caught:
        write_result(make_result(), tmp_path / "results")
    assert "\n" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_told_in_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="Permission denied"):
        write_result(make_result(), tmp_path)


def test_an_error_while_writing_leaves_no_scratch_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", denied)
    with pytest.raises(StorageError, match="Permission denied"):
        write_atomically(tmp_path / "file", b"content")
    assert not list(tmp_path.iterdir())


def test_written_files_have_ordinary_permissions(tmp_path: Path) -> None:
    write_atomically(tmp_path / "atomic", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


_WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from gairbench.results import load, save
folder, record = Path(sys.argv[1]), read_result(Path(sys.argv[2]))
print("ready", flush=True)
while True:
    for reason in ("a" * 200_000, "b" * 300_000):
        write_result(replace(record, reason=reason), folder)
"""


def test_kill_at_any_moment_leaves_a_whole_record(tmp_path: Path) -> None:
    record = make_result()
    path = write_result(record, tmp_path / "results")
    source = write_result(record, tmp_path / "source")
    generator = random.Random(0)
    for _ in range(4):
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "results"), str(source)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(generator.uniform(0.005, 0.1))
            process.send_signal(signal.SIGKILL)
        found = list(read_results(tmp_path / "results"))
        assert [replace(r, reason="") for r in found] == [record]
        assert len(read_result(path).reason) in (0, 200_000, 300_000)


def test_errors_are_one_line_with_the_hint() -> None:
    error = GairbenchError("two\nlines", "try\n again")
    assert str(error) == "two lines; try again"
    assert str(GairbenchError("what", "")) == "what"


def test_two_records_of_one_cell_are_refused_with_both_places(tmp_path: Path) -> None:
    path = write_result(make_result(), tmp_path)
    other = write_result(make_result(seed=1), tmp_path)
    assert [one.seed for one in read_results(tmp_path)] == [0, 1]
    other.write_bytes(path.read_bytes())
    with pytest.raises(
        StorageError, match=f"{re.escape(str(path))} and {re.escape(str(other))} are records of one cell"
    ):
        list(read_results(tmp_path))
