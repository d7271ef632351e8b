"""Nearest neighbours on frozen features: no training, so it judges the embedding space as it is."""

from __future__ import annotations

from gairbench.choosing import vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.neighbours import Nearness, by_neighbours

SIMILAR = Nearness(metric="cosine", algorithm="brute")


def knn(data: EvaluatorInput) -> EvaluatorOutput:
    """Vote among the nearest samples by cosine distance, weighted by it, or average their measurements.

    The number of neighbours is chosen (:func:`gairbench.evaluators.neighbours.by_neighbours`). The scores are the
    weighted shares of the votes.
    """
    return by_neighbours(data, vector_rounds(data), SIMILAR)
