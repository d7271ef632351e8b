"""``gairbench show task`` prints cards."""

from __future__ import annotations

import json

import pytest

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
