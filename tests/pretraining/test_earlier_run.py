"""Settings that a run was not started with are refused as soon as the folder shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gairbench.errors import CheckpointError
from gairbench.pretraining.earlier_run import refuse_other_settings, started_with

RECIPE = {
    "budget": {"batch_size": 8, "learning_rate": 0.001, "epochs": 2},
    "rs": {"depth": 2},
    "sv": {"depth": 3},
    "objective": {"incl": True},
    "input": {"mean": [1.0, 2.0]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text(json.dumps({"recipe": RECIPE}))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value"), [("batch_size", "4"), ("budget.batch_size", "4"), ("rs.depth", "3"), ("learning_rate", "1e-4")]
)
def test_another_number_is_refused(folder: Path, name: str, value: str) -> None:
    with pytest.raises(CheckpointError, match=f"other settings: {name} was .*, now {value}; repeat its command"):
        refuse_other_settings(folder, {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", "8"),
        ("learning_rate", "1e-3"),
        # Fits two settings, none, or is not a number: whoever knows the recipe decides.
        ("depth", "7"),
        ("size", "4"),
        ("objective.incl", "false"),
        ("input.mean", "3,4"),
        ("epochs", "many"),
    ],
)
def test_what_may_be_the_same_is_left_to_the_recipe(folder: Path, name: str, value: str) -> None:
    refuse_other_settings(folder, {name: value})


@pytest.mark.parametrize(("content", "message"), [("[1]", "does not hold a run's settings"), ("{", "cannot read")])
def test_a_file_that_says_nothing_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        started_with(tmp_path)
