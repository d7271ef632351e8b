"""Ridge regression on frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gairbench.choosing import Choice, Final, Folds, as_columns, beside_each_other, choose_each, vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.principal_axes import Axes
from gairbench.metrics import Array

STRENGTHS = tuple(10.0 ** (half / 2) for half in range(20, -9, -1))
"""L2 strengths alpha tried, in descending order."""


def ridge(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit for every strength in every round, take the one with the least squared error, and fit it once more.

    Held-out groups or val rather than leave-one-out: on spatial splits the left-out sample has neighbours among the
    others, which would choose too weak a regularization. Of several measurements a sample each has a strength of its
    own, as if it were learned alone: they may be in different units, and need not be alike in how well they can be
    predicted.
    """
    from sklearn.linear_model import Ridge

    final, choices = choose_ridge(data)
    alpha = np.array([choice.value for choice in choices])
    model = Ridge(alpha=alpha if final.y.ndim == 2 else alpha[0], solver="cholesky").fit(final.x, final.y)
    caveats = dict.fromkeys(caveat for choice in choices for caveat in choice.caveats)
    return EvaluatorOutput(
        prediction=model.predict(final.test),
        params=choices[0].params if final.y.ndim == 1 else beside_each_other(choices),
        caveats=tuple(caveats),
    )


def choose_ridge(data: EvaluatorInput) -> tuple[Final, list[Choice]]:
    """Return what is to be fitted and the strength of each measurement."""
    rounds = vector_rounds(data)
    losses, trivial = [], []
    for x, y, held_x, held_y in rounds.each():
        losses.append(_errors(x, as_columns(y), held_x, as_columns(held_y)))
        trivial.append(((as_columns(held_y) - as_columns(y).mean(axis=0)) ** 2).mean(axis=0))
    return rounds.final(), choose_strengths(np.array(losses), np.array(trivial), rounds.folds, data.class_names)


def choose_strengths(losses: Array, trivial: Array, folds: Folds, names: Sequence[str] = ()) -> list[Choice]:
    """Return the choice of each measurement among :data:`STRENGTHS`.

    Args:
        losses: ``(rounds, strengths, measurements)`` squared errors.
        trivial: ``(rounds, measurements)``: those of the mean.
        folds: The rounds.
        names: Of the measurements, where there are several.
    """
    ends = (STRENGTHS[0], STRENGTHS[-1])
    return choose_each("alpha", STRENGTHS, losses, trivial, folds, loss="squared error", ends=ends, names=names)


def _errors(x: Array, y: Array, held_x: Array, held_y: Array) -> Array:
    """Return the mean squared error of each strength and measurement, ``(strengths, measurements)``."""
    axes, mean = Axes(x), y.mean(axis=0)
    moments, along = axes.features.T @ (y - mean), held_x @ axes.vectors
    return np.array(
        [
            ((along @ (moments / (axes.squares[:, None] + alpha)) + mean - held_y) ** 2).mean(axis=0)
            for alpha in STRENGTHS
        ]
    )
