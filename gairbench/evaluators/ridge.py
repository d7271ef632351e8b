"""Ridge regression on frozen features."""

from __future__ import annotations

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput

STRENGTHS = tuple(10.0**e for e in np.arange(-2, 6.5, 0.5))
"""L2 strengths tried."""


def ridge(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit on train for every strength, keep the one with the least squared error on val.

    Validation rather than leave-one-out: on spatial splits the left-out sample has neighbours in train, which would
    choose too weak a regularization.
    """
    from sklearn.linear_model import Ridge

    x, y = data.features["train"], data.targets["train"]
    best, best_error, best_alpha = None, np.inf, None
    for alpha in STRENGTHS:
        model = Ridge(alpha=alpha, solver="cholesky").fit(x, y)
        error = float(np.mean((model.predict(data.features["val"]) - data.targets["val"]) ** 2))
        if error < best_error:
            best, best_error, best_alpha = model, error, alpha
    assert best is not None  # noqa: S101  (STRENGTHS is not empty and errors are finite)
    return EvaluatorOutput(
        prediction=best.predict(data.features["test"]), params={"alpha": float(best_alpha or 0), "val_mse": best_error}
    )
