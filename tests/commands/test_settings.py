"""A run's YAML file holds what the options hold, and its mistakes are told by line and key."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest

from gairbench import cli
from gairbench.commands.settings import Settings, load_settings
from gairbench.errors import UsageError


def test_file_holds_every_setting(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(
        "model: [gair, random]\ntask: rs\ntask-file: a.yaml\npreset: small\ncheckpoint: {gair: c}\n"
        "data-root: d\nresults: r\ndevice: cpu\nseed: 3\nlimit: 10\nfresh: true\n"
    )
    assert load_settings(file) == Settings(
        model=["gair", "random"],
        task=["rs"],
        task_file=[Path("a.yaml")],
        preset="small",
        checkpoint=["gair=c"],
        data_root=Path("d"),
        results=Path("r"),
        device="cpu",
        seed=[3],
        limit=10,
        fresh=True,
    )


def test_settings_are_the_options_of_run() -> None:
    options = set(inspect.signature(cli.run).parameters) - {"config", "dry_run"}
    assert {f.name for f in fields(Settings)} == options


def test_command_line_wins_where_it_speaks() -> None:
    file = Settings(model=["a"], seed=[3], limit=5)
    assert Settings(seed=[0], task=["t"]).over(file) == Settings(model=["a"], seed=[0], limit=5, task=["t"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: gair\nsede: 3\n", r"run.yaml, line 2, key 'sede': unknown key; did you mean 'seed'\?"),
        ("seed: three\n", "line 1, key 'seed': 'three' is not a whole number"),
        ("seed: -1\n", "-1 is less than 0"),
        ("seed: [0, x]\n", r"'x' is not a whole number; write 0, or \[0, 1, 2\]"),
        ("seed: [0, -2]\n", "-2 is less than 0"),
        ("limit: 0\n", "0 is less than 1"),
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
        load_settings(file)
    assert "\n" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml")
