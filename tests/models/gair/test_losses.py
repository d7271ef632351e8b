"""The contrastive objectives and the coordinate queue."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from gairbench.pretraining.objective import info_nce
from gairbench_models.gair.config import ContrastiveConfig, DistillationConfig, SeclForm
from gairbench_models.gair.losses import CoordinateQueue, at_the_same_place, distillation_loss, gair_losses, queue_nce


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


def test_what_is_at_the_same_place_is_not_a_negative() -> None:
    places = torch.tensor([[10.0, 50.0], [20.0, 5.0], [10.0, 50.0]])
    queued = torch.tensor([[20.0, 5.0], [-1.0, 0.0]])
    alike = at_the_same_place(places.double(), places.double(), queued)
    assert alike.tolist() == [
        [True, False, True, False, False],
        [False, True, False, True, False],
        [True, False, True, False, False],
    ]


@pytest.mark.parametrize("secl_form", ["symmetric", "queue"])
def test_loss_with_repeated_places_is_that_without_the_repetitions(secl_form: SeclForm) -> None:
    # Not at random: of vectors that point away from each other one more negative is lost in rounding.
    first, second = torch.tensor([[1.0, 0.5, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.5, 0.0]])
    past = torch.eye(4)[:3]
    # The queue holds the place of the batch, too: encoded alike, it would be the hardest negative of itself.
    queue = torch.cat([second, past])
    places = torch.tensor([[10.0, 50.0]])
    queued = torch.cat([places, -torch.ones(3, 2)])
    alike = at_the_same_place(places, places, queued)
    found = gair_losses(first, first, second, queue, 0.07, secl_form=secl_form, alike=alike)
    torch.testing.assert_close(dict(found), dict(gair_losses(first, first, second, past, 0.07, secl_form=secl_form)))
    assert gair_losses(first, first, second, queue, 0.07, secl_form=secl_form)["secl"] > found["secl"]


def test_two_photos_of_one_place_do_not_repel_each_other() -> None:
    aligned = torch.eye(3)[[0, 0, 1]]
    places = torch.tensor([[10.0, 50.0], [10.0, 50.0], [20.0, 5.0]])
    alike = at_the_same_place(places, places, places[:0])
    apart = gair_losses(aligned, aligned, aligned, aligned[:0], 0.07, alike=alike)
    assert apart["incl"].item() < 1e-5
    assert apart["secl"].item() < 1e-5
    together = gair_losses(aligned, aligned, aligned, aligned[:0], 0.07)
    assert together["incl"].item() == pytest.approx(math.log(2) * 2 / 3, abs=1e-4)


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


def test_the_authors_secl_equals_a_sum_written_out_by_hand() -> None:
    image = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    location = torch.tensor([[1.0, 1.0], [0.0, 0.5]])
    past = torch.tensor([[4.0, 0.0], [0.0, -1.0], [-1.0, 1.0]])
    half, tau = math.sqrt(0.5), 0.5
    # Of the normalised rows: each with its own location, then with the queue; the batch's other location is not there.
    similarity = [[half, 1.0, 0.0, -half], [1.0, 0.0, -1.0, half]]
    expected = [-math.log(math.exp(row[0] / tau) / sum(math.exp(s / tau) for s in row)) for row in similarity]
    assert queue_nce(image, location, past, tau).item() == pytest.approx(sum(expected) / 2, rel=1e-6)


def test_the_authors_secl_counts_half_and_only_with_the_queue() -> None:
    localized, street_view, location, past = (torch.randn(6, 4) for _ in range(4))
    loss = gair_losses(localized, street_view, location, past, 0.07, secl_form="queue")
    terms = [queue_nce(side, location, past, 0.07) for side in (street_view, localized)]
    torch.testing.assert_close(loss["secl"], torch.stack(terms).sum() / 2)
    torch.testing.assert_close(loss["incl"], info_nce(localized, street_view, 0.07))
    with pytest.raises(ValueError, match="the queue alone, and there is none"):
        gair_losses(localized, street_view, location, None, 0.07, secl_form="queue")
    with pytest.raises(ValueError, match="holds 0 coordinates"):
        ContrastiveConfig(secl_form="queue", queue_size=0)


def test_distillation_is_minus_the_mean_cosine() -> None:
    student = torch.tensor([[3.0, 0.0], [1.0, 1.0]])
    teacher = torch.tensor([[0.0, 9.0], [2.0, 0.0]])
    assert distillation_loss(student, teacher).item() == pytest.approx(-math.sqrt(0.5) / 2)


def test_the_authors_loss_agrees_with_their_code(shared: Path) -> None:
    with np.load(shared / "parity" / "gair_authors_loss_reference.npz") as file:
        given = {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}
    queue = given["queue_location"]
    for side, name in (("sv_projected", "secl_sv"), ("rs", "secl_rs")):
        torch.testing.assert_close(queue_nce(given[side], given["location"], queue, 0.07), given[name])
    parts = gair_losses(given["rs"], given["sv_projected"], given["location"], queue, 0.07, secl_form="queue")
    torch.testing.assert_close(parts["incl"], (given["incl_sv"] + given["incl_rs"]) / 2)
    contrastive = parts["incl"] + parts["secl"]
    torch.testing.assert_close(contrastive, given["contrastive"])
    pairs = (("sv_pooled", "sv_teacher"), ("rs_mean", "rs_teacher"))
    terms = [distillation_loss(given[student], given[teacher]) for student, teacher in pairs]
    distillation = DistillationConfig().weight * torch.stack(terms).sum()
    torch.testing.assert_close(distillation, given["distillation"])
    torch.testing.assert_close(contrastive + distillation, given["total"])


def test_the_authors_queue_starts_full_of_unit_vectors_that_make_way() -> None:
    queue = CoordinateQueue(5, start=torch.Generator().manual_seed(0))
    assert queue.stored().shape == (5, 2)
    torch.testing.assert_close(queue.stored().norm(dim=1), torch.ones(5))
    again = CoordinateQueue(5, start=torch.Generator().manual_seed(0)).stored()
    assert torch.equal(queue.stored(), again)
    queue.push(torch.full((5, 2), 50.0))
    assert torch.equal(queue.stored(), torch.full((5, 2), 50.0))
    assert len(CoordinateQueue(5).stored()) == 0
