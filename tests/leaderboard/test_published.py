"""The published leaderboards and the published comparison are what their records give."""

from __future__ import annotations

import csv
import statistics
from collections import defaultdict
from pathlib import Path

import pytest

from gairbench.results import read_results
from gairbench_leaderboard.comparison import SIGNIFICANT
from gairbench_leaderboard.comparison_page import CSV, MARKDOWN
from gairbench_leaderboard.leaderboard_page import outdated_files
from gairbench_leaderboard.ranking import RankingRow
from gairbench_leaderboard.uncertainty import holm

PUBLISHED = sorted(path.parent for path in (Path(__file__).parents[2] / "leaderboard").glob("*/results"))
CONTROLS = {"random", "pixel-stats", "lonlat"}
LITE, PLACE = "timm:tf_efficientnet_lite", "geoclip-location"
COORDINATES = {"sin-cos", "xyz", "space2vec-grid", "spherical-harmonics"}
REAL = {
    *(f"{LITE}{size}" for size in range(3)),
    *(f"torchspatial-{name}-{data}" for name in ("nerf", "rff", "wrap", "xyz") for data in ("fmow", "yfcc")),
    *(f"torchspatial-space2vec-{name}" for name in ("grid-yfcc", "theory-fmow", "theory-yfcc")),
    *(f"torchspatial-sphere2vec-{name}" for name in ("spherec-fmow", "spherec-plus-fmow", "spherec-yfcc")),
    *(f"torchspatial-sphere2vec-spherem-{data}" for data in ("fmow", "yfcc")),
    PLACE,
    "presto",
    "galileo-nano",
    f"compose(rs={LITE}0,sv={LITE}0,location={PLACE})",
}
"""With published weights."""

MODELS = {
    "earth": CONTROLS | {"gair", "sin-cos", PLACE},
    "public": CONTROLS | COORDINATES | REAL | {"gair", "rcf"},
    "study": CONTROLS
    | {"gair", "gair[no-inr]", "gair[bilinear]", "gair[bicubic]"}
    | {f"{rival}{budget}" for rival in ("mocov3", "mae") for budget in ("", "[equal-compute]")},
}
UNTRAINED = {"pixel-stats", "lonlat"} | COORDINATES


def test_all_leaderboards_are_published() -> None:
    assert [folder.name for folder in PUBLISHED] == sorted(MODELS)


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.name)
def test_tables_are_current_and_complete(folder: Path) -> None:
    records = list(read_results(folder / "results"))
    assert outdated_files(records, folder) == ()
    assert {record.model for record in records} == MODELS[folder.name]
    assert not [record for record in records if record.status == "failed"]
    assert all(record.weights for record in records if record.status == "ok" and record.model not in UNTRAINED)


STUDY_SEEDS = 3


@pytest.mark.parametrize("board", ["earth", "public", "study"])
def test_what_is_random_was_run_with_three_seeds(board: str) -> None:
    folder = next(path for path in PUBLISHED if path.name == board)
    seeds: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for record in read_results(folder / "results"):
        if record.status == "ok" and record.model in {"gair", "random", "rcf"}:
            seeds[record.model, record.task].add(record.seed)
    assert seeds
    assert all(found == {0, 1, 2} for found in seeds.values())


def test_the_published_comparison_is_of_the_published_records() -> None:
    """Intervals and tests are not computed again here; means over seeds are."""
    folder = next(path for path in PUBLISHED if path.name == "study")
    values: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for record in read_results(folder / "results"):
        if record.headline and (value := record.headline_value) is not None:
            values[record.model, record.task].append(value.value)
    lines = list(csv.DictReader((folder / CSV).open(encoding="utf-8")))
    assert {(line["model"], line["task"]) for line in lines} == values.keys()
    for line in lines:
        published = values[line["model"], line["task"]]
        assert float(line["mean"]) == pytest.approx(statistics.mean(published), abs=1e-6)
        assert int(line["seeds"]) == len(published) == STUDY_SEEDS
        assert float(line["low"]) <= float(line["mean"]) <= float(line["high"])
    means = {(line["model"], line["task"]): float(line["mean"]) for line in lines}
    tables: defaultdict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for line in lines:
        if line["verdict"]:
            tables[line["table"], line["diagnostic"]].append(line)
    assert len(tables) == 6
    for table in tables.values():
        adjusted = holm([float(line["p"]) for line in table])
        for line, expected in zip(table, adjusted, strict=True):
            difference = float(line["difference"])
            assert difference == pytest.approx(
                means[line["model"], line["task"]] - means["gair", line["task"]], abs=2e-6
            )
            assert float(line["p_holm"]) == pytest.approx(expected, rel=1e-4)
            assert line["higher_is_better"] == "True"
            decided = "better" if difference > 0 else "worse"
            assert line["verdict"] == (decided if expected < SIGNIFICANT else "undecided")
    page = (folder / MARKDOWN).read_text(encoding="utf-8")
    assert page.startswith(f"# Comparison with {RankingRow('gair', 'tiny', '')}\n")
    assert "![registration offset](registration-offset.png)" in page
    assert (folder / "registration-offset.png").read_bytes().startswith(b"\x89PNG")
