"""Splits that are drawn again with every seed: their runs share samples, and the variance says so."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from records import make_result
from scipy import stats

from gairbench.errors import DataError
from gairbench.results import Result
from gairbench_leaderboard.over_seeds import paired
from gairbench_leaderboard.repeated_splits import (
    RepeatedSplits,
    difference_over_splits,
    mean_over_splits,
    repeated_splits_of,
)

VALUES = (0.61, 0.70, 0.66)
DRAWS = ("draw 0", "draw 1", "draw 2")


def record(seed: int, value: float, model: str = "gair") -> Result:
    made = make_result(model, value=value, seed=seed, split="blocks:5", n={"train": 600, "val": 150, "test": 240})
    bounded = replace(made.metrics["accuracy"], least=0.0, most=1.0)
    return replace(made, metrics={"accuracy": bounded}, grouping="blocks:5", groups={"train": 60, "test": 20 + seed})


def test_records_give_their_values_by_seed_and_how_much_is_tested_on() -> None:
    found = repeated_splits_of([record(seed, value) for seed, value in reversed([*enumerate(VALUES)])])
    assert found.seeds == (0, 1, 2)
    assert tuple(found.values) == VALUES
    assert found.ratio == pytest.approx(0.4)
    assert (found.units, found.least, found.most) == (21, 0.0, 1.0)
    with pytest.raises(DataError, match="there are 1 runs of blocks:5"):
        repeated_splits_of([record(0, 0.5)])


def test_the_variance_is_nadeau_and_bengio_s() -> None:
    runs = RepeatedSplits((0, 1, 2), np.array(VALUES), DRAWS, 0.4, 20)
    error = math.sqrt((1 / 3 + 0.4) * np.var(VALUES, ddof=1))
    found = mean_over_splits(runs)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 2, loc=np.mean(VALUES), scale=error))
    bounded = mean_over_splits(replace(runs, least=0.0, most=1.0))
    assert 0 < bounded.low < np.mean(VALUES) < bounded.high < 1


def test_without_an_overlap_it_is_students_test_paired_by_split() -> None:
    left, right = np.array([0.61, 0.70, 0.66, 0.64]), np.array([0.55, 0.62, 0.63, 0.57])
    one, other = (RepeatedSplits((0, 1, 2, 3), values, (*DRAWS, "draw 3"), 0.0, 20) for values in (left, right))
    assert difference_over_splits(one, other).p == pytest.approx(stats.ttest_rel(left, right).pvalue)
    corrected = difference_over_splits(replace(one, ratio=0.4), replace(other, ratio=0.4))
    t = stats.ttest_rel(left, right).statistic / math.sqrt((1 / 4 + 0.4) * 4)
    assert corrected.p == pytest.approx(2 * stats.t.sf(t, 3))


def test_a_probe_that_folds_chose_learns_from_val_as_well() -> None:
    def ratio(selection: str) -> float:
        some = [replace(record(seed, 0.5), probe_params={"selection": selection}) for seed in (0, 1)]
        return repeated_splits_of(some).ratio

    assert ratio("val") == pytest.approx(240 / 600)
    assert ratio("5 folds of 80 groups") == pytest.approx(240 / 750)


def test_runs_are_paired_only_where_every_seed_has_the_same_test_samples() -> None:
    one = RepeatedSplits((0, 1, 2), np.array(VALUES), DRAWS, 0.4, 20)
    other = replace(one, samples=("draw 0", "draw 1", "other"))
    assert paired(one, one) is not None
    assert paired(one, other) is None
    with pytest.raises(ValueError, match="samples"):
        difference_over_splits(one, other)


def test_a_difference_that_no_split_changes_is_judged_by_its_sign_in_every_split() -> None:
    one = RepeatedSplits(tuple(range(6)), np.full(6, 0.75), ("",) * 6, 0.4, 20)
    assert difference_over_splits(one, replace(one, values=np.full(6, 0.5))).p == 2 * 0.5**6
    assert difference_over_splits(one, one).p == 1.0


def test_other_seeds_are_other_splits() -> None:
    one, other = (RepeatedSplits(seeds, np.array(VALUES), DRAWS, 0.4, 20) for seeds in ((0, 1, 2), (0, 1, 3)))
    with pytest.raises(ValueError, match="seeds"):
        difference_over_splits(one, other)
    assert difference_over_splits(one, one).p == 1.0


def test_repeated_splits_that_overlap_are_not_taken_for_independent_ones() -> None:
    """Means over drawn halves of one finite sample: the naive interval misses the population's far too often."""
    rng = np.random.default_rng(0)
    hits = {0.0: 0, 1.0: 0}
    for _ in range(600):
        sample = rng.normal(0.0, 1.0, 100)
        values = np.array([sample[rng.permutation(100)[:50]].mean() for _ in range(10)])
        for ratio in hits:
            found = mean_over_splits(RepeatedSplits(tuple(range(10)), values, ("",) * 10, ratio, 50))
            hits[ratio] += found.low <= 0 <= found.high
    assert hits[0.0] / 600 < 0.7
    assert hits[1.0] / 600 > 0.93
