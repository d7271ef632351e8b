"""Proportional odds on frozen features (McCullagh 1980): a linear probe that knows the order of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gairbench.choosing import choose, is_settled, vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.linear import STRENGTHS
from gairbench.evaluators.logistic import ITERATIONS, PRECISE, not_converged
from gairbench.evaluators.principal_axes import Axes
from gairbench.metrics import Array

LOG_WIDTH = 20.0
"""Neighbouring thresholds are exp(-20) to exp(20) apart, which keeps the search among finite numbers."""


def ordinal_linear(data: EvaluatorInput) -> EvaluatorOutput:
    """Learn one direction of the features and ascending thresholds on it; predict the median class.

    The class of a sample is at least k with probability ``sigmoid(direction @ features - threshold[k])``. C is that of
    the least log loss, as in the linear probe. The median class minimizes the expected error in ranks.

    Raises:
        TrainingError: A fit does not converge.
    """
    rounds = vector_rounds(data)
    fits, held = [], []
    for x, y, held_x, held_y in rounds.each():
        fits.append(_Fit(x, y))
        held.append((held_x, held_y))
    trivial = [fit.loss(*some) for fit, some in zip(fits, held, strict=True)]
    losses: list[list[float]] = [[] for _ in fits]
    for c in STRENGTHS:
        for fit, some, own in zip(fits, held, losses, strict=True):
            fit.to(c)
            own.append(fit.loss(*some))
        if is_settled(losses, trivial):
            break
    tried = STRENGTHS[: len(losses[0])]
    choice = choose("C", tried, losses, trivial, rounds.folds, loss="log loss", ends=(STRENGTHS[0], STRENGTHS[-1]))
    final = rounds.final()
    best = _Fit(final.x, final.y)
    best.to(choice.value)
    reached = best.reached(final.test)
    # A class that was never seen has a column, too: it is never expected.
    probabilities = np.zeros((len(reached), data.classes))
    probabilities[:, best.known] = _probabilities(reached)
    return EvaluatorOutput(
        prediction=best.known[_median(reached)],
        scores=probabilities,
        scores_are="probabilities",
        params=choice.params,
        caveats=choice.caveats,
    )


class _Fit:
    """Proportional odds on some samples; each fit starts from the last: neighbouring C have neighbouring optima."""

    def __init__(self, x: Array, y: Array) -> None:
        self.known, self._target = np.unique(y, return_inverse=True)
        self._axes = Axes(x)
        self._odds = _start(self._axes.features, self._target)

    def to(self, c: float) -> None:
        self._odds = _fit(self._axes, self._target, c, self._odds)

    def reached(self, x: Array) -> Array:
        return self._odds.reached(x @ self._axes.vectors)

    def loss(self, x: Array, y: Array) -> float:
        """Return the mean log loss of samples, all of known classes."""
        expected = _probabilities(self.reached(x))[np.arange(len(y)), np.searchsorted(self.known, y)]
        # What is exactly impossible in double precision.
        return -float(np.log(np.maximum(expected, np.finfo(float).tiny)).mean())


def _probabilities(reached: Array) -> Array:
    """Return ``(samples, classes)``."""
    return np.asarray(-np.diff(reached, prepend=1.0, append=0.0, axis=1))


def _median(reached: Array) -> Array:
    """Return the highest class that each sample reaches more likely than not, the lowest if none."""
    return np.asarray((reached > 0.5).sum(axis=1))


@dataclass(frozen=True, slots=True)
class _Odds:
    """A direction and thresholds.

    Args:
        direction: ``(dim,)``.
        first: The lowest threshold.
        log_widths: ``(classes - 2,)``: logarithms of the steps from threshold to threshold, so that they ascend.
    """

    direction: Array
    first: float
    log_widths: Array

    @property
    def thresholds(self) -> Array:
        """``(classes - 1,)``, ascending."""
        return self.first + np.concatenate([[0.0], np.cumsum(np.exp(self.log_widths))])

    def reached(self, features: Array) -> Array:
        """Return ``(samples, classes - 1)``: how likely a sample is of each class but the lowest, or a higher one."""
        from scipy.special import expit

        return np.asarray(expit((features @ self.direction)[:, None] - self.thresholds))


def _start(features: Array, target: Array) -> _Odds:
    """Return what is known without features: how frequent the classes are."""
    below = np.cumsum(np.bincount(target))[:-1] / len(target)
    thresholds = np.log(below / (1 - below))
    return _Odds(np.zeros(features.shape[1]), float(thresholds[0]), np.log(np.diff(thresholds)))


def _fit(axes: Axes, target: Array, c: float, start: _Odds) -> _Odds:
    """Maximize the likelihood with an L2 penalty on the direction, ``1 / C`` as in logistic regression.

    The search runs in units in which the loss is about equally curved along all axes, as in the linear probe.
    """
    from scipy.optimize import minimize

    features, dim = axes.features, len(axes.squares)
    unit = 1 / np.sqrt(axes.squares / 4 + 1 / c)

    def loss(values: Array) -> tuple[float, Array]:
        odds = _Odds(values[:dim] * unit, float(values[dim]), values[dim + 1 :])
        likelihood, gradient = _log_likelihood(odds, features, target)
        penalty = float(odds.direction @ odds.direction) / (2 * c)
        gradient[:dim] = (gradient[:dim] - odds.direction / c) * unit
        return (penalty - likelihood) / len(target), -gradient / len(target)

    bounds = [(None, None)] * (dim + 1) + [(-LOG_WIDTH, LOG_WIDTH)] * len(start.log_widths)
    values = np.concatenate([start.direction / unit, [start.first], start.log_widths])
    options = {"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": PRECISE, "gtol": 1e-9}
    found = minimize(loss, values, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    if found.status == 1:
        raise not_converged(c, ITERATIONS)
    return _Odds(found.x[:dim] * unit, float(found.x[dim]), found.x[dim + 1 :])


def _log_likelihood(odds: _Odds, features: Array, target: Array) -> tuple[float, Array]:
    """Return it, and its gradient by direction, lowest threshold and logarithms of the steps."""
    from scipy.special import expit, log_expit

    ends = np.concatenate([[-np.inf], odds.thresholds, [np.inf]])
    widths = np.exp(odds.log_widths)
    # The probability between two thresholds, written so that no digits cancel:
    # sigmoid(upper) - sigmoid(lower) = sigmoid(upper) sigmoid(-lower) (1 - exp(lower - upper)).
    width = np.concatenate([[np.inf], widths, [np.inf]])[target]
    at = features @ odds.direction
    upper, lower = ends[target + 1] - at, ends[target] - at
    inside = -np.expm1(-width)
    value = float((log_expit(upper) + log_expit(-lower) + np.log(inside)).sum())
    shared = np.exp(-width) / inside
    by_upper, by_lower = expit(-upper) + shared, -expit(lower) - shared
    classes = len(ends) - 1
    by_end = np.bincount(target + 1, by_upper, classes + 1) + np.bincount(target, by_lower, classes + 1)
    # A step moves all thresholds above it.
    moved = np.cumsum(by_end[1:-1][::-1])[::-1]
    by_direction = features.T @ (expit(lower) - expit(-upper))
    return value, np.concatenate([by_direction, moved[:1], moved[1:] * widths])
