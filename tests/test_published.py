"""The published leaderboards are what their records give."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.results import load_all
from gairbench_leaderboard.render import check

PUBLISHED = sorted(path.parent for path in (Path(__file__).parents[1] / "leaderboard").glob("*/results"))


def test_both_leaderboards_are_published() -> None:
    assert [folder.name for folder in PUBLISHED] == ["earth", "public"]


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_tables_are_current_and_complete(folder: Path) -> None:
    records = list(load_all(folder / "results"))
    assert check(records, folder) == ()
    assert {record.model for record in records} == {"gair", "random", "pixel-stats", "lonlat"}
    assert not [record for record in records if record.status == "failed"]
    assert all(record.weights for record in records if record.status == "ok" and record.model in {"gair", "random"})
