"""A run's YAML file holds what the options hold, and its mistakes are told by line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from gairbench.cli import app
from gairbench.commands.config import load_config
from gairbench.commands.run import RunRequest
from gairbench.errors import UsageError
from gairbench.requests import make_request


def test_file_holds_every_setting(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "model: [gair, random]\ntask: rs\ntask-file: a.yaml\npreset: small\ncheckpoint: {gair: c}\n"
        "data-root: d\nresults: r\ndevice: cpu\nseed: 3\nlimit: 10\nfresh: true\n"
        "labels: [10%, all]\nsplit: published,blocks:5\n"
    )
    assert load_config(RunRequest, file) == {
        "model": ("gair", "random"),
        "task": ("rs",),
        "task_file": (Path("a.yaml"),),
        "preset": "small",
        "checkpoint": {"gair": Path("c")},
        "data_root": Path("d"),
        "results": Path("r"),
        "device": "cpu",
        "seed": (3,),
        "limit": 10,
        "fresh": True,
        "labels": ("10%", "all"),
        "split": ("published", "blocks:5"),
    }


def test_the_items_of_a_list_of_splits_may_have_commas(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text('split: [random, "leave:region=Korea, South"]\n')
    request = make_request(RunRequest, load_config(RunRequest, file))
    assert request.split == ("random", "leave:region=Korea, South")


def test_the_option_of_splits_is_divided_at_commas_that_are_not_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[RunRequest] = []

    def see(request: RunRequest, *, dry_run: bool) -> int:
        seen.append(request)
        return 0

    monkeypatch.setattr("gairbench.commands.run.run_command", see)
    result = CliRunner().invoke(app, ["run", "--split", r"random,leave:region=Korea\, South", "--split", "blocks:5"])
    assert result.exit_code == 0
    assert seen[0].split == ("random", "leave:region=Korea, South", "blocks:5")
    assert CliRunner().invoke(app, ["run", "--split", ","]).exit_code != 0
    assert len(seen) == 1


@pytest.mark.parametrize("checkpoint", ["{gair: c}", "gair=c", "[gair=c]"])
def test_checkpoints_are_a_mapping_or_pairs(tmp_path: Path, checkpoint: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(f"checkpoint: {checkpoint}\n")
    assert make_request(RunRequest, load_config(RunRequest, file)).checkpoint == {"gair": Path("c")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: gair\nsede: 3\n", r"run.yaml, line 2, key 'sede': unknown key; did you mean 'seed'\?"),
        ("seed: three\n", "line 1, key 'seed': 'three' is not a whole number"),
        ("seed: -1\n", "-1 is less than 0"),
        ("seed: [0, x]\n", "'x' is not a whole number; write a whole number"),
        ("seed: [0, -2]\n", "-2 is less than 0"),
        ("limit: 0\n", "0 is less than 1"),
        ("limit:\n", "line 1, key 'limit': has no value"),
        ("data_root: a\ndata-root: b\n", "line 2, key 'data-root': the same as 'data_root'"),
        ("checkpoint: gair\n", "'gair' is not MODEL=PATH; write for instance gair=model.safetensors"),
        ("preset: {a: b}\n", "a mapping is not a word"),
        ("fresh: 1\n", "1 is not true or false"),
        ("model: [gair, 3]\n", "is not a list of words"),
        ("- a\n", "is not a mapping"),
        ("model: [gair\n", "line 2"),
        ("", "is not a mapping"),
    ],
)
def test_mistake_is_told_by_line_and_key(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        load_config(RunRequest, file)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nowhere\.yaml"):
        load_config(RunRequest, tmp_path / "nowhere.yaml")
