"""Nearest neighbours on frozen features: no training, so it judges the embedding space as it is."""

from __future__ import annotations

import numpy as np

from gairbench.evaluators import ProbeInput, ProbeOutput, probe
from gairbench.spec import Kind

NEIGHBOURS = (1, 5, 10, 20, 50)
"""Numbers of neighbours tried."""


@probe("knn", version=1, kinds={Kind.CLASSIFICATION})
def knn(data: ProbeInput) -> ProbeOutput:
    """Vote among the nearest train samples by cosine distance, weighted by it; k is chosen on val."""
    from sklearn.neighbors import KNeighborsClassifier

    x, y = data.features["train"], data.targets["train"]
    candidates = [k for k in NEIGHBOURS if k <= len(x)]
    models = [KNeighborsClassifier(k, metric="cosine", algorithm="brute", weights="distance") for k in candidates]
    scores = [float(model.fit(x, y).score(data.features["val"], data.targets["val"])) for model in models]
    best = int(np.argmax(scores))
    prediction = models[best].predict(data.features["test"]).astype(np.int64)
    return ProbeOutput(prediction=prediction, params={"k": candidates[best], "val_score": scores[best]})
