"""Standard output that lacks characters, is full, or is closed: nothing that was computed is lost or hidden."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from records import make_result

from gairbench.results import write_result

LISTINGS = [["list", "models"], ["list", "tasks"], ["list", "plugins"], ["data", "list"], ["list", "tasks", "--json"]]
RUN = ["run", "--model", "lonlat", "--task", "earth-location-koeppen", "--limit", "100"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_result(make_result(), tmp_path / "results")
    return tmp_path / "results"


def gairbench(
    *arguments: str, stdout: int | IO[Any] = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    command = [sys.executable, "-m", "gairbench", *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=env, timeout=300, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_an_encoding_without_arrows_gets_replacements(results: Path, encoding: str) -> None:
    done = gairbench("leaderboard", "--results", str(results), PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"accuracy ?" in done.stdout


@pytest.mark.parametrize("arguments", LISTINGS, ids=" ".join)
def test_listings_print_in_any_encoding(arguments: list[str]) -> None:
    done = gairbench(*arguments, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")


def test_json_loses_no_character_to_the_encoding() -> None:
    wide, narrow = (gairbench("list", "tasks", "--json", PYTHONIOENCODING=name).stdout for name in ("utf-8", "ascii"))
    assert json.loads(narrow) == json.loads(wide)
    assert "↑" in wide.decode()


def test_a_run_in_a_narrow_encoding_ends_as_what_it_is(tmp_path: Path) -> None:
    done = gairbench(*RUN, "--results", str(tmp_path / "r"), PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert "↑" in (tmp_path / "r" / "LEADERBOARD.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [*LISTINGS, ["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_a_full_disk_is_one_line_and_status_1(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = gairbench(*arguments, stdout=full)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith(b"gairbench: error: cannot write ")
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_run_with_a_full_standard_output_loses_nothing(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = gairbench(*RUN, "--results", str(tmp_path / "r"), stdout=full)
    assert done.returncode == 1
    assert b"cannot write to standard output: No space left on device" in done.stderr.splitlines()[-1]
    assert b"Traceback" not in done.stderr
    assert (tmp_path / "r" / "LEADERBOARD.md").is_file()
    assert len(list((tmp_path / "r").rglob("linear.json"))) == 1


@pytest.mark.parametrize("arguments", [*LISTINGS, ["--help"]], ids=" ".join)
def test_a_reader_that_has_gone_away_is_no_error(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = gairbench(*arguments, stdout=closed)
    assert done.stderr == b""


def test_a_run_goes_on_when_nobody_reads_its_leaderboard(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = gairbench(*RUN, "--results", str(tmp_path / "r"), stdout=closed)
    assert done.returncode == 0, done.stderr
    assert b"2 ok" in done.stderr.splitlines()[-1]
