"""``gairbench data get`` and ``--download``: data come with consent only, and their licence is stated first."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import pytest
from rich.console import Console
from server import Served, serve
from typer.testing import CliRunner

from gairbench.cli import app
from gairbench.commands import data as data_commands
from gairbench.commands.data import get_command, where_command
from gairbench.commands.run import RunRequest, evaluate, run_command
from gairbench.dataset_download import reason_to_ask
from gairbench.errors import DownloadError, UsageError
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.progress import Progress
from gairbench.published import Download, RemoteFile

CONTENT = b"some pixels"


@pytest.fixture
def server() -> Iterator[Served]:
    with serve({"pixels": CONTENT}) as server:
        yield server


@pytest.fixture
def registry(server: Served, monkeypatch: pytest.MonkeyPatch) -> Registry:
    file = RemoteFile(
        url=server.url("pixels"),
        path="pixels.bin",
        size=len(CONTENT),
        checksum=f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
    )
    far = replace(
        generated.DATASET, name="far", folder="far-data", download=Download(files=(file,), licence="CC-BY-4.0")
    )
    registry = load_registry()
    task = replace(generated.TASKS[2], name="far-height", dataset=far)
    registry.add(Origin("far", "far-dist", "1"), models=[generated.SHADES], tasks=[task])
    monkeypatch.setattr(data_commands, "load_registry", lambda: registry)
    return registry


def test_get_states_the_licence_and_puts_the_files_below_the_data_root(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get_command(["far"], tmp_path, yes=True) == 0
    assert generated.files(tmp_path) == {"far-data/pixels.bin"}
    told = capsys.readouterr().err
    assert told.index("far: CC-BY-4.0, 0.1 MB in 1 file") < told.index(f"far is in {tmp_path}")
    assert get_command(["far"], tmp_path, yes=True) == 0


def test_a_task_stands_for_the_dataset_that_it_is_on(registry: Registry, tmp_path: Path) -> None:
    assert get_command(["far-*"], tmp_path, yes=True) == 0
    assert generated.files(tmp_path) == {"far-data/pixels.bin"}


def test_of_the_datasets_of_a_family_those_are_fetched_that_can_be(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = registry.tasks["far-height"]
    by_hand = replace(task.dataset, name="paper", folder="paper-data", download=None)
    embedded = replace(task.dataset, name="near", folder="", download=None)
    tasks = [replace(task, name=f"far-{one.name}", dataset=one) for one in (embedded, by_hand)]
    registry.add(Origin("farther", "far-dist", "1"), tasks=tasks)
    assert get_command(["far-*"], tmp_path, yes=True) == 1
    assert generated.files(tmp_path) == {"far-data/pixels.bin"}
    said = capsys.readouterr().err
    assert "paper is not here" in said
    assert "near" not in said
    with pytest.raises(UsageError, match="dataset 'paper' says nowhere to fetch it from"):
        get_command(["paper"], tmp_path, yes=True)


def test_what_cannot_be_fetched_is_said(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no dataset 'fra'; did you mean far"):
        get_command(["fra"], tmp_path, yes=True)
    with pytest.raises(UsageError, match="give --data-root"):
        get_command(["far"], None, yes=True)
    with pytest.raises(UsageError, match="dataset 'earth' says nowhere to fetch it from"):
        get_command(["earth"], tmp_path, yes=True)


def test_where_data_belong_is_said_before_and_after_they_are_there(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert where_command(["far-*"], tmp_path) == 1
    out, told = capsys.readouterr()
    assert out == f"{tmp_path / 'far-data'}\n"
    assert told.count("far is not here; get it (CC-BY-4.0, 0.1 MB in 1 file): gairbench data get far") == 1
    get_command(["far"], tmp_path, yes=True)
    capsys.readouterr()
    assert where_command(["far"], tmp_path) == 0
    assert capsys.readouterr() == (out, "")
    task = registry.tasks["far-height"]
    tasks = [
        replace(task, name="far-near", dataset=replace(task.dataset, name="near", folder="", download=None)),
        replace(
            task, name="far-paper", dataset=replace(task.dataset, name="paper", folder="paper-data", download=None)
        ),
    ]
    registry.add(Origin("farther", "far-dist", "1"), tasks=tasks)
    assert where_command(["far-*"], tmp_path) == 1
    out, told = capsys.readouterr()
    assert out == f"{tmp_path / 'far-data'}\n{tmp_path / 'paper-data'}\n"
    assert told.split() == f"paper is not here; put it into {tmp_path / 'paper-data'}".split()
    with pytest.raises(UsageError, match="dataset 'earth' has no folder: it is always here"):
        where_command(["earth"], tmp_path)
    with pytest.raises(UsageError, match="give --data-root"):
        where_command(["far"], None)


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


LARGE = Download(files=(RemoteFile(url="", path="x", size=1_000_000_001, checksum=""),), licence="MIT")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"download": LARGE}, "it is 1.0 GB"),
        (
            {"download": replace(LARGE, licence="CC-BY-4.0 AND CC-BY-NC-4.0")},
            "1.0 GB, and its licence, .*-NC-4.0,",
        ),
        ({"download": None, "licence": "MIT"}, "its size is not stated"),
        ({"download": None, "licence": ""}, "its size is not stated, and its licence is not stated"),
        ({"download": replace(LARGE, files=(), licence="OpenRAIL")}, "its licence, OpenRAIL, restricts its use"),
        ({"download": replace(LARGE, files=(), licence="public domain (NASA), BSD-3-Clause (x)")}, "^$"),
        ({"download": replace(LARGE, files=(), licence="CC-BY-SA-4.0")}, "^$"),
        ({"download": replace(LARGE, files=(), licence="MIT (arrays); the rest: see there")}, "restricts its use"),
    ],
)
def test_the_reason_to_ask_is_the_size_or_the_licence(changes: dict[str, Any], reason: str) -> None:
    assert re.search(reason, reason_to_ask(replace(generated.DATASET, folder="far", **changes)))


@pytest.mark.parametrize(
    ("answer", "fetched"), [("y\n", True), ("perhaps\ny\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_who_is_there_is_asked_before_anything_is_fetched(
    answer: str,
    fetched: bool,
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    far = registry.datasets["far"]
    assert far.download is not None
    registry.datasets["far"] = replace(far, download=replace(far.download, licence="CC-BY-NC-4.0"))
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    if fetched:
        assert get_command(["far"], tmp_path, yes=False) == 0
    else:
        assert get_command(["far"], tmp_path, yes=False) == 1
        assert "nothing was fetched" in capsys.readouterr().out
    assert (tmp_path / "far-data").exists() == fetched


def test_where_nobody_is_there_nothing_is_fetched_unless_agreed(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    far = registry.datasets["far"]
    assert far.download is not None
    assert get_command(["far"], tmp_path / "free", yes=False) == 0
    registry.datasets["far"] = replace(far, download=replace(far.download, licence="CC-BY-NC-4.0"))
    with pytest.raises(UsageError, match=r"far: its licence, CC-BY-NC-4.0, restricts its use; add --yes"):
        get_command(["far"], tmp_path, yes=False)
    assert not (tmp_path / "far-data").exists()
    assert get_command(["far"], tmp_path, yes=True) == 0


def test_the_command_has_its_options() -> None:
    done = CliRunner().invoke(app, ["data", "get", "--help"])
    assert "--data-root" in done.output


def request(tmp_path: Path, **more: object) -> RunRequest:
    values: dict[str, object] = {
        "model": ("shades",),
        "task": ("far-height",),
        "results": tmp_path / "results",
        "data_root": tmp_path / "data",
        "device": "cpu",
    }
    return RunRequest(**(values | more))  # type: ignore[arg-type]


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Progress:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    return Progress(Console(stderr=True, quiet=True))


def test_a_run_fetches_data_with_download_alone(
    registry: Registry, server: Served, tmp_path: Path, quiet: Progress
) -> None:
    (record,) = evaluate(request(tmp_path), registry, quiet)
    assert record.status == "skipped"
    assert "or get it (CC-BY-4.0, 0.1 MB in 1 file): gairbench data get far --data-root " in record.reason
    assert server.asked == []
    (record,) = evaluate(request(tmp_path, download=True), registry, quiet)
    assert record.status == "ok"
    assert len(server.asked) == 1
    assert generated.files(tmp_path / "data") == {"far-data/pixels.bin"}


def test_a_dry_run_fetches_nothing(
    registry: Registry, server: Served, tmp_path: Path, quiet: Progress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gairbench.commands.run.registry_with", lambda files: registry)
    assert run_command(request(tmp_path, download=True), dry_run=True) == 1
    assert server.asked == []
    assert not (tmp_path / "data").exists()


def test_download_without_a_data_root_says_so(registry: Registry, tmp_path: Path, quiet: Progress) -> None:
    with pytest.raises(UsageError, match="no folder to put dataset 'far' into; give --data-root"):
        evaluate(request(tmp_path, download=True, data_root=None), registry, quiet)


def test_a_missing_file_stops_the_run_before_it_computes(
    registry: Registry, server: Served, tmp_path: Path, quiet: Progress
) -> None:
    server.files.clear()
    with pytest.raises(DownloadError, match="Not Found"):
        evaluate(request(tmp_path, download=True), registry, quiet)
