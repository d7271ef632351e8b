"""Multinomial logistic regression on frozen features, the field's linear probe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gairbench.choosing import Choice, Final, choose, is_settled, vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.logistic import LinearMap, LogisticPath, sigmoid_loss, softmax_loss
from gairbench.metrics import Array

STRENGTHS = tuple(10.0**e for e in range(-6, 5))
"""Inverse L2 strengths C tried, in ascending order."""


def linear(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit for ascending C in every round, take the one with the least log loss, and fit it once more.

    Classes in an order are taken as if they had none. Multi-label fits one binary regression per label with a common C;
    its loss is the mean over the labels. Larger C are left untried once the loss rises or stands still.

    Raises:
        TrainingError: A fit does not converge.
    """
    probe = fit_linear(data)
    logits = probe.map(probe.final.test)
    if probe.known is None:
        from scipy.special import expit

        prediction, probabilities = logits > 0, expit(logits)
    else:
        from scipy.special import softmax

        prediction = probe.known[logits.argmax(axis=1)].astype(np.int64)
        # A class that was never seen has a column, too: it is never expected.
        probabilities = np.zeros((len(logits), data.classes))
        probabilities[:, probe.known] = softmax(logits, axis=1)
    return EvaluatorOutput(
        prediction=prediction,
        scores=probabilities,
        scores_are="probabilities",
        params=probe.choice.params,
        caveats=probe.choice.caveats,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearProbe:
    """A fitted probe.

    Args:
        map: From standardized features to the logits of labels, or of known classes.
        known: Numbers of the classes that it was fitted on, ascending; ``None`` of multi-label.
        final: What it was fitted on.
        choice: Of C.
    """

    map: LinearMap
    known: Array | None
    final: Final
    choice: Choice


def fit_linear(data: EvaluatorInput) -> LinearProbe:
    """Return the linear probe of a classification, ordinal or multi-label task.

    Raises:
        TrainingError: A fit does not converge.
    """
    rounds = vector_rounds(data)
    kind = _Labels if rounds.y.ndim == 2 else _Classes
    fits, held = [], []
    for x, y, held_x, held_y in rounds.each():
        fits.append(kind(x, y, precise=False))
        held.append((held_x, held_y))
    trivial = [fit.loss(fit.trivial, *some) for fit, some in zip(fits, held, strict=True)]
    losses: list[list[float]] = [[] for _ in fits]
    for c in STRENGTHS:
        for fit, some, own in zip(fits, held, losses, strict=True):
            own.append(fit.loss(fit.fit(c), *some))
        if is_settled(losses, trivial):
            break
    tried = STRENGTHS[: len(losses[0])]
    choice = choose("C", tried, losses, trivial, rounds.folds, loss="log loss", ends=(STRENGTHS[0], STRENGTHS[-1]))
    final = rounds.final()
    best = kind(final.x, final.y, precise=True)
    known = best.known if isinstance(best, _Classes) else None
    return LinearProbe(map=best.fit(choice.value), known=known, final=final, choice=choice)


class _Classes:
    """One class a sample. Two classes have one output in the fit, as in scikit-learn, and two opposite logits."""

    def __init__(self, x: Array, y: Array, *, precise: bool) -> None:
        self.known, numbers = np.unique(y, return_inverse=True)
        two = len(self.known) == 2
        target = numbers[:, None] if two else np.eye(len(self.known))[numbers]
        self._path = LogisticPath(x, target, sigmoid_loss if two else softmax_loss, precise=precise)
        self.trivial = self._of_classes(self._path.trivial)

    def fit(self, c: float) -> LinearMap:
        return self._of_classes(self._path.fit(c))

    def _of_classes(self, found: LinearMap) -> LinearMap:
        if len(self.known) != 2:
            return found
        halves = found.weights / 2, found.bias / 2
        return LinearMap(*(np.concatenate([-half, half], axis=-1) for half in halves))

    def loss(self, found: LinearMap, x: Array, y: Array) -> float:
        """Return the mean log loss of samples, all of known classes."""
        from scipy.special import log_softmax

        return -float(log_softmax(found(x), axis=1)[np.arange(len(y)), np.searchsorted(self.known, y)].mean())


class _Labels:
    """Several labels a sample; those that all samples have or none has are as likely as the next, by Laplace's rule."""

    def __init__(self, x: Array, y: Array, *, precise: bool) -> None:
        self._varies = y.any(axis=0) & ~y.all(axis=0)
        self._constant = np.log(len(y) + 1) * np.where(y.all(axis=0), 1.0, -1.0)
        self._path = LogisticPath(x, y[:, self._varies], sigmoid_loss, precise=precise)
        self.trivial = self._of_labels(self._path.trivial)

    def fit(self, c: float) -> LinearMap:
        return self._of_labels(self._path.fit(c))

    def _of_labels(self, found: LinearMap) -> LinearMap:
        weights, bias = np.zeros((len(found.weights), len(self._constant))), self._constant.copy()
        weights[:, self._varies], bias[self._varies] = found.weights, found.bias
        return LinearMap(weights, bias)

    def loss(self, found: LinearMap, x: Array, y: Array) -> float:
        """Return the mean log loss over samples and labels."""
        return sigmoid_loss(found(x), y)[0] / y.size
