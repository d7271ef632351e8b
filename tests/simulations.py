"""Test splits drawn again and again from populations whose metric is known, with and without group effects.

Each draw is held as the sums of a metric's statistics by unit, which is all that intervals are made of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from gairbench.bundles import MOST, bundled
from gairbench.evaluators import METRICS, prediction_metrics
from gairbench.intervals import LEVEL, interval, jackknife_freedom, jackknife_variance

Array = NDArray[np.float64]
SPECS = {spec.name: spec for spec in METRICS}
HUGE = 200_000
"""Samples of two models that a metric's true value is computed from."""


@dataclass(frozen=True)
class Design:
    """How the samples of a test split are grouped.

    Args:
        groups: How many groups there are; of single samples, how many samples.
        size: Mean number of samples in a group; 1: each sample is independent.
        unequal: Sizes of groups are geometric, from 1 to four times the mean.
        effect: Standard deviation of what the samples of a group have in common, against 1 of a sample's own.
    """

    groups: int
    size: int = 1
    unequal: bool = False
    effect: float = 0.0

    def __str__(self) -> str:
        """Return what a table of coverages prints."""
        if self.size == 1:
            return f"{self.groups} samples"
        sizes = f"1 to {4 * self.size}" if self.unequal else f"{self.size}"
        return f"{self.groups} groups of {sizes}, effect {self.effect:g}"

    def sizes(self, rng: np.random.Generator, repeats: int) -> NDArray[np.int64]:
        """Return how many samples each group has, ``(repeats, groups)``."""
        if not self.unequal:
            return np.full((repeats, self.groups), self.size)
        return np.minimum(rng.geometric(1 / self.size, (repeats, self.groups)), 4 * self.size)

    def effects(self, rng: np.random.Generator, repeats: int) -> Array:
        """Return what each group has in common, ``(repeats, groups)``."""
        return self.effect * rng.standard_normal((repeats, self.groups))


Population = Callable[[Design, np.random.Generator, int], tuple[Array, Array]]
"""Draws sums of statistics of two models by group, ``(repeats, groups, statistics)`` each: models of one quality."""


def shares(level: float) -> Population:
    """Return draws of ``with_count`` statistics: so large a share of samples is right."""

    def draw(design: Design, rng: np.random.Generator, repeats: int) -> tuple[Array, Array]:
        common = design.effects(rng, repeats)
        threshold = stats.norm.ppf(level) * math.sqrt(1 + design.effect**2)
        sizes = design.sizes(rng, repeats)
        # Half of a group's effect is the place's, and half the model's own.
        found = []
        for _ in range(2):
            own = (common + design.effects(rng, repeats)) / math.sqrt(2)
            right = rng.binomial(sizes, stats.norm.cdf(threshold + own))
            found.append(np.stack([right, sizes], axis=-1).astype(np.float64))
        return found[0], found[1]

    return draw


def confusions(classes: int, level: float, pixels: int = 1) -> Population:
    """Return draws of how often each class is right, meant and predicted.

    Each class is rarer than the last, and groups differ in shares and accuracy.

    Both models see the same targets. Pixels of an image are alike: it has shares and an accuracy of its own.
    """
    prior = np.log(0.6 ** np.arange(classes))
    wrong = (1 - np.eye(classes)) / (classes - 1)

    def draw(design: Design, rng: np.random.Generator, repeats: int) -> tuple[Array, Array]:
        shape = repeats, design.groups
        sizes = design.sizes(rng, repeats)
        tilt = prior + design.effect * rng.standard_normal((*shape, classes))
        common = design.effects(rng, repeats)
        effects = [(common + design.effects(rng, repeats)) / math.sqrt(2) for _ in range(2)]
        threshold = stats.norm.ppf(level) * math.sqrt(1 + design.effect**2)
        found = [np.zeros((*shape, classes, classes), dtype=np.int64) for _ in range(2)]
        for image in range(1 if pixels == 1 else int(sizes.max())):
            here = sizes if pixels == 1 else pixels * (image < sizes)
            own = tilt if pixels == 1 else tilt + 0.7 * rng.standard_normal(tilt.shape)
            shares_of_classes = np.exp(own) / np.exp(own).sum(axis=-1, keepdims=True)
            targets = rng.multinomial(here, shares_of_classes)
            for matrix, effect in zip(found, effects, strict=True):
                more = 0.0 if pixels == 1 else 0.7 * rng.standard_normal(shape)
                right = stats.norm.cdf(threshold + effect + more)[..., None, None]
                matrix += rng.multinomial(targets, right * np.eye(classes) + (1 - right) * wrong)
        first, second = (
            np.concatenate([np.diagonal(matrix, axis1=-2, axis2=-1), matrix.sum(axis=-1), matrix.sum(axis=-2)], axis=-1)
            for matrix in found
        )
        return first.astype(np.float64), second.astype(np.float64)

    return draw


