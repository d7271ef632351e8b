"""Numbers that say whether embeddings say anything."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench.inspection.health import MOST, effective_rank, health_of
from gairbench.inspection.suspicions import suspicious_embedding


def test_independent_directions_have_full_rank_and_no_common_direction() -> None:
    vectors = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    found = health_of(vectors)
    assert found.distinct == 500
    assert found.constant == 0
    assert found.effective_rank == pytest.approx(8, abs=0.1)
    assert found.most_rank == 8
    assert abs(found.mean_cosine) < 0.02
    assert suspicious_embedding("rs", 500, 500, found) == []


def test_mean_cosine_is_that_of_all_pairs() -> None:
    vectors = np.random.default_rng(1).normal(1, 1, size=(20, 3)).astype(np.float32)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = (units @ units.T)[~np.eye(20, dtype=bool)]
    assert health_of(vectors).mean_cosine == pytest.approx(float(pairs.mean()), abs=1e-6)
    assert health_of(vectors).mean_norm == pytest.approx(float(np.linalg.norm(vectors, axis=1).mean()))


def test_directions_that_are_used_less_count_less() -> None:
    line = np.outer(np.linspace(-1, 1, 50), [1.0, 2.0, 3.0])
    assert effective_rank(line) == pytest.approx(1)
    assert effective_rank(np.full((9, 4), 0.1)) == 0


def test_tokens_are_vectors_of_their_own_and_few_enough_are_compared() -> None:
    tokens = np.random.default_rng(0).normal(size=(10, 6, 20, 20)).astype(np.float32)
    found = health_of(tokens)
    assert (found.dim, found.vectors, found.distinct) == (6, MOST, 10)
    assert found.effective_rank == pytest.approx(6, abs=0.1)


def test_what_is_not_finite_is_counted_and_left_out() -> None:
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    vectors[3, 1] = np.nan
    found = health_of(vectors)
    assert found.finite == 0.9
    assert found.vectors == 9
    assert np.isfinite(found.effective_rank)
    assert suspicious_embedding("rs", 10, 10, found) == ["rs: 1 of 10 embeddings are not finite"]


def test_constant_embeddings_and_dimensions_are_suspicious() -> None:
    same = np.ones((10, 4), np.float32)
    (said,) = suspicious_embedding("rs", 10, 10, health_of(same))
    assert said == "rs: the embedding is constant: 10 different samples have one and the same"
    # Ten times the same sample has the same embedding.
    assert suspicious_embedding("rs", 10, 1, health_of(same)) == []
    mostly = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    mostly[:, 1:] = 0
    (said,) = suspicious_embedding("rs", 10, 10, health_of(mostly))
    assert said == "rs: 75% of the dimensions are the same in all embeddings"


def test_fewer_embeddings_than_samples_and_one_direction_are_suspicious() -> None:
    vectors = np.random.default_rng(0).normal(size=(10, 4)).astype(np.float32)
    vectors[1] = vectors[0]
    assert suspicious_embedding("rs", 10, 10, health_of(vectors)) == [
        "rs: 10 different samples have 9 different embeddings"
    ]
    far = np.random.default_rng(0).normal(1_000, 1, size=(10, 4)).astype(np.float32)
    (said,) = suspicious_embedding("rs", 10, 10, health_of(far))
    assert said.startswith("rs: all embeddings point nearly the same way: their mean cosine is 1.0000")
