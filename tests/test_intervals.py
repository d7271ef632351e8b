"""Intervals by the jackknife: exact where theory is, within bounds, and never of no width where little is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gairbench.intervals import interval, jackknife_freedom, jackknife_variance


def wilson(right: int, n: int, level: float) -> tuple[float, float]:
    found = stats.binomtest(right, n).proportion_ci(level, method="wilson")
    return found.low, found.high


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(3, 2, 40)
    without_each = (values.sum() - values) / 39
    assert jackknife_variance(without_each) == pytest.approx(values.var(ddof=1) / 40)


def test_groups_of_which_few_matter_count_as_few() -> None:
    rng = np.random.default_rng(0)
    alike = rng.normal(size=2000)
    assert jackknife_freedom(alike, grouped=False) == 1999
    assert jackknife_freedom(alike, grouped=True) == pytest.approx(1999, rel=0.05)
    # Ten of a hundred groups have nearly all of the variance.
    weights = np.where(np.arange(100) < 10, 1.0, 0.01)
    found = [jackknife_freedom(rng.normal(size=100) * weights, grouped=True) for _ in range(300)]
    assert 8 < np.median(found) < 16
    assert jackknife_freedom(np.full(20, 0.5), grouped=True) == 19
    assert jackknife_freedom([0.5] * 19 + [0.9], grouped=True) < 5


@pytest.mark.parametrize(("right", "n"), [(7, 10), (1, 30), (99, 100), (500, 1000)])
def test_a_share_of_independent_samples_has_wilson_s_interval_with_students_t(right: int, n: int) -> None:
    value = right / n
    found = interval(value, math.sqrt(value * (1 - value) / n), n - 1, units=n, least=0.0, most=1.0)
    # Wilson's interval at the level whose normal quantile is that of Student's t.
    t = stats.t.ppf(0.975, n - 1)
    assert found == pytest.approx(wilson(right, n, 1 - 2 * stats.norm.sf(t)))


def test_many_independent_samples_have_wilson_s_interval() -> None:
    found = interval(0.3, math.sqrt(0.21 / 1e6), 1e6 - 1, units=10**6, least=0.0, most=1.0)
    assert found == pytest.approx(wilson(300_000, 1_000_000, 0.95), abs=1e-7)


@pytest.mark.parametrize("units", [2, 7, 30, 2500])
def test_all_or_none_right_has_an_interval_that_says_how_many_units_there_are(units: int) -> None:
    low, high = interval(1.0, 0.0, units - 1, units=units, least=0.0, most=1.0)
    t = stats.t.ppf(0.975, units - 1)
    assert (low, high) == (pytest.approx(units / (units + t**2)), 1.0)
    assert interval(0.0, 0.0, units - 1, units=units, least=0.0, most=1.0) == pytest.approx((0.0, 1 - low))


def test_units_that_agree_by_chance_are_not_taken_for_certainty() -> None:
    low, high = interval(0.5, 0.0, 9, units=10, least=0.0, most=1.0)
    assert low < 0.3
    assert high > 0.7


def test_other_bounds_are_those_of_a_share_scaled() -> None:
    low, high = interval(0.4, 0.05, 30, units=31, least=0.0, most=1.0)
    assert interval(0.8, 0.1, 30, units=31, least=0.0, most=2.0) == pytest.approx((2 * low, 2 * high))


def test_one_bound_is_kept_within_by_a_logarithm() -> None:
    t = stats.t.ppf(0.975, 19)
    low, high = interval(0.6, 0.1, 19, units=20, most=1.0)
    assert (1 - low, 1 - high) == pytest.approx((0.4 * math.exp(t / 4), 0.4 * math.exp(-t / 4)))
    low, high = interval(200.0, 50.0, 19, units=20, least=0.0)
    assert (low, high) == pytest.approx((200 * math.exp(-t / 4), 200 * math.exp(t / 4)))
    assert interval(0.0, 0.0, 19, units=20, least=0.0) == (0.0, 0.0)
    assert interval(1.0, 0.0, 19, units=20, most=1.0) == (1.0, 1.0)


def test_a_correlation_has_fishers_interval() -> None:
    low, high = interval(0.9, 0.02, 49, units=50, least=-1.0, most=1.0)
    half = stats.t.ppf(0.975, 49) * 0.02 / (1 - 0.81)
    assert (math.atanh(low), math.atanh(high)) == pytest.approx((math.atanh(0.9) - half, math.atanh(0.9) + half))
    assert interval(-1.0, 0.0, 49, units=50, least=-1.0, most=1.0) == (-1.0, -1.0)


def test_without_bounds_it_is_students() -> None:
    assert interval(3.0, 0.5, 9, units=10) == pytest.approx(stats.t.interval(0.95, 9, loc=3.0, scale=0.5))


@pytest.mark.parametrize(("least", "most"), [(0.0, 1.0), (-1.0, 1.0), (-math.inf, 1.0), (0.0, math.inf)])
@pytest.mark.parametrize("error", [0.0, 1e-9, 0.01, 0.3, 40.0])
def test_the_value_is_inside_and_the_bounds_are_outside(least: float, most: float, error: float) -> None:
    for value in (0.001, 0.25, 0.999):
        low, high = interval(value, error, 12, units=13, least=least, most=most)
        assert least <= low <= value <= high <= most


def test_rounding_beyond_a_bound_is_the_bound() -> None:
    assert interval(1 + 1e-12, 0.0, 6, units=7, least=0.0, most=1.0)[1] == 1.0
