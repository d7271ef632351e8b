"""What is logged about embeddings means what it says."""

from __future__ import annotations

import math

import pytest
import torch

from gairbench.pretraining.monitoring import alignment, directional_spread, uniformity
from gairbench.pretraining.objective import retrieval_ranks


def test_spread_is_one_for_independent_directions_and_zero_for_one() -> None:
    torch.manual_seed(0)
    assert float(directional_spread(torch.randn(4000, 32))) == pytest.approx(1, abs=0.02)
    assert float(directional_spread(torch.ones(10, 8) * torch.arange(1, 11)[:, None])) == pytest.approx(0, abs=1e-6)


def test_alignment_is_the_mean_squared_distance_of_normalized_pairs() -> None:
    left = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    assert float(alignment(left, 3 * left)) == pytest.approx(0, abs=1e-6)
    assert float(alignment(left, -left)) == pytest.approx(4)
    assert float(alignment(left, left.flip(0))) == pytest.approx(2)


def test_uniformity_falls_from_zero_as_directions_spread() -> None:
    assert float(uniformity(torch.ones(5, 3))) == pytest.approx(0, abs=1e-6)
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert float(uniformity(opposite)) == pytest.approx(math.log(math.exp(-2 * 4)))


def test_ranks_count_how_many_are_at_least_as_near() -> None:
    queries = torch.eye(3)
    gallery = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.1, 1.0], [0.0, 1.0, 0.1]])
    assert retrieval_ranks(queries, gallery).tolist() == [1, 2, 2]


def test_a_collapsed_gallery_retrieves_nothing() -> None:
    assert retrieval_ranks(torch.randn(4, 3), torch.ones(4, 3)).tolist() == [4, 4, 4, 4]
