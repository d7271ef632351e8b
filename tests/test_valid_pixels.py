"""An encoder that asks for it is told which values were measured, in its own bands, frames and pixels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from gairbench import ANY, DatasetSpec, ImageInput, Modality, Preset, Unit
from gairbench.data import ArraySplit, Sample
from gairbench.digests import digest, plain
from gairbench.embedding import read_samples
from gairbench.errors import DataError, InputMismatchError
from gairbench.feeding import Feed, plan_feed
from gairbench.inputs import Input, Rendering
from gairbench.valid_pixels import Kernel, mask_at_size, mask_tensor

RS = Modality.RS
S2 = ImageInput(modality=RS, bands=("B2", "B3", "B4", "B8"), unit=Unit.S2_DN, size=4, gsd_m=10.0)
DATA = replace(S2, masked=True)


def feed(preset: Preset, *delivers: Input) -> Feed:
    return plan_feed("model", preset, DatasetSpec(name="d", version=1, factory="a:b", delivers=delivers), "rs")


def asking(**more: Any) -> Preset:
    return Preset(name="asking", inputs=(replace(S2, **more),), needs=frozenset({"mask"}))


def sample(mask: Tensor, image: Tensor | None = None) -> Sample:
    return {"image": torch.ones(mask.shape) if image is None else image, "mask": mask}


def holes(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) > 0.3


def mask_of(planned: Feed, *samples: Sample, name: str = "rs") -> Tensor:
    image = planned.batch(samples).images[name]
    assert image.mask is not None
    assert image.mask.dtype == torch.bool
    assert image.mask.shape == image.values.shape
    return image.mask


# --- resizing ---------------------------------------------------------------------------------------------------------


def resized(values: Tensor, size: tuple[int, int], kernel: Kernel, antialias: bool) -> Tensor:
    return functional.interpolate(values, size=size, mode=kernel, antialias=antialias, align_corners=False)


def weights(length: int, count: int, kernel: Kernel, antialias: bool) -> Tensor:
    """What each pixel along an axis (first index) takes of each pixel of the image, by torch itself."""
    return resized(torch.eye(length, dtype=torch.float64)[None, None], (count, length), kernel, antialias)[0, 0]


SIDES = st.integers(1, 14)


@settings(deadline=None, max_examples=150)
@example(height=3, width=2, rows=2, columns=1, kernel="bilinear", antialias=True, seed=0)
@given(SIDES, SIDES, SIDES, SIDES, st.sampled_from(["bilinear", "bicubic"]), st.booleans(), st.integers(0, 9))
def test_a_resized_pixel_is_valid_if_nothing_missing_has_a_part_in_it(
    height: int, width: int, rows: int, columns: int, kernel: Kernel, antialias: bool, seed: int
) -> None:
    mask = holes(2, 3, height, width, seed=seed)
    found = mask_at_size(mask, (rows, columns), kernel, antialias=antialias)
    down = weights(height, rows, kernel, antialias).abs() > 1e-12
    across = weights(width, columns, kernel, antialias).abs() > 1e-12
    mixed = torch.einsum("ry,cx,bkyx->bkrc", down.double(), across.double(), (~mask).double()) > 0
    if kernel == "bilinear" or not antialias:
        assert torch.equal(found, ~mixed)
    else:
        # A kernel that is drawn out is zero at some pixels within its reach, too.
        assert not (found & mixed).any()
    if antialias and columns == 1:
        return  # torch gives all rows of a result with one column what the first one is made of
    values = torch.rand(2, 3, height, width, dtype=torch.float64)
    other = torch.where(mask, values, 1e6)
    ours, theirs = (resized(images, (rows, columns), kernel, antialias) for images in (values, other))
    assert torch.allclose(ours[found], theirs[found], atol=1e-6)


@pytest.mark.parametrize(("kernel", "reach"), [("bilinear", 1), ("bicubic", 2)])
def test_holes_of_enlarged_images_grow_by_the_reach_of_the_kernel(kernel: Kernel, reach: int) -> None:
    mask = torch.ones(1, 1, 1, 20, dtype=torch.bool)
    mask[..., 10] = False
    found = mask_at_size(mask, (4, 80), kernel, antialias=True)[0, 0, 0]
    missing = (~found).nonzero()[:, 0]
    # Four pixels are one of the image; its centre is between the second and the third.
    centre = (missing + 0.5) / 4 - 0.5
    assert len(missing) == 8 * reach
    assert ((centre - 10).abs() < reach).all()


def test_a_mask_is_resized_and_cut_as_its_image_is() -> None:
    mask = torch.ones(4, 16, 16, dtype=torch.bool)
    mask[:, 4:6, 8:10] = False
    # 16 pixels of 10 m are 8 of 20 m, and the encoder takes the middle 4 of them.
    cut = asking(gsd_m=20.0, resampling="gsd", interpolation="bilinear")
    found = mask_of(feed(cut, replace(DATA, size=16)), sample(mask))
    expected = torch.ones(4, 4, dtype=torch.bool)
    # The hole is one pixel of the result, and the low-pass takes something of it into each neighbour.
    expected[:2, 1:] = False
    assert found[0].tolist() == [expected.tolist()] * 4
    whole = mask_of(feed(asking(interpolation="bilinear"), replace(DATA, size=16)), sample(mask))
    assert (~whole[0, 0]).nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    without = mask_of(feed(asking(interpolation="bilinear", antialias=False), replace(DATA, size=16)), sample(mask))
    # Without a low-pass only the two pixels around a centre count: here 5 and 6, and 9 and 10.
    assert (~without[0, 0]).nonzero().tolist() == [[1, 2]]


# --- bands and frames -------------------------------------------------------------------------------------------------


def test_bands_of_a_mask_follow_those_of_the_image() -> None:
    mask = holes(4, 4, 4)
    found = mask_of(feed(asking(bands=("B8", "B2")), DATA), sample(mask))
    assert torch.equal(found[0], mask[[3, 0]])
    any_bands = Preset(name="x", inputs=(ImageInput(modality=RS, bands=ANY, unit=None),), needs=frozenset({"mask"}))
    assert torch.equal(mask_of(feed(any_bands, DATA), sample(mask))[0], mask)
    shown = replace(DATA, rendering=Rendering(bands=("B4", "B3", "B2"), low=0, high=3000))
    picture = asking(bands=("red", "green", "blue"), unit=Unit.UINT8)
    assert torch.equal(mask_of(feed(picture, shown), sample(mask))[0], mask[[2, 1, 0]])


def test_one_band_of_a_mask_stands_for_all() -> None:
    one, each = holes(1, 4, 4, seed=1), holes(4, 4, 4, seed=2)
    image = torch.ones(4, 4, 4)
    found = mask_of(feed(asking(), DATA), sample(one, image), sample(each, image))
    assert torch.equal(found[0], one.expand(4, 4, 4))
    assert torch.equal(found[1], each)


def test_bands_and_images_that_the_data_lack_have_no_valid_pixel() -> None:
    data = replace(DATA, bands=("B3", "B4", "B8"))
    found = mask_of(feed(asking(missing="zero"), data), sample(torch.ones(3, 4, 4, dtype=torch.bool)))
    assert found[0].flatten(1).all(dim=1).tolist() == [False, True, True, True]
    assert not found[0, 0].any()
    assert mask_of(feed(asking(missing="drop"), data), sample(holes(3, 4, 4))).shape == (1, 3, 4, 4)
    s1 = ImageInput(modality=RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=4, missing="zero")
    joint = replace(asking(), inputs=(S2, s1), accepts=(("rs", "s1"),))
    planned, there = feed(joint, DATA), sample(torch.ones(4, 4, 4, dtype=torch.bool))
    assert mask_of(planned, there).all()
    assert not mask_of(planned, there, name="s1").any()


def series(frames: Any = (1, 12), **more: Any) -> ImageInput:
    return replace(DATA, frames=frames, **more)


def test_frames_that_pad_a_shorter_series_are_not_valid() -> None:
    long, short = holes(3, 4, 4, 4, seed=1), holes(1, 4, 4, 4, seed=2)
    found = mask_of(feed(asking(frames=(1, 24)), series()), sample(short), sample(long))
    assert torch.equal(found[0, 0], short[0])
    assert not found[0, 1:].any()
    assert torch.equal(found[1], long)


def test_frames_that_are_left_out_are_left_out_of_the_mask() -> None:
    mask = holes(12, 4, 4, 4)
    found = mask_of(feed(asking(frames=(1, 5), surplus_frames="even"), series()), sample(mask))
    assert torch.equal(found[0], mask[[0, 3, 6, 8, 11]])


def test_single_images_and_series_of_one_frame_have_one_mask() -> None:
    mask = holes(4, 4, 4)
    assert torch.equal(mask_of(feed(asking(frames=(1, 24)), DATA), sample(mask))[0], mask[None])
    assert torch.equal(mask_of(feed(asking(), series(1)), sample(mask[None]))[0], mask)


def test_values_without_a_grid_have_a_mask_without_one() -> None:
    pixels = feed(asking(frames=(1, 24), size=1), series(size=1))
    mask = torch.tensor([[True, False, True, True], [False] * 4])
    assert mask_of(pixels, sample(mask))[0, :, :, 0, 0].tolist() == mask.tolist()
    one = torch.tensor([[True], [False]])
    assert mask_of(pixels, sample(one, torch.ones(2, 4)))[0, :, :, 0, 0].tolist() == [[True] * 4, [False] * 4]


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(6)), st.integers(1, 6))
def test_the_order_of_samples_and_the_size_of_batches_change_nothing(order: list[int], size: int) -> None:
    lengths = [1, 4, 2, 4, 3, 2]
    samples = [sample(holes(n, 1 if n == 4 else 4, 9, 9, seed=n), torch.rand(n, 4, 9, 9)) for n in lengths]
    planned = feed(asking(frames=(1, 24)), series(size=9))
    alone = [mask_of(planned, one)[0] for one in samples]
    for start in range(0, 6, size):
        chosen = order[start : start + size]
        found = mask_of(planned, *(samples[i] for i in chosen))
        for row, i in enumerate(chosen):
            assert torch.equal(found[row, : lengths[i]], alone[i])
            assert not found[row, lengths[i] :].any()


# --- who is given one -------------------------------------------------------------------------------------------------


def test_a_model_that_needs_a_mask_is_refused_where_the_data_have_none() -> None:
    with pytest.raises(InputMismatchError, match="needs to know which pixels of rs are missing") as caught:
        feed(asking(), S2)
    assert caught.value.hint == "deliver 'mask', and declare masked=True"


def test_a_mask_that_is_only_wanted_is_none_where_the_data_have_none() -> None:
    wanting = replace(asking(), needs=frozenset(), wants=frozenset({"mask"}))
    image = feed(wanting, S2).batch([{"image": torch.ones(4, 4, 4)}]).images["rs"]
    assert image.mask is None
    mask = holes(4, 4, 4)
    assert torch.equal(mask_of(feed(wanting, DATA), sample(mask))[0], mask)


def test_who_does_not_ask_is_given_none_and_has_the_same_key() -> None:
    silent = replace(asking(), needs=frozenset())
    planned = feed(silent, DATA)
    assert planned.batch([sample(holes(4, 4, 4))]).images["rs"].mask is None
    assert planned == feed(silent, S2)
    assert "masked" not in str(plain(planned))
    assert digest(feed=plain(planned)) == digest(feed=plain(feed(silent, S2)))


def test_masks_that_nobody_is_given_are_not_kept_until_their_batch_is_due() -> None:
    arrays = {"image": np.ones((2, 4, 4, 4)), "mask": holes(2, 4, 4, 4).numpy(), "street_view": np.ones(2)}
    split = ArraySplit(["a", "b"], arrays, {})
    silent = feed(replace(asking(), needs=frozenset()), DATA)
    assert [one.keys() for one in read_samples(split, [0, 1], [silent])] == [{"image"}] * 2
    (both,) = read_samples(split, [1], [silent, feed(asking(), DATA)])
    assert both.keys() == {"image", "mask"}
    assert torch.equal(both["mask"], holes(2, 4, 4, 4)[1])


def test_the_key_of_who_wants_a_mask_says_whether_there_is_one() -> None:
    wanting = replace(asking(), needs=frozenset(), wants=frozenset({"mask"}))
    assert digest(feed=plain(feed(wanting, DATA))) != digest(feed=plain(feed(wanting, S2)))


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({}, "a sample has no 'mask', and 'rs' is declared masked"),
        ({"mask": torch.ones(4, 4, 4)}, r"'mask' of a sample is torch\.float32, wanted bool"),
        ({"mask": torch.ones(4, 4, dtype=torch.bool)}, r"has shape \(4, 4\), and the image \(4, 4, 4\)"),
        ({"mask": torch.ones(2, 4, 4, dtype=torch.bool)}, r"has shape \(2, 4, 4\), and the image \(4, 4, 4\)"),
        ({"mask": torch.ones(4, 1, 4, dtype=torch.bool)}, r"has shape \(4, 1, 4\), and the image \(4, 4, 4\)"),
    ],
)
def test_a_mask_of_another_type_or_shape_is_refused(held: dict[str, Tensor], why: str) -> None:
    with pytest.raises(DataError, match=why):
        feed(asking(), DATA).batch([{"image": torch.ones(4, 4, 4), **held}])


def test_a_mask_of_an_image_that_is_whole_takes_no_memory() -> None:
    whole = mask_tensor(None, (3, 5, 5))
    assert (whole.shape, bool(whole.all()), whole.untyped_storage().nbytes()) == ((3, 5, 5), True, 1)
    some = np.ones((3, 5, 5), dtype=bool)
    some[1, 2, 3] = False
    assert np.array_equal(mask_tensor(some, some.shape).numpy(), some)
