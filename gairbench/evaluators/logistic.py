"""L2-penalized logistic regression for many strengths in a row: the optimum of scikit-learn's ``LogisticRegression``.

The loss is the sum over the samples, and the penalty ``|W|^2 / (2 C)`` leaves the intercepts out. Neighbouring
strengths have neighbouring optima, so each search starts from the last one. It runs in the principal axes of the
features, each in units in which the loss is about equally curved along all of them: L-BFGS then needs tens of steps
where it needs hundreds in the features' own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gairbench.errors import TrainingError
from gairbench.evaluators.principal_axes import Axes
from gairbench.metrics import Array

ITERATIONS = 5000
"""Of L-BFGS, at most, for each strength."""

PRECISE = 1e-9
"""Relative decrease of the objective at which the search ends, in double precision."""

ROUGH = 1e-6
"""The same where strengths are only compared, in single precision."""

Loss = Callable[[Array, Array], tuple[float, Array]]
"""Of logits and targets ``(samples, outputs)``: the sum of the losses, and its gradient by the logits."""


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A linear map of features.

    Args:
        weights: ``(dim, outputs)``.
        bias: ``(outputs,)``.
    """

    weights: Array
    bias: Array

    def __call__(self, features: Array) -> Array:
        """Return ``(samples, outputs)``."""
        return np.asarray(features @ self.weights + self.bias)


def softmax_loss(logits: Array, target: Array) -> tuple[float, Array]:
    """Return the cross-entropy of several classes, summed, and its gradient.

    Args:
        logits: ``(samples, classes)``.
        target: ``(samples, classes)``, one-hot.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    expected = np.exp(shifted)
    total = expected.sum(axis=1, keepdims=True)
    own = float(np.vdot(shifted, target))
    expected /= total
    return float(np.log(total).sum(dtype=np.float64)) - own, expected - target


def sigmoid_loss(logits: Array, target: Array) -> tuple[float, Array]:
    """Return the cross-entropy of independent labels, summed over samples and labels, and its gradient.

    Args:
        logits: ``(samples, labels)``.
        target: ``(samples, labels)``, 0 or 1.
    """
    from scipy.special import expit

    value = (np.logaddexp(0, logits) - logits * target).sum(dtype=np.float64)
    return float(value), np.asarray(expit(logits) - target)


class LogisticPath:
    """Logistic regressions on the same samples, each search from the optimum of the last.

    Args:
        features: ``(samples, dim)``.
        target: ``(samples, outputs)``, 0 or 1; each output has both.
        loss: :func:`softmax_loss` or :func:`sigmoid_loss`.
        precise: To the last digits that matter, or as well as a comparison of strengths needs, in half the time.
    """

    def __init__(self, features: Array, target: Array, loss: Loss, *, precise: bool) -> None:
        kind = np.float64 if precise else np.float32
        axes = Axes(features)
        self._squares, self._vectors, self._features = axes.squares, axes.vectors, axes.features.astype(kind)
        self._target = target.astype(kind)
        self._loss, self._tolerance = loss, PRECISE if precise else ROUGH
        share = target.mean(axis=0, dtype=np.float64)
        # Without features: softmax takes the same constant off all logits.
        bias = np.log(share) - (np.log1p(-share) if loss is sigmoid_loss else 0.0)
        self._found = LinearMap(np.zeros((len(self._squares), len(bias))), bias)

    @property
    def trivial(self) -> LinearMap:
        """The optimum without features, before anything is fitted."""
        return self._mapped()

    def fit(self, c: float) -> LinearMap:
        """Return the optimum.

        Args:
            c: Inverse strength of the penalty.

        Raises:
            TrainingError: The search has not ended after :data:`ITERATIONS` steps.
        """
        from scipy.optimize import minimize

        start, outputs = self._found, len(self._found.bias)
        if not outputs:
            return self._mapped()
        expected = self._loss(self._logits(start.weights, start.bias), self._target)[1] + self._target
        curvature = np.maximum((expected * (1 - expected)).mean(axis=0, dtype=np.float64), 1e-9)
        unit = 1 / np.sqrt(self._squares[:, None] * curvature + 1 / c)
        bias_unit = 1 / np.sqrt(len(self._target) * curvature)

        def objective(values: Array) -> tuple[float, Array]:
            weights = values[outputs:].reshape(unit.shape) * unit
            value, by_logits = self._loss(self._logits(weights, values[:outputs] * bias_unit), self._target)
            by_weights = (self._features.T @ by_logits + weights / c) * unit
            by_bias = by_logits.sum(axis=0, dtype=np.float64) * bias_unit
            return value + float((weights**2).sum()) / (2 * c), np.concatenate([by_bias, by_weights.ravel()])

        values = np.concatenate([start.bias / bias_unit, (start.weights / unit).ravel()])
        options = {"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "ftol": self._tolerance, "gtol": 1e-6, "maxcor": 20}
        found = minimize(objective, values, jac=True, method="L-BFGS-B", options=options)
        if found.status == 1:
            raise not_converged(c, ITERATIONS)
        self._found = LinearMap(found.x[outputs:].reshape(unit.shape) * unit, found.x[:outputs] * bias_unit)
        return self._mapped()

    def _logits(self, weights: Array, bias: Array) -> Array:
        kind = self._features.dtype
        return np.asarray(self._features @ weights.astype(kind) + bias.astype(kind))

    def _mapped(self) -> LinearMap:
        return LinearMap(self._vectors @ self._found.weights, self._found.bias)


def not_converged(c: float, steps: int) -> TrainingError:
    """Return the error of a search that does not end."""
    return TrainingError(
        f"the regression with C = {c:g} has not converged after {steps} steps",
        "look at the features with 'gairbench inspect': some may be hugely different from all others",
    )