def measurements(explained: float) -> Population:
    """Return draws of the moments of measurements and predictions; groups differ in level and in error."""
    noise = math.sqrt(1 - explained)

    def draw(design: Design, rng: np.random.Generator, repeats: int) -> tuple[Array, Array]:
        sizes = design.sizes(rng, repeats)
        most = int(sizes.max())
        here = np.arange(most) < sizes[..., None]
        level = design.effects(rng, repeats)[..., None] + rng.standard_normal((repeats, design.groups, most))
        common = design.effects(rng, repeats)
        found = []
        for _ in range(2):
            own = ((common + design.effects(rng, repeats)) / math.sqrt(2))[..., None]
            y, p = level, level + noise * (own + rng.standard_normal(level.shape))
            moments = (np.ones_like(y), y, p, y * y, p * p, y * p, (y - p) ** 2)
            found.append(np.stack([np.where(here, one, 0.0).sum(axis=-1) for one in moments], axis=-1))
        return found[0], found[1]

    return draw


CASES: dict[str, tuple[str, Population, float | None]] = {
    "accuracy": ("accuracy", shares(0.8), 0.8),
    "macro-F1": ("macro_f1", confusions(5, 0.7), None),
    "R2": ("r2", measurements(0.5), 0.5),
    "mIoU": ("miou", confusions(4, 0.75, pixels=64), None),
    "recall@10": ("recall@10", shares(0.1), 0.1),
}
"""Metric, population, and the metric's true value where it has a closed form."""


def value_of(case: str) -> Callable[[Array], Array]:
    """Return how the metric of a case follows from sums of its statistics."""
    name = CASES[case][0]
    found: Callable[[Array], Array] = getattr(prediction_metrics, str(SPECS[name].factory).rpartition(":")[2]).value
    return found


@cache
def truth(case: str, design: Design) -> float:
    """Return the metric in the population."""
    if (known := CASES[case][2]) is not None:
        return known
    groups = max(HUGE // design.size, 2)
    whole = Design(groups, design.size, design.unequal, design.effect)
    first, second = draws(case, whole, 12345, 1)
    return float(value_of(case)((first + second)[0].sum(axis=0)))


def in_units(sums: Array) -> Array:
    """Put more groups than 200 into bundles, as a run does."""
    groups = sums.shape[1]
    if groups <= MOST:
        return sums
    bundles = bundled([f"group {number}" for number in range(groups)])
    order = np.argsort(bundles, kind="stable")
    starts = np.searchsorted(bundles[order], np.arange(MOST))
    return np.add.reduceat(sums[:, order], starts, axis=1)


def draws(case: str, design: Design, seed: int, repeats: int) -> tuple[Array, Array]:
    """Return sums of statistics by group of two models, ``(repeats, groups, statistics)`` each."""
    return CASES[case][1](design, np.random.default_rng(seed), repeats)


def without_each(case: str, sums: Array) -> tuple[Array, Array]:
    """Return the metric of every draw, and its values without each unit."""
    value = value_of(case)
    total = sums.sum(axis=1)
    return value(total), value(total[:, None] - sums)


def intervals(case: str, design: Design, seed: int, repeats: int) -> Iterator[tuple[float, float]]:
    """Yield the interval of every draw."""
    spec = SPECS[CASES[case][0]]
    sums, _ = draws(case, design, seed, repeats)
    values, left_out = without_each(case, in_units(sums))
    for value, rest in zip(values.tolist(), left_out, strict=True):
        error = math.sqrt(jackknife_variance(rest))
        freedom = jackknife_freedom(rest, grouped=design.size > 1)
        yield interval(value, error, freedom, units=design.groups, least=spec.least, most=spec.most)


def coverage(case: str, design: Design, *, seed: int = 0, repeats: int = 2000) -> float:
    """Return how often the interval holds the population's value."""
    true = truth(case, design)
    return float(np.mean([low <= true <= high for low, high in intervals(case, design, seed, repeats)]))


def p_values(case: str, design: Design, *, seed: int, repeats: int) -> Array:
    """Return the p-value of the difference of two models of one quality in every draw.

    Computed at once for all draws; a test holds it to what a comparison computes for each.
    """
    first, second = draws(case, design, seed, repeats)
    found = [without_each(case, in_units(sums)) for sums in (first, second)]
    values, left_out = (one - other for one, other in zip(*found, strict=True))
    error = np.sqrt([jackknife_variance(rest) for rest in left_out])
    freedom = np.array([jackknife_freedom(rest, grouped=design.size > 1) for rest in left_out])
    p: Array = 2 * stats.t.sf(np.abs(values) / np.maximum(error, 1e-300), freedom)
    return p


def false_alarms(case: str, design: Design, *, seed: int = 1, repeats: int = 2000) -> float:
    """Return how often two models of one quality are said to differ at 5 %."""
    return float((p_values(case, design, seed=seed, repeats=repeats) < 1 - LEVEL).mean())


DESIGNS = (
    Design(20),
    Design(50),
    Design(200),
    Design(500),
    Design(20, 10),
    Design(20, 10, effect=0.7),
    Design(20, 10, unequal=True, effect=0.7),
    Design(50, 10, effect=0.7),
    Design(50, 10, unequal=True, effect=0.7),
    Design(200, 5, unequal=True, effect=0.7),
    Design(500, 4, unequal=True, effect=0.7),
)
"""What the coverages of docs/comparing.md are measured on."""
