"""Proportional odds on frozen features (McCullagh 1980): a linear probe that knows the order of the classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.linear import STRENGTHS
from gairbench.metrics import Array

ITERATIONS = 1000
"""Of L-BFGS, at most, for each strength."""

LOG_WIDTH = 20.0
"""Neighbouring thresholds are exp(-20) to exp(20) apart, which keeps the search among finite numbers."""


def ordinal_linear(data: EvaluatorInput) -> EvaluatorOutput:
    """Learn one direction of the features and ascending thresholds on it; predict the median class.

    The class of a sample is at least k with probability ``sigmoid(direction @ features - threshold[k])``. Of the
    strengths of the penalty on the direction, the one with the least mean error in ranks on val is kept (the smallest
    C of equals): the median minimizes this error.
    """
    known, target = np.unique(data.targets["train"], return_inverse=True)
    fitted = _start(data.features["train"], target)
    best, best_error, best_c = None, np.inf, 0.0
    for c in STRENGTHS:
        # Each fit starts from the last: neighbouring C have neighbouring solutions.
        fitted = _fit(data.features["train"], target, c, fitted)
        error = float(np.abs(known[_median(fitted.reached(data.features["val"]))] - data.targets["val"]).mean())
        if error < best_error:
            best, best_error, best_c = fitted.reached(data.features["test"]), error, c
    assert best is not None  # noqa: S101  (STRENGTHS is not empty and errors are finite)
    # A class that train lacks has a column, too: it is never expected.
    probabilities = np.zeros((len(best), data.classes))
    probabilities[:, known] = -np.diff(best, prepend=1.0, append=0.0, axis=1)
    return EvaluatorOutput(
        prediction=known[_median(best)],
        scores=probabilities,
        scores_are="probabilities",
        params={"C": best_c, "val_rank_mae": best_error},
    )


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


def _fit(features: Array, target: Array, c: float, start: _Odds) -> _Odds:
    """Maximize the likelihood with an L2 penalty on the direction, ``1 / C`` as in logistic regression."""
    from scipy.optimize import minimize

    dim = features.shape[1]

    def loss(values: Array) -> tuple[float, Array]:
        odds = _Odds(values[:dim], float(values[dim]), values[dim + 1 :])
        likelihood, gradient = _log_likelihood(odds, features, target)
        penalty = float(odds.direction @ odds.direction) / (2 * c)
        gradient[:dim] -= odds.direction / c
        return (penalty - likelihood) / len(target), -gradient / len(target)

    bounds = [(None, None)] * (dim + 1) + [(-LOG_WIDTH, LOG_WIDTH)] * len(start.log_widths)
    values = np.concatenate([start.direction, [start.first], start.log_widths])
    found = minimize(loss, values, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS}).x
    return _Odds(found[:dim], float(found[dim]), found[dim + 1 :])


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
