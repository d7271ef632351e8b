"""Means and differences over splits that are drawn again with every seed, whose runs share samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gairbench.errors import DataError
from gairbench.intervals import LEVEL, interval
from gairbench.results import Result
from gairbench_leaderboard.uncertainty import Estimate, sign_test


@dataclass(frozen=True, slots=True)
class RepeatedSplits:
    """One metric of one model on one task, in runs whose seed draws the splits.

    Args:
        seeds: One per run, two or more.
        values: The metric, ``(seeds,)``.
        samples: Digest of the test samples of each run.
        ratio: Samples tested on for each one that is learned from.
        units: How many independent units the test samples of a run are, on average.
        least: The smallest value that the metric can have.
        most: The largest value that it can have.
    """

    seeds: tuple[int, ...]
    values: NDArray[np.float64]
    samples: tuple[str, ...]
    ratio: float
    units: int
    least: float = -math.inf
    most: float = math.inf


def repeated_splits_of(records: Sequence[Result]) -> RepeatedSplits:
    """Return the headline metric of records of one model and task whose split policy is drawn by the seed.

    Raises:
        DataError: There are fewer than two: one split says nothing about others.
    """
    records = sorted(records, key=lambda record: record.seed)
    if len(records) < 2:
        raise DataError(
            f"there are {len(records)} runs of {records[0].split if records else 'a split policy'}, whose variance over"
            " splits is not known then",
            "run with three seeds or more",
        )
    found = [record.metrics[record.metric] for record in records]
    return RepeatedSplits(
        tuple(record.seed for record in records),
        np.array([metric.value for metric in found]),
        tuple(record.samples for record in records),
        float(np.mean([record.n["test"] / _fitted(record) for record in records])),
        round(float(np.mean([record.units for record in records]))),
        -math.inf if found[0].least is None else found[0].least,
        math.inf if found[0].most is None else found[0].most,
    )


def _fitted(record: Result) -> int:
    """Return how many samples the probe was fitted on: train, and val where folds of both chose its parameters."""
    folds = "folds" in str(record.probe_params.get("selection", ""))
    return record.n["train"] + (record.n.get("val", 0) if folds else 0)


def mean_over_splits(runs: RepeatedSplits) -> Estimate:
    """Return the mean over splits with an interval for other splits of as many samples of the same kind.

    Runs learn from samples of each other, so that their spread over seeds is too small for the variance of their mean.
    It is ``(1 / S + n_test / n_fitted) * s^2`` (Nadeau and Bengio, Machine Learning 52, 2003) with ``S - 1`` degrees of
    freedom, where a probe is fitted on train, or on train and val if it was chosen by folds of both. It covers what
    other test samples would change, which is thus not added.
    """
    value = float(runs.values.mean())
    error = _error(runs.values, runs.ratio)
    freedom = len(runs.values) - 1
    low, high = interval(value, error, freedom, units=runs.units, least=runs.least, most=runs.most)
    return Estimate(value, low, high, _p(value, error, len(runs.values)))


def difference_over_splits(left: RepeatedSplits, right: RepeatedSplits) -> Estimate:
    """Return ``left - right`` of two models in the same splits, by the corrected resampled t-test.

    Raises:
        ValueError: The runs are not of the same seeds or samples.
    """
    if left.seeds != right.seeds:
        raise ValueError(f"seeds {left.seeds} and {right.seeds}")
    if left.samples != right.samples:
        raise ValueError(f"samples {left.samples} and {right.samples}")
    values = left.values - right.values
    value, error = float(values.mean()), _error(values, max(left.ratio, right.ratio))
    freedom = len(values) - 1
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Estimate(value, value - half, value + half, _p(value, error, len(values)))


def _error(values: NDArray[np.float64], ratio: float) -> float:
    return math.sqrt((1 / len(values) + ratio) * float(values.var(ddof=1)))


def _p(value: float, error: float, splits: int) -> float:
    """Return the p-value of zero: Student's, or that of the signs of all splits where none changes the value."""
    if error > 0:
        return 2 * float(stats.t.sf(abs(value) / error, splits - 1))
    return sign_test(splits) if value else 1.0
