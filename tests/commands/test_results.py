"""``gairbench results``: what is printed, and the exit status."""

from __future__ import annotations

from pathlib import Path

import pytest
from records import make_result

from gairbench.commands.results import merge_command, show_command, validate_command
from gairbench.errors import GairbenchError, StorageError, UsageError
from gairbench.results import write_result


def test_a_folder_is_shown_as_one_line_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(make_result(groups={"test": 49}), tmp_path)
    write_result(make_result("other", status="skipped", reason="no data"), tmp_path)
    assert show_command(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "0.5 [0.49, 0.51]" in lines[2]
    assert " 49 " in lines[2]
    assert lines[3].rstrip().endswith("no data")
    assert lines[-1] == "1 ok, 1 skipped"


def test_one_record_is_shown_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_result(make_result(caveats=("too coarse",), labels="10%"), tmp_path)
    assert show_command(path) == 0
    shown = capsys.readouterr().out
    for text in ("too coarse", "labels 10%", "accuracy", "(headline)", "d0" * 32, "gairbench run --model gair"):
        assert text in shown
    with pytest.raises(StorageError, match="there is no record"):
        show_command(tmp_path / "nothing.json")


def test_validating_says_what_is_wrong_and_sets_the_exit_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_result(make_result(), tmp_path)
    assert validate_command(tmp_path) == 0
    assert "1 records, 0 problems" in capsys.readouterr().err
    path.with_name("broken.json").write_text("{")
    assert validate_command(tmp_path) == 1
    shown = capsys.readouterr()
    assert len(shown.out.splitlines()) == 1
    assert "1 records, 1 problems" in shown.err


def test_merging_says_what_was_superseded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_result(make_result(created="2026-01-01T00:00:00+00:00"), tmp_path / "a")
    write_result(make_result(created="2026-01-02T00:00:00+00:00", key="other"), tmp_path / "b")
    assert merge_command([tmp_path / "a", tmp_path / "b"], tmp_path / "out") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith(f"1 records in {tmp_path / 'out'}; 0 said the same as another, 1 were superseded")
    assert f"{tmp_path / 'b'}" in shown.err.split(" supersedes ")[0]


def test_what_is_not_a_results_folder_is_refused_by_name(tmp_path: Path) -> None:
    path = write_result(make_result(), tmp_path / "r")
    for command in (show_command, validate_command, lambda folder: merge_command([folder], tmp_path / "new")):
        with pytest.raises(UsageError, match=r"there are no records in .*; name one that holds MODEL/VARIANT/TASK"):
            command(path.parent.parent)
        with pytest.raises(GairbenchError, match=r"no .*nowhere"):
            command(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"is in .*r, which is merged; name a folder beside it"):
        merge_command([tmp_path / "r"], tmp_path / "r" / "new")
    assert not (tmp_path / "new").exists()
