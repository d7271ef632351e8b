"""Multinomial logistic regression on frozen features, the field's linear probe."""

from __future__ import annotations

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.metrics import Array

STRENGTHS = tuple(10.0**e for e in range(-5, 2))
"""Inverse L2 strengths C tried, in ascending order."""


def linear(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit on train for every C, keep the one that is best on val (the smallest of equals).

    Classification scores val by accuracy; so do ordered classes, whose order is ignored. Multi-label fits one binary
    regression per class with a common C and scores val by micro F1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.multiclass import OneVsRestClassifier

    x, y = data.features["train"], data.targets["train"]
    multilabel = y.ndim == 2
    best: tuple[Array, Array] | None = None
    best_score, best_c = -np.inf, None
    # Each fit starts from the last: neighbouring C have neighbouring solutions.
    base = LogisticRegression(solver="newton-cg", max_iter=200, warm_start=not multilabel)
    for c in STRENGTHS:
        base.set_params(C=c)
        model = OneVsRestClassifier(base) if multilabel else base
        model.fit(x, y)
        guess = model.predict(data.features["val"])
        truth = data.targets["val"]
        score = f1_score(truth, guess, average="micro", zero_division=0) if multilabel else np.mean(truth == guess)
        if score > best_score:
            test = data.features["test"]
            best, best_score, best_c = (model.predict(test), model.predict_proba(test)), score, c
    assert best is not None  # noqa: S101  (STRENGTHS is not empty)
    prediction, probabilities = best
    if not multilabel:
        # A class that train lacks has a column, too: it is never expected.
        columns = np.zeros((len(prediction), data.classes))
        columns[:, np.unique(y)] = probabilities
        probabilities = columns
    return EvaluatorOutput(
        prediction=prediction.astype(bool if multilabel else np.int64),
        scores=probabilities,
        scores_are="probabilities",
        params={"C": best_c, "val_score": float(best_score)},
    )
