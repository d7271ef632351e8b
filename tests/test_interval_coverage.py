"""Intervals of 95 % hold the true value in 93 to 97 % of test splits, and no more than 6 % of equal models differ.

A population with known values is sampled again and again: single samples, and groups whose samples resemble each other.
The small set runs always; all cases and designs are marked ``slow``, and their coverages stand in docs/comparing.md.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from simulations import (
    CASES,
    DESIGNS,
    Design,
    coverage,
    draws,
    false_alarms,
    in_units,
    truth,
    without_each,
)

from gairbench.intervals import interval, jackknife_variance

SMALL = [
    ("accuracy", Design(20)),
    ("accuracy", Design(500)),
    ("accuracy", Design(50, 10, unequal=True, effect=0.7)),
    ("recall@10", Design(200)),
    ("recall@10", Design(50, 10, effect=0.7)),
    ("macro-F1", Design(20, 10, effect=0.7)),
    ("R2", Design(50, 5, effect=0.7)),
    ("mIoU", Design(20, 3, effect=0.7)),
]
EVERY = [(case, design) for case in CASES for design in DESIGNS]


def named(parameter: object) -> str:
    return str(parameter).replace(" ", "-")


@pytest.mark.parametrize(("case", "design"), SMALL, ids=named)
def test_intervals_hold_the_true_value_as_often_as_they_say(case: str, design: Design) -> None:
    assert 0.93 <= coverage(case, design) <= 0.97


@pytest.mark.parametrize(("case", "design"), SMALL, ids=named)
def test_equal_models_are_seldom_said_to_differ(case: str, design: Design) -> None:
    assert false_alarms(case, design) <= 0.06


@pytest.mark.slow
@pytest.mark.parametrize(("case", "design"), EVERY, ids=named)
def test_every_metric_and_design_is_covered(case: str, design: Design) -> None:
    found = [coverage(case, design, seed=seed, repeats=1000) for seed in range(4)]
    # Shares of few single samples are discrete: of 50, a tenth of them right, the exact coverage is 0.9703.
    assert 0.93 <= float(np.mean(found)) <= (0.975 if design.size == 1 else 0.97)
    # 8,000 pairs of models where groups are few: the share of false alarms is then known to a quarter of a percent.
    seeds = range(10, 18 if design.groups <= 50 else 14)
    alarms = [false_alarms(case, design, seed=seed, repeats=1000) for seed in seeds]
    assert float(np.mean(alarms)) <= 0.06


# The simulation can fail.


def test_intervals_over_single_samples_are_found_out_under_a_group_effect() -> None:
    design = Design(50, 10, effect=0.7)
    sums, _ = draws("accuracy", design, 0, 2000)
    right, n = np.moveaxis(sums.sum(axis=1), -1, 0)
    true = truth("accuracy", design)
    held = [
        low <= true <= high
        for value, samples in zip(right / n, n, strict=True)
        for low, high in [
            interval(
                value, math.sqrt(value * (1 - value) / samples), samples - 1, units=int(samples), least=0.0, most=1.0
            )
        ]
    ]
    assert np.mean(held) < 0.9


@pytest.mark.parametrize("case", ["recall@10", "macro-F1"])
def test_intervals_of_the_width_of_a_percentile_bootstrap_are_found_out(case: str) -> None:
    """Its width is that of the normal quantile and the divisor J; its ends know no bounds."""
    design = Design(20)
    sums, _ = draws(case, design, 0, 2000)
    values, left_out = without_each(case, in_units(sums))
    error = np.array([math.sqrt(jackknife_variance(rest) * 19 / 20) for rest in left_out])
    half = stats.norm.ppf(0.975) * error
    assert np.mean(np.abs(values - truth(case, design)) <= half) < 0.93


def test_a_test_that_does_not_pair_by_group_is_found_out() -> None:
    design = Design(50, 10, effect=0.7)
    right, n = (np.stack(draws("accuracy", design, 1, 2000))[..., part].sum(axis=2) for part in (0, 1))
    shares = right / n
    pooled = right.sum(axis=0) / n.sum(axis=0)
    z = (shares[0] - shares[1]) / np.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    assert (np.abs(z) > 1.96).mean() > 0.06
