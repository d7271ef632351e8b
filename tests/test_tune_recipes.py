"""The recipes of `tiny` are the best of the published trials, and the trials are those of the committed script."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from records import make_result

from gairbench.results import MetricValue
from gairbench_models.gair.recipe import make_gair_recipe
from gairbench_models.mae.recipe import make_mae_recipe
from gairbench_models.mocov3.recipe import make_moco_recipe

ROOT = Path(__file__).parents[1]
PUBLISHED = pd.read_csv(ROOT / "leaderboard" / "study" / "trials.csv")
TRIALS = 12
RECIPES: dict[str, Callable[[str], Any]] = {
    "gair": lambda preset: make_gair_recipe("gair", preset, {}),
    "mocov3": lambda preset: make_moco_recipe("mocov3", preset, {}),
    "mae": lambda preset: make_mae_recipe("mae", preset, {}),
}


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("tune_recipes", ROOT / "examples" / "tune_recipes.py")
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def settings_in(recipe: Any) -> dict[str, float]:
    return {f"{part}.{name}": value for part, values in asdict(recipe).items() for name, value in values.items()}


@pytest.mark.parametrize("method", RECIPES)
def test_the_published_trials_are_the_scripts(method: str, script: ModuleType) -> None:
    rows = PUBLISHED[PUBLISHED.method == method]
    assert list(rows.trial) == [*range(TRIALS)]
    for row, settings in zip(rows.to_dict("records"), script.settings_of(method, TRIALS), strict=True):
        assert {name: row[name] for name in settings} == pytest.approx(settings)
        others = {name for name in row if "." in name} - set(settings)
        assert all(math.isnan(row[name]) for name in others)
        assert row["score"] == pytest.approx((row["rs"] + row["sv"]) / 2, abs=2e-6)


@pytest.mark.parametrize("preset", ["tiny", "small"])
@pytest.mark.parametrize("method", RECIPES)
def test_presets_hold_the_settings_of_the_best_trial(method: str, preset: str, script: ModuleType) -> None:
    rows = PUBLISHED[PUBLISHED.method == method]
    best = rows.loc[rows.score.idxmax()]
    found = settings_in(RECIPES[method](preset))
    assert {name: found[name] for name in script.METHODS[method].ranges} == {
        name: best[name] for name in script.METHODS[method].ranges
    }


def test_the_first_trial_of_a_rival_is_its_papers_recipe(script: ModuleType) -> None:
    for method in ("mocov3", "mae"):
        # `base` has twice the batch, to which the learning rate is proportional.
        papers = settings_in(RECIPES[method]("base"))
        papers["budget.learning_rate"] *= 256 / papers["budget.batch_size"]
        first = script.METHODS[method].paper
        assert {name: papers[name] for name in first} == pytest.approx(first)


def test_methods_have_equal_freedom(script: ModuleType) -> None:
    for method in script.METHODS.values():
        assert set(method.paper) == set(method.ranges)
        assert len(method.ranges) == 4
    rates = [method.ranges["budget.learning_rate"].support() for method in script.METHODS.values()]
    assert rates == [rates[0]] * 3


def test_fewer_trials_are_the_first_of_more(script: ModuleType) -> None:
    assert script.settings_of("gair", 5) == script.settings_of("gair", 9)[:5]
    assert len({str(settings) for settings in script.settings_of("mae", 9)}) == 9


def test_families_and_categories_are_one_vote_each_and_nothing_counts_below_the_trivial_predictor(
    script: ModuleType,
) -> None:
    def scored(category: str, family: str, value: float, trivial: float) -> Any:
        metric = MetricValue(value=value, low=value, high=value, higher_is_better=True, trivial=trivial, most=1.0)
        return make_result(category=category, family=family, metric="accuracy", metrics={"accuracy": metric})

    rated = [scored("sv", "perception", 0.6, 0.2), scored("sv", "perception", 0.8, 0.2)]
    tiles = [scored("rs", "climate", 0.5, 0.0), scored("rs", "elevation", -3.0, 0.0)]
    not_ranked = replace(tiles[0], headline=False)
    found = script.scores_of([*tiles, *rated, scored("sv", "platform", 0.2, 0.2), not_ranked])
    assert found == pytest.approx({"rs": 0.25, "sv": 0.3125, "score": 0.28125})


def test_a_trial_without_all_of_its_numbers_has_no_score(script: ModuleType) -> None:
    failed = make_result(status="failed", reason="out of memory")
    with pytest.raises(RuntimeError, match=r"gair x earth-rs-koeppen failed: out of memory"):
        script.scores_of([failed])


def test_a_trial_is_scored_on_validation_blocks_and_not_run_twice(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(script, "TASKS", ("earth-rs-elevation", "earth-sv-safe"))
    settings = script.METHODS["mae"].paper
    first = script.run_trial(tmp_path, "mae", 0, settings, "cpu", 256)
    assert first["score"] == pytest.approx((first["rs"] + first["sv"]) / 2)
    assert {name: first[name] for name in settings} == settings
    folder = tmp_path / "results"
    assert {path.parts[-3].partition("-split-")[2] for path in folder.rglob("*.json")} == {"development+block"}
    monkeypatch.setattr(script.gairbench, "pretrain", lambda *_, **__: pytest.fail("it was trained again"))
    assert script.run_trial(tmp_path, "mae", 0, settings, "cpu", 256) == first


def test_a_trial_whose_loss_does_not_stay_finite_has_no_score(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script.gairbench, "run", lambda *_, **__: pytest.fail("it was evaluated"))
    settings = {**script.METHODS["mae"].paper, "budget.learning_rate": 1e30}
    row = script.run_trial(tmp_path, "mae", 0, settings, "cpu", 1024)
    assert row == {"method": "mae", "trial": 0, **settings}
