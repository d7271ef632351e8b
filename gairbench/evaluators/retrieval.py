"""Cross-modal retrieval in a shared embedding space: nothing is trained."""

from __future__ import annotations

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput


def retrieval(data: EvaluatorInput) -> EvaluatorOutput:
    """Rank the gallery by cosine similarity to each query and report the rank of its own item, 1 is best.

    Items as similar as the true one count half, so that a model whose embeddings are all alike ranks at chance.
    """
    from sklearn.preprocessing import normalize

    query, gallery = normalize(data.features["query"]), normalize(data.features["gallery"])
    ranks = np.empty(len(query))
    # A thousand queries at a time bound the similarity matrix for galleries of a hundred thousand.
    for start in range(0, len(query), 1000):
        rows = np.arange(start, min(start + 1000, len(query)))
        similarity = query[rows] @ gallery.T
        true = similarity[np.arange(len(rows)), rows][:, None]
        ranks[rows] = 1 + (similarity > true).sum(axis=1) + ((similarity == true).sum(axis=1) - 1) / 2
    return EvaluatorOutput(prediction=ranks, params={"gallery": len(gallery)})
