"""How far a mean over seeds can be trusted, and whether two of them differ: from records alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gairbench.errors import DataError
from gairbench.intervals import LEVEL, interval, jackknife_freedom, jackknife_variance
from gairbench.results import Result

Array = NDArray[np.float64]

_ROUNDING = 1e-12
"""Standard error, relative to a value, that is rounding and no spread."""


@dataclass(frozen=True, slots=True)
class Runs:
    """One metric of one model on one task, in runs that differ in their seed alone.

    Args:
        seeds: One per run.
        values: The metric, ``(seeds,)``.
        jackknife: The metric without each unit of the test samples, ``(seeds, units)``, two or more; column j is
            without the same unit for every run and every model of a task, which is what pairs them.
        samples: Digest of the test samples.
        n: How many test samples there are.
        units: How many independent units the test samples are, groups or single samples: of more than 200 some are
            left out together.
        least: The smallest value that the metric can have.
        most: The largest value that it can have.
    """

    seeds: tuple[int, ...]
    values: Array
    jackknife: Array
    samples: str
    n: int
    units: int
    least: float = -math.inf
    most: float = math.inf


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval.

    Args:
        value: Mean over seeds, or a difference of two such means.
        low: Lower end.
        high: Upper end.
        p: Two-sided p-value of a value of zero.
    """

    value: float
    low: float
    high: float
    p: float


def runs_of(records: Sequence[Result]) -> Runs:
    """Return the headline metric of records that differ in their seed alone.

    Args:
        records: Of one model and task, in one setting, with a number.

    Raises:
        DataError: A record does not hold the metric without each unit or the number of test samples, or its test
            samples are other ones.
    """
    records = sorted(records, key=lambda record: record.seed)
    first = records[0]
    for record in records:
        if not record.jackknife:
            raise DataError(f"{_named(record)} has no {record.metric} without each unit", "run it again")
        if "test" not in record.n:
            raise DataError(f"{_named(record)} does not say how many test samples it has", "run it again")
        if (record.samples, len(record.jackknife)) != (first.samples, len(first.jackknife)):
            raise DataError(
                f"{_named(record)} was tested on other samples than {_named(first)}", "run them again on the same data"
            )
    found = [record.metrics[record.metric] for record in records]
    return Runs(
        tuple(record.seed for record in records),
        np.array([metric.value for metric in found]),
        np.array([record.jackknife for record in records]),
        first.samples,
        first.n["test"],
        first.units,
        -math.inf if found[0].least is None else found[0].least,
        math.inf if found[0].most is None else found[0].most,
    )


def _named(record: Result) -> str:
    return f"the record of {record.model} ({record.variant}) on {record.task}"


def mean(runs: Runs) -> Estimate:
    """Return the mean over seeds with an interval for other test units and other seeds."""
    value = float(runs.values.mean())
    parts = [_of_units(runs.jackknife.mean(axis=0), runs), _of_seeds(runs.values)]
    variance, freedom = added_variances(parts)
    low, high = interval(value, math.sqrt(variance), freedom, units=runs.units, least=runs.least, most=runs.most)
    return Estimate(value, low, high, _p(value, parts, runs.jackknife.shape[1]))


def difference(left: Runs, right: Runs) -> Estimate:
    """Return ``left - right`` of two models: paired over test units, independent over seeds.

    Models of one architecture share initial weights and batches of a seed. Taking them as independent is cautious: what
    they share makes the true difference vary less.

    Raises:
        ValueError: The runs are not of the same samples.
    """
    _require_same_samples(left, right)
    return _estimate(
        float(left.values.mean() - right.values.mean()),
        [
            _of_units(left.jackknife.mean(axis=0) - right.jackknife.mean(axis=0), left),
            _of_seeds(left.values),
            _of_seeds(right.values),
        ],
        left.jackknife.shape[1],
    )


def change(after: Runs, before: Runs) -> Estimate:
    """Return ``after - before`` of the same weights on two tasks: paired over test units and over seeds.

    Raises:
        ValueError: The runs are not of the same seeds or samples.
    """
    _require_same_samples(after, before)
    if after.seeds != before.seeds:
        raise ValueError(f"seeds {after.seeds} and {before.seeds}")
    values = after.values - before.values
    without_each = after.jackknife - before.jackknife
    parts = [_of_units(without_each.mean(axis=0), after), _of_seeds(values)]
    return _estimate(float(values.mean()), parts, after.jackknife.shape[1])


def _require_same_samples(left: Runs, right: Runs) -> None:
    if (left.samples, left.jackknife.shape[1]) != (right.samples, right.jackknife.shape[1]):
        raise ValueError(f"runs of {left.n} samples ({left.samples[:12]}) and of {right.n} other ones")


Part = tuple[float, float]
"""A variance and its degrees of freedom."""


def _of_units(without_each: Array, runs: Runs) -> Part:
    return jackknife_variance(without_each), jackknife_freedom(without_each, grouped=runs.units < runs.n)


def _of_seeds(values: Array) -> Part:
    """Return the variance of a mean over seeds; none where there is one seed, which says nothing about others."""
    return (float(values.var(ddof=1) / len(values)), len(values) - 1) if len(values) > 1 else (0.0, 1)


def added_variances(parts: Sequence[Part]) -> Part:
    """Add independent variances, with the degrees of freedom of Welch and Satterthwaite (Biometrics 2, 1946)."""
    variance = sum(part for part, _ in parts)
    if not variance > 0:
        return 0.0, parts[0][1]
    return variance, variance**2 / sum(part**2 / degrees for part, degrees in parts)


def _p(value: float, parts: Sequence[Part], units: int) -> float:
    """Return the p-value of zero: Student's, or that of the signs of all units where none of them changes the value."""
    if any(math.isnan(part) for part, _ in parts):
        return 1.0
    variance, freedom = added_variances(parts)
    if not variance > (_ROUNDING * max(abs(value), 1.0)) ** 2:
        return sign_test(units) if abs(value) > _ROUNDING else 1.0
    return 2 * float(stats.t.sf(abs(value) / math.sqrt(variance), freedom))


def sign_test(agreeing: int) -> float:
    """Return the two-sided p-value of zero where all independent values have one sign, by the exact sign test.

    Args:
        agreeing: How many there are.

    Example:
        >>> sign_test(6)
        0.03125
    """
    return min(2 * 0.5**agreeing, 1.0)


def _estimate(value: float, parts: Sequence[Part], units: int) -> Estimate:
    variance, freedom = added_variances(parts)
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(variance)
    return Estimate(value, value - half, value + half, _p(value, parts, units))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down procedure (Scand. J. Stat. 6, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = p.argsort(kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return [float(value) for value in adjusted]
