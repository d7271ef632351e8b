"""What is said over tasks: worked examples, votes of families, and intervals that widen with what is unknown."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from gairbench_leaderboard.across_tasks import Spread, TaskScores, across_tasks, critical_difference


def task(
    family: str, *values: Sequence[float] | float, higher: bool = True, noise: float = 0.0, seed: int = 0,
    trivial: float | None = 0.0, perfect: float | None = 1.0,
) -> TaskScores:  # fmt: skip
    """Return a task of 40 units; ``noise`` is the standard error of a row's value, independent of the other rows'."""
    runs = [np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values]
    rng = np.random.default_rng(seed)
    without_each = []
    for run in runs:
        units = stats.zscore(rng.normal(size=(1, 40)), axis=1) * noise * np.sqrt(40)
        without_each.append(run[:, None] - units / 39)
    return TaskScores(family, higher, runs, without_each, trivial, perfect)


def values(spreads: Sequence[Spread]) -> list[float]:
    return [spread.value for spread in spreads]


def test_ranks_follow_each_tasks_direction_and_equal_numbers_share_a_place() -> None:
    found = across_tasks([task("a", 0.9, 0.5, 0.5), task("b", 3.0, 1.0, 2.0, higher=False)])
    assert values(found.mean_rank) == [(1 + 3) / 2, (2.5 + 1) / 2, (2.5 + 2) / 2]
    assert found.best == 1


def test_a_family_is_one_vote_however_many_tasks_it_has() -> None:
    four = [task("ratings", 0.9, 0.1) for _ in range(4)]
    found = across_tasks([*four, task("climate", 0.1, 0.9)])
    assert found.families == 2
    assert values(found.mean_rank) == [1.5, 1.5]
    assert values(found.improvement) == [0.5, 0.5]
    assert values(found.normalized) == pytest.approx([0.5, 0.5])


def test_improvement_over_the_best_is_counted_over_pairs_of_runs() -> None:
    # Of six pairs of runs the second row wins two and draws one; on the other tasks it wins none.
    found = across_tasks([
        task("a", [0.5, 0.6, 0.7], [0.6, 0.55]), task("b", [0.9] * 3, [0.8] * 2), task("c", 0.3, 0.1),
    ])  # fmt: skip
    assert found.best == 0
    assert values(found.improvement) == pytest.approx([0.5, (2 + 0.5) / 6 / 3])


def test_scores_are_from_the_trivial_predictor_to_the_best_value_and_outlying_families_are_trimmed() -> None:
    # Of lower-is-better without a least value the best row is 1.
    tasks = [
        task("a", 0.7, 0.4, trivial=0.4),
        task("b", 2.0, 4.0, higher=False, trivial=10.0, perfect=0.0),
        task("c", 5.0, 8.0, higher=False, trivial=9.0, perfect=None),
        task("d", 0.2, -9.0, trivial=0.0),
        task("e", 0.6, 0.3, trivial=0.0),
    ]
    scores = [[0.3 / 0.6, 0.8, 1.0, 0.2, 0.6], [0.0, 0.6, 0.25, -9.0, 0.3]]
    expected = [float(stats.trim_mean(row, 0.25)) for row in scores]
    assert values(across_tasks(tasks).normalized) == pytest.approx(expected)
    assert expected == pytest.approx([(0.5 + 0.8 + 0.6) / 3, (0.0 + 0.25 + 0.3) / 3])
    assert values(across_tasks(tasks[:4]).normalized) == pytest.approx([np.mean(row[:4]) for row in scores])


def test_of_few_families_there_are_means_alone() -> None:
    tasks = [task(name, 0.9, 0.1 * number, noise=0.05) for number, name in enumerate("abcde", start=1)]
    few, enough = across_tasks([*tasks[:4], tasks[0]]), across_tasks(tasks)
    for spreads in (few.mean_rank, few.improvement, few.normalized):
        assert {spread[1:] for spread in spreads} == {(None, None)}
    assert few.critical_difference is None
    assert None not in [*enough.normalized[0], enough.critical_difference]


@pytest.mark.parametrize(("trivial", "perfect"), [(None, 1.0), (1.0, 1.0)])
def test_without_a_scale_no_score_is_made_up(trivial: float | None, perfect: float) -> None:
    odd = task("b", 0.7, 0.4, trivial=trivial, perfect=perfect)
    assert not across_tasks([task("a", 0.7, 0.4), odd]).normalized


@pytest.mark.parametrize(("rows", "quantile"), [(2, 1.960), (3, 2.343), (4, 2.569), (10, 3.164)])
def test_the_critical_difference_has_the_quantiles_of_demsars_table(rows: int, quantile: float) -> None:
    assert critical_difference(rows, 12) == pytest.approx(quantile * np.sqrt(rows * (rows + 1) / 72), abs=1e-3)


def width(spread: Spread) -> float:
    assert spread.low is not None
    assert spread.high is not None
    return spread.high - spread.low


def test_intervals_are_for_other_test_units() -> None:
    def widths(noise: float, tasks: int) -> float:
        some = [task(name, 0.5, 0.4, noise=noise) for name in "abcde" for _ in range(tasks)]
        return width(across_tasks(some).normalized[0])

    assert widths(0.0, 1) == pytest.approx(0, abs=1e-12)
    assert widths(0.04, 1) == pytest.approx(2 * widths(0.02, 1), rel=0.01)
    assert widths(0.02, 1) > 0.01
    # Two tasks of one family with as many units: the same are drawn, and the interval is that of one.
    assert widths(0.02, 2) == pytest.approx(widths(0.02, 1))


def test_intervals_are_for_other_seeds_and_a_seed_is_the_same_weights_on_all_tasks() -> None:
    found = across_tasks([task(name, [0.4, 0.5, 0.6], 0.3) for name in "abcdef"])
    # Of three seeds the worst or the best thrice: once in 27 draws each, so that 95 % leave out neither.
    assert found.normalized[0] == pytest.approx((0.5, 0.4, 0.6))
    assert width(found.normalized[1]) == pytest.approx(0, abs=1e-12)


def test_intervals_are_for_other_families() -> None:
    agree = across_tasks([task(name, 0.9, 0.1) for name in "abcdef"])
    assert agree.mean_rank[0] == (1.0, 1.0, 1.0)
    differ = across_tasks([task(name, 0.9, 0.1) for name in "abc"] + [task(name, 0.1, 0.9) for name in "def"])
    assert differ.mean_rank[0].value == 1.5
    assert width(differ.mean_rank[0]) > 0.6
    # Tasks of one family are drawn together: two of one family that disagree are not two opinions.
    one = across_tasks([task(name, *pair) for name in "abcde" for pair in ((0.9, 0.1), (0.1, 0.9))])
    assert one.mean_rank[0] == (1.5, 1.5, 1.5)


def test_an_interval_reaches_at_least_to_its_number_and_is_the_same_in_every_call() -> None:
    tasks = [task(name, *np.linspace(0.5, 0.52, 6), noise=0.05, seed=i) for i, name in enumerate("abcde")]
    found = across_tasks(tasks)
    for value, low, high in found.mean_rank:
        assert low is not None
        assert high is not None
        assert low <= value <= high
    assert found == across_tasks(tasks)


def test_published_results_of_another_benchmark_are_ranked_as_pandas_does(shared: Path) -> None:
    path = shared / "data" / "peer_results" / "reference_numbers.csv"
    if not path.is_file():
        pytest.skip(f"no {path}")
    table: defaultdict[str, dict[str, float]] = defaultdict(dict)
    with path.open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["method"] == "linear" and line["bands"] == "rgb":
                table[line["dataset"]].setdefault(line["name"], float(line["metric_value"]))
    models = sorted(set.intersection(*(set(row) for row in table.values())))
    if len(models) < 3:
        pytest.skip(f"{path} has fewer than three models on every data set")
    found = across_tasks([task(name, *(row[model] for model in models)) for name, row in sorted(table.items())])
    matrix = np.array([[row[model] for model in models] for _, row in sorted(table.items())])
    np.testing.assert_allclose(values(found.mean_rank), stats.rankdata(-matrix, axis=1).mean(axis=0))
    assert found.families == len(table)
    first = models[found.best]
    better = (matrix > matrix[:, [models.index(first)]]).mean(axis=0)
    equal = (matrix == matrix[:, [models.index(first)]]).mean(axis=0)
    np.testing.assert_allclose(values(found.improvement), better + equal / 2)
