"""The contrastive objectives and the coordinate queue."""

from __future__ import annotations

import math

import pytest
import torch

from gairbench.pretraining.objective import info_nce
from gairbench_models.gair.losses import CoordinateQueue, gair_losses


def test_info_nce_equals_a_sum_written_out_by_hand() -> None:
    left = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    right = torch.tensor([[1.0, 1.0], [0.0, 0.5]])
    half = math.sqrt(0.5)
    similarity = [[half, 0.0], [half, 1.0]]  # of the normalised rows
    tau = 0.5
    forward = sum(
        -math.log(math.exp(similarity[i][i] / tau) / sum(math.exp(s / tau) for s in similarity[i])) for i in (0, 1)
    )
    backward = sum(
        -math.log(math.exp(similarity[i][i] / tau) / sum(math.exp(similarity[j][i] / tau) for j in (0, 1)))
        for i in (0, 1)
    )
    assert info_nce(left, right, tau).item() == pytest.approx((forward + backward) / 4, rel=1e-6)


def test_extra_negatives_enter_only_the_direction_that_looks_for_them() -> None:
    left, right = torch.eye(2), torch.eye(2)
    extra = torch.tensor([[5.0, 0.0]])
    forward = (-math.log(math.e / (math.e + 1 + math.e)) - math.log(math.e / (math.e + 1 + 1))) / 2
    backward = -math.log(math.e / (math.e + 1))
    assert info_nce(left, right, 1.0, extra).item() == pytest.approx((forward + backward) / 2, rel=1e-6)


def test_info_nce_ignores_length_and_is_symmetric() -> None:
    left, right = torch.randn(8, 4), torch.randn(8, 4)
    expected = info_nce(left, right, 0.07)
    torch.testing.assert_close(info_nce(3 * left, 0.1 * right, 0.07), expected)
    torch.testing.assert_close(info_nce(right, left, 0.07), expected)


def test_unrelated_embeddings_cost_the_logarithm_of_the_batch() -> None:
    same = torch.ones(16, 4)
    assert info_nce(same, same, 0.07).item() == pytest.approx(math.log(16), rel=1e-5)


def test_incl_pairs_images_and_secl_pairs_both_with_location() -> None:
    localized, street_view, location, past = (torch.randn(6, 4) for _ in range(4))
    loss = gair_losses(localized, street_view, location, past, 0.07)
    torch.testing.assert_close(loss["incl"], info_nce(localized, street_view, 0.07))
    secl = info_nce(street_view, location, 0.07, past) + info_nce(localized, location, 0.07, past)
    torch.testing.assert_close(loss["secl"], secl)
    assert gair_losses(localized, street_view, location, past[:0], 0.07)["secl"] < loss["secl"]


def test_each_objective_can_be_switched_off() -> None:
    localized, street_view, location, past = (torch.randn(6, 4) for _ in range(4))
    assert set(gair_losses(localized, street_view, location, past, 0.07, secl=False)) == {"incl"}
    assert set(gair_losses(localized, street_view, location, past, 0.07, incl=False)) == {"secl"}


def test_two_modalities_leave_one_two_way_contrast() -> None:
    localized, street_view, location, past = (torch.randn(6, 4) for _ in range(4))
    as_satclip = gair_losses(localized, None, location, past, 0.07)
    assert set(as_satclip) == {"secl"}
    torch.testing.assert_close(as_satclip["secl"], info_nce(localized, location, 0.07, past))
    as_geoclip = gair_losses(None, street_view, location, past, 0.07)
    torch.testing.assert_close(as_geoclip["secl"], info_nce(street_view, location, 0.07, past))


def numbered(first: int, last: int) -> torch.Tensor:
    return torch.arange(first, last).float()[:, None].expand(-1, 2)


def test_queue_starts_empty_and_grows() -> None:
    queue = CoordinateQueue(5)
    assert queue.stored().shape == (0, 2)
    queue.push(numbered(0, 3))
    assert queue.stored()[:, 0].tolist() == [0, 1, 2]


def test_queue_forgets_the_oldest() -> None:
    queue = CoordinateQueue(5)
    queue.push(numbered(0, 3))
    queue.push(numbered(3, 7))
    assert sorted(queue.stored()[:, 0].tolist()) == [2, 3, 4, 5, 6]
    queue.push(numbered(7, 9))
    assert sorted(queue.stored()[:, 0].tolist()) == [4, 5, 6, 7, 8]


def test_queue_keeps_the_newest_of_a_batch_larger_than_itself() -> None:
    queue = CoordinateQueue(3)
    queue.push(numbered(0, 10))
    assert sorted(queue.stored()[:, 0].tolist()) == [7, 8, 9]


def test_queue_of_size_zero_stays_empty() -> None:
    queue = CoordinateQueue(0)
    queue.push(numbered(0, 4))
    assert queue.stored().shape == (0, 2)


def test_queue_survives_a_checkpoint() -> None:
    queue, other = CoordinateQueue(4), CoordinateQueue(4)
    queue.push(numbered(0, 6))
    other.load_state_dict(queue.state_dict())
    other.push(numbered(6, 7))
    assert sorted(other.stored()[:, 0].tolist()) == [3, 4, 5, 6]
