"""An encoder that asks for it is told which values were measured, in its own bands, frames and pixels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gairbench import ANY, DatasetSpec, ImageInput, Modality, Preset, Unit
from gairbench.data import ArraySplit, Sample
from gairbench.digests import digest, plain
from gairbench.embedding import read_samples
from gairbench.errors import DataError, InputMismatchError
from gairbench.feeding import Feed, plan_feed
from gairbench.inputs import Input, Rendering
from gairbench.valid_pixels import mask_at_size, mask_tensor

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


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(0, 9))
def test_a_resized_pixel_is_valid_if_all_pixels_are_that_it_covers(
    height: int, width: int, rows: int, columns: int, seed: int
) -> None:
    mask = holes(2, 3, height, width, seed=seed)

    def covered(length: int, count: int, i: int) -> list[int]:
        low, high = Fraction(i * length, count), Fraction((i + 1) * length, count)
        return [k for k in range(length) if max(low, k) < min(high, k + 1)]

    expected = torch.stack(
        [
            mask[:, :, covered(height, rows, i)][:, :, :, covered(width, columns, k)].all(dim=3).all(dim=2)
            for i in range(rows)
            for k in range(columns)
        ],
        dim=-1,
    ).view(2, 3, rows, columns)
    assert torch.equal(mask_at_size(mask, (rows, columns)), expected)


def test_a_mask_is_resized_and_cut_as_its_image_is() -> None:
    mask = torch.ones(4, 16, 16, dtype=torch.bool)
    mask[:, 4:6, 8:10] = False
    # 16 pixels of 10 m are 8 of 20 m, and the encoder takes the middle 4 of them.
    found = mask_of(feed(asking(gsd_m=20.0, resampling="gsd"), replace(DATA, size=16)), sample(mask))
    expected = torch.ones(4, 4, dtype=torch.bool)
    expected[0, 2] = False
    assert found[0].tolist() == [expected.tolist()] * 4
    whole = mask_of(feed(asking(), replace(DATA, size=16)), sample(mask))
    assert (~whole[0, 0]).nonzero().tolist() == [[1, 2]]


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
