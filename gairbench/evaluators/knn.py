"""Nearest neighbours on frozen features: no training, so it judges the embedding space as it is."""

from __future__ import annotations

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput

NEIGHBOURS = (1, 5, 10, 20, 50)
"""Numbers of neighbours tried."""


def knn(data: EvaluatorInput) -> EvaluatorOutput:
    """Vote among the nearest train samples by cosine distance, weighted by it; k is chosen on val.

    The scores are the weighted shares of the votes.
    """
    from sklearn.neighbors import KNeighborsClassifier

    x, y = data.features["train"], data.targets["train"]
    candidates = [k for k in NEIGHBOURS if k <= len(x)]
    models = [KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights="distance") for k in candidates]
    scores = [float(model.fit(x, y).score(data.features["val"], data.targets["val"])) for model in models]
    best = int(np.argmax(scores))
    prediction = models[best].predict(data.features["test"]).astype(np.int64)
    shares = np.zeros((len(prediction), data.classes))
    shares[:, models[best].classes_] = models[best].predict_proba(data.features["test"])
    return EvaluatorOutput(
        prediction=prediction,
        scores=shares,
        scores_are="probabilities",
        params={"k": candidates[best], "val_score": scores[best]},
    )
