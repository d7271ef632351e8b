"""Interpolation between places: what is known of a place from its neighbours, without any model.

A location encoder that does not do better than it has learned no more than that near places are alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gairbench.choosing import vector_rounds
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.neighbours import Nearness, by_neighbours

NEAR = Nearness(metric="haversine", algorithm="ball_tree", power=2)


def interpolation(data: EvaluatorInput) -> EvaluatorOutput:
    """Weight the nearest samples by the inverse square of their great-circle distance (Shepard 1968).

    The number of neighbours is chosen (:func:`gairbench.evaluators.neighbours.by_neighbours`); with one it is the
    nearest neighbour. The features are not looked at: every model has the same number.

    Source: https://doi.org/10.1145/800186.810616.
    """
    # As scikit-learn's distance has them: latitude first, in radians.
    places = {split: np.radians(lonlat[:, ::-1]) for split, lonlat in data.lonlat.items()}
    return by_neighbours(data, vector_rounds(replace(data, features=places), standardize=False), NEAR)
