"""Ridge regression on frozen features."""

from __future__ import annotations

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.metrics import Array

STRENGTHS = tuple(10.0**e for e in np.arange(-2, 6.5, 0.5))
"""L2 strengths tried."""


def ridge(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit on train for every strength, keep the one with the least squared error on val.

    Validation rather than leave-one-out: on spatial splits the left-out sample has neighbours in train, which would
    choose too weak a regularization. Of several measurements a sample each has a strength of its own, as if it were
    learned alone: they may be in different units, and need not be alike in how well they can be predicted.
    """
    from sklearn.linear_model import Ridge

    x, y = data.features["train"], data.targets["train"]
    prediction: Array = np.zeros((len(data.features["test"]), *y.shape[1:]))
    least, chosen = np.full(y.shape[1:], np.inf), np.zeros(y.shape[1:])
    for alpha in STRENGTHS:
        model = Ridge(alpha=alpha, solver="cholesky").fit(x, y)
        error = np.mean((model.predict(data.features["val"]) - data.targets["val"]) ** 2, axis=0)
        better = error < least
        prediction = np.where(better, model.predict(data.features["test"]), prediction)
        least, chosen = np.where(better, error, least), np.where(better, alpha, chosen)
    assert np.isfinite(least).all()  # noqa: S101  (STRENGTHS is not empty and errors are finite)
    return EvaluatorOutput(prediction=prediction, params={"alpha": chosen.tolist(), "val_mse": least.tolist()})
