"""``gairbench show task`` prints cards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from torchgeo.datasets import EuroSAT
from typer.testing import CliRunner

from gairbench.cli import app
from gairbench.commands.show import show_task_command
from gairbench.errors import UsageError


def test_cards_are_shown_one_after_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert show_task_command(["earth-location-airport-elevation,eurosat-land-use"], [], None, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "Surveyed elevation of an airport in metres" in shown
    assert "gairbench data get eurosat" in shown
    assert shown.index("earth-location-airport-elevation") < shown.index("eurosat-land-use")


def test_cards_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_task_command(["earth-location-airport-elevation"], [], None, as_json=True)
    (card,) = json.loads(capsys.readouterr().out)
    assert card["measured"]["splits"]["test"]["samples"] == 3000
    assert card["metric"] == "r2"


def test_an_unknown_task_is_one_line() -> None:
    with pytest.raises(
        UsageError, match="no task, family or category 'eurosat-landuse'; did you mean eurosat-land-use"
    ):
        show_task_command(["eurosat-landuse"], [], None, as_json=False)


def test_the_command_ends_with_1_where_data_that_are_here_are_broken(tmp_path: Path) -> None:
    for image in ("AnnualCrop_1.tif", "AnnualCrop_2.tif"):
        path = tmp_path / "eurosat" / EuroSAT.base_dir / "AnnualCrop" / image
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"of no use")
    for split in ("train", "val", "test"):
        (tmp_path / "eurosat" / f"eurosat-{split}.txt").write_text("AnnualCrop_1.jpg\n", encoding="utf-8")
    command = ["show", "task", "eurosat-land-use,earth-location-airport-elevation", "--data-root", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1
    assert "problem" in done.output
    assert "AnnualCrop_1.tif" in done.output
    # The other card is whole.
    assert "r2 of the trivial predictor: -0.018" in done.output
