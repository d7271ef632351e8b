"""How far a mean over seeds can be trusted, and whether two of them differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gairbench.metrics import LEVEL

Array = NDArray[np.float64]

_ROUNDING = 1e-12
"""Standard error, relative to a value, that is rounding and no spread."""


@dataclass(frozen=True, slots=True)
class Runs:
    """One metric of one model on one task, in runs that differ in their seed alone.

    Args:
        seeds: One per run.
        values: The metric, ``(seeds,)``.
        resampled: The metric on bootstrap resamples of the test samples, ``(seeds, resamples)``; column j is the same
            resample for every run and every model of a task, which is what pairs them.
        samples: Identifiers of the test samples, in order.
    """

    seeds: tuple[int, ...]
    values: Array
    resampled: Array
    samples: tuple[str, ...]


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


def mean(runs: Runs) -> Estimate:
    """Return the mean over seeds with an interval for other test samples and other seeds."""
    return _estimate(
        float(runs.values.mean()), [_of_samples(runs.resampled.mean(axis=0), runs), _of_seeds(runs.values)]
    )


def difference(left: Runs, right: Runs) -> Estimate:
    """Return ``left - right`` of two models: paired over test samples, independent over seeds.

    Models of one architecture share initial weights and batches of a seed. Taking them as independent is cautious: what
    they share makes the true difference vary less.

    Raises:
        ValueError: The runs are not of the same samples.
    """
    _require_same_samples(left, right)
    return _estimate(
        float(left.values.mean() - right.values.mean()),
        [
            _of_samples(left.resampled.mean(axis=0) - right.resampled.mean(axis=0), left),
            _of_seeds(left.values),
            _of_seeds(right.values),
        ],
    )


def change(after: Runs, before: Runs) -> Estimate:
    """Return ``after - before`` of the same weights on two tasks: paired over test samples and over seeds.

    Raises:
        ValueError: The runs are not of the same seeds or samples.
    """
    _require_same_samples(after, before)
    if after.seeds != before.seeds:
        raise ValueError(f"seeds {after.seeds} and {before.seeds}")
    values = after.values - before.values
    resampled = after.resampled - before.resampled
    return _estimate(float(values.mean()), [_of_samples(resampled.mean(axis=0), after), _of_seeds(values)])


def _require_same_samples(left: Runs, right: Runs) -> None:
    if left.samples != right.samples:
        raise ValueError(f"runs of {len(left.samples)} samples and of {len(right.samples)} other ones")


_Part = tuple[float, float]
"""A variance and its degrees of freedom."""


def _of_samples(resampled: Array, runs: Runs) -> _Part:
    return float(np.nanvar(resampled, ddof=1)), max(len(runs.samples) - 1, 1)


def _of_seeds(values: Array) -> _Part:
    """Return the variance of a mean over seeds; none where there is one seed, which says nothing about others."""
    return (float(values.var(ddof=1) / len(values)), len(values) - 1) if len(values) > 1 else (0.0, 1)


def _estimate(value: float, parts: Sequence[_Part]) -> Estimate:
    """Add independent variances and use Student's t with the degrees of freedom of Welch and Satterthwaite.

    Where no resample and no seed changes the value there is nothing to judge it by: p is 1.
    """
    variance = sum(part for part, _ in parts)
    if not variance > (_ROUNDING * max(abs(value), 1.0)) ** 2:
        return Estimate(value, value, value, 1.0)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    error = math.sqrt(variance)
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return Estimate(value, value - half, value + half, 2 * float(stats.t.sf(abs(value) / error, freedom)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number by Holm's step-down procedure (Scand. J. Stat. 6, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = p.argsort(kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return [float(value) for value in adjusted]
