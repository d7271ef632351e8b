"""What an encoder is fed with: matched by name, conversion and policy, or refused before anything is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gairbench import ANY, DatasetSpec, ImageInput, LocationInput, Modality, Normalization, Preset, Unit
from gairbench.data import Sample
from gairbench.errors import DataError, InputMismatchError
from gairbench.feeding import Feed, plan_feed
from gairbench.inputs import EVERY, Input
from gairbench.representation import Representation
from gairbench.sensors import band
from gairbench.testing.inputs import SPAN
from gairbench.units import convert, convertible

RS = Modality.RS
S2 = ImageInput(modality=RS, name="s2", bands=("B2", "B3", "B4", "B8"), unit=Unit.S2_DN, size=4, gsd_m=10.0)
S1 = ImageInput(modality=RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=4, gsd_m=10.0)
JOINT = Preset(name="joint", inputs=(S2, S1), accepts=(("s2", "s1"), ("s2",), ("s1",)))


def dataset(*delivers: Input) -> DatasetSpec:
    return DatasetSpec(name="d", version=1, factory="a:b", delivers=delivers)


def feed(preset: Preset, *delivers: Input, entry: str = "rs", **more: Any) -> Feed:
    return plan_feed("model", preset, dataset(*delivers), entry, **more)


def single(**more: Any) -> Preset:
    return Preset(name="single", inputs=(replace(S2, name="rs", **more),))


def test_the_best_set_that_the_data_can_serve_is_taken() -> None:
    assert feed(JOINT, S2, S1).representation.of == ("s2", "s1")
    assert feed(JOINT, S2).representation.of == ("s2",)
    assert feed(JOINT, replace(S1, unit=Unit.POWER)).representation.of == ("s1",)


def test_a_contradiction_in_the_data_is_refused_and_not_left_out() -> None:
    wrong = replace(S1, unit=Unit.S2_DN)
    for preset in (JOINT, single()):
        with pytest.raises(InputMismatchError, match="band VV measures backscatter, which cannot be in unit s2_dn"):
            feed(preset, S2, wrong)
        with pytest.raises(InputMismatchError, match="s1 images are declared without a unit"):
            feed(preset, S2, replace(S1, unit=None))


def test_one_stack_serves_two_inputs_by_its_bands() -> None:
    stack = ImageInput(
        modality=RS,
        bands=("VV", "VH", "B8", "B4", "B3", "B2"),
        unit=(Unit.POWER, Unit.POWER, *(Unit.REFLECTANCE,) * 4),
        size=4,
    )
    found = feed(JOINT, stack)
    assert found.representation.of == ("s2", "s1")
    values = torch.tensor([0.01, 0.1, 0.8, 0.4, 0.3, 0.2]).view(6, 1, 1).expand(6, 4, 4)
    batch = found.batch([{"image": values}])
    torch.testing.assert_close(batch.images["s2"].values[0, :, 0, 0], torch.tensor([2e3, 3e3, 4e3, 8e3]))
    torch.testing.assert_close(batch.images["s1"].values[0, :, 0, 0], torch.tensor([-20.0, -10.0]))


@pytest.mark.parametrize("policy", ["drop", "zero"])
def test_an_image_in_another_unit_is_refused_and_not_taken_for_a_missing_one(policy: Any) -> None:
    joint = replace(JOINT, inputs=(S2, replace(S1, missing=policy)), accepts=(("s2", "s1"),))
    assert feed(joint, replace(S2, name="optics")).representation.of == ("s2", "s1")
    radar = replace(S1, name="radar", unit=Unit.RAW)
    with pytest.raises(InputMismatchError, match="radar images are in unit raw and the encoder takes db"):
        feed(joint, replace(S2, name="optics"), radar)
    # One that can be converted is meant, whatever stands beside it.
    found = feed(joint, replace(S2, name="optics"), radar, replace(radar, name="sar", unit=Unit.POWER))
    assert found.images["s1"].delivered.name == "sar"


def test_why_no_set_can_be_served_is_said_of_each() -> None:
    with pytest.raises(InputMismatchError) as caught:
        feed(JOINT, ImageInput(modality=RS))
    assert "the encoder needs band B8 and the dataset has red, green, blue; nor s2:" in caught.value.what
    assert "nor s1: the encoder needs band VV, VH" in caught.value.what
    every = ImageInput(modality=RS, name=EVERY, bands=ANY, unit=None)
    with pytest.raises(InputMismatchError, match="; nor all images: rs is a series of 4 frames"):
        feed(
            replace(JOINT, inputs=(*JOINT.inputs, every), accepts=(("s2",), (EVERY,))),
            ImageInput(modality=RS, frames=4),
        )


def test_two_images_that_would_do_are_refused_until_one_is_named() -> None:
    before, after = replace(S2, name="before"), replace(S2, name="after")
    with pytest.raises(InputMismatchError, match="before, after would all do") as caught:
        feed(single(), before, after)
    assert caught.value.hint == "name one of them as the task's input"
    assert feed(single(), before, after, entry="after").images["rs"].delivered is after


def test_an_image_of_the_same_name_is_meant_even_if_it_does_not_fit() -> None:
    with pytest.raises(InputMismatchError, match="s2 images are in unit uint8"):
        feed(JOINT, replace(S2, unit=Unit.UINT8), replace(S2, name="other"))


def test_radar_declared_in_an_optical_unit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(InputMismatchError, match="VV measures backscatter, which cannot be in unit s2_dn"):
        feed(JOINT, replace(S1, unit=Unit.S2_DN))


@pytest.mark.parametrize("other", ["naip:red", "B2"])
def test_a_missing_band_is_refused_zero_or_dropped(other: str) -> None:
    data = replace(S2, name="rs", bands=("B3", "B4", "B8"))
    with pytest.raises(InputMismatchError, match="needs band B2"):
        feed(single(), data)
    statistics = {"normalization": Normalization.ZSCORE, "mean": (1.0, 2.0, 3.0, 4.0), "std": (1.0, 2.0, 4.0, 8.0)}
    image = {"image": torch.tensor([12.0, 23.0, 44.0]).view(3, 1, 1).expand(3, 4, 4)}
    zero = feed(single(missing="zero", **statistics), data)
    assert zero.batch([image]).images["rs"].values[0, :, 0, 0].tolist() == [0, 5, 5, 5]
    assert zero.describe()["rs"]["filled"] == ["B2"]
    drop = feed(single(missing="drop", **statistics), data)
    batch = drop.batch([image])
    assert batch.images["rs"].values[0, :, 0, 0].tolist() == [5, 5, 5]
    assert [band.name for band in batch.images["rs"].bands] == ["B3", "B4", "B8"]
    assert (drop.describe()["rs"]["filled"], drop.describe()["rs"]["lacking"]) == ([], ["B2"])


@pytest.mark.parametrize(("missing", "there"), [("zero", ["s1", "s2"]), ("drop", ["s2"])])
def test_a_missing_image_is_zero_or_left_out_where_the_model_says_so(missing: Any, there: list[str]) -> None:
    preset = replace(JOINT, inputs=(S2, replace(S1, missing=missing)), accepts=(("s2", "s1"),))
    found = feed(preset, S2)
    batch = found.batch([{"s2": torch.ones(4, 4, 4)}])
    assert sorted(batch.images) == there
    if missing == "zero":
        assert batch.images["s1"].values.abs().sum() == 0
        assert not batch.images["s1"].valid.any()
        assert found.describe()["s1"] == {"filled": ["VV", "VH"]}


def test_data_with_none_of_the_images_are_refused_whatever_the_policy() -> None:
    preset = Preset(name="x", inputs=tuple(replace(i, missing="drop") for i in (S2, S1)), accepts=(("s2", "s1"),))
    with pytest.raises(InputMismatchError, match="none of the images s2, s1"):
        feed(preset, ImageInput(modality=RS, bands=("elevation",), unit=Unit.METRES))


def series(frames: Any = (1, 12), **more: Any) -> ImageInput:
    return replace(S2, name="rs", frames=frames, dated=True, **more)


def frames_of(count: int, start: float = 0.0) -> Sample:
    values = start + torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1).expand(count, 4, 4, 4)
    return {"image": values, "dates": 100.0 + torch.arange(count, dtype=torch.float64)}


def test_series_of_different_length_are_padded_with_what_is_marked_as_invalid() -> None:
    preset = replace(single(frames=(1, 24)), needs=frozenset({"dates"}))
    batch = feed(preset, series()).batch([frames_of(2), frames_of(3)])
    image = batch.images["rs"]
    assert image.values.shape == (2, 3, 4, 4, 4)
    assert image.valid.tolist() == [[True, True, False], [True, True, True]]
    assert image.dates is not None
    assert image.dates[1].tolist() == [100.0, 101.0, 102.0]
    assert bool(image.dates[0, 2].isnan())


def test_series_of_pixels_are_images_of_one_pixel() -> None:
    batch = feed(single(frames=(1, 24), size=1), series(size=1)).batch([{"image": torch.arange(8.0).view(2, 4)}])
    assert batch.images["rs"].values.shape == (1, 2, 4, 1, 1)
    assert batch.images["rs"].values[0, 1, :, 0, 0].tolist() == [4, 5, 6, 7]


def test_single_images_are_series_of_one_frame_and_not_the_other_way_round() -> None:
    batch = feed(single(frames=(1, 24)), replace(S2, name="rs")).batch([{"image": torch.ones(4, 4, 4)}])
    assert batch.images["rs"].values.shape == (1, 1, 4, 4, 4)
    with pytest.raises(InputMismatchError, match="rs is a series of 1 to 12 frames and the encoder takes single"):
        feed(single(), series())


def test_too_few_and_too_many_frames_are_refused_and_surplus_ones_left_out_evenly_by_declaration() -> None:
    with pytest.raises(InputMismatchError, match="rs has 1 to 12 frames and the encoder takes 3 frames"):
        feed(single(frames=3), series())
    with pytest.raises(InputMismatchError, match="rs has 12 frames and the encoder takes 1 to 5 frames"):
        feed(single(frames=(1, 5)), series(12))
    preset = replace(single(frames=(1, 5), surplus_frames="even"), wants=frozenset({"dates"}))
    image = feed(preset, series()).batch([frames_of(12)]).images["rs"]
    assert image.values[0, :, 0, 0, 0].tolist() == [0, 3, 6, 8, 11]
    assert image.dates is not None
    assert image.dates[0].tolist() == [100, 103, 106, 108, 111]
    with pytest.raises(DataError, match="a sample has 13 images of 'rs', declared 1 to 12"):
        feed(preset, series()).batch([frames_of(13)])


def test_what_an_encoder_needs_is_refused_where_the_data_cannot_say_it() -> None:
    data = replace(S2, name="rs", gsd_m=None)
    for need, why in {
        "dates": "the encoder needs the dates of rs, and the dataset has none",
        "gsd": "the ground sample distance of rs",
        "lonlat": "the encoder needs coordinates, and the dataset delivers none",
    }.items():
        with pytest.raises(InputMismatchError, match=why):
            feed(replace(single(), needs=frozenset({need})), data)
    index = ImageInput(modality=RS, bands=("B4", "ndvi"), unit=Unit.RAW, size=4)
    any_bands = Preset(
        name="x", inputs=(ImageInput(modality=RS, bands=ANY, unit=None),), needs=frozenset({"wavelengths"})
    )
    with pytest.raises(InputMismatchError, match="that of ndvi is not known"):
        feed(any_bands, index)


def test_an_encoder_is_told_what_it_asks_for_and_nothing_else() -> None:
    data = replace(S2, name="rs", dated=True, gsd_m=10.0, size=8)
    sample = {
        "image": torch.ones(4, 8, 8),
        "dates": torch.tensor(19_000.0, dtype=torch.float64),
        "lonlat": torch.tensor([50.0, 10.0], dtype=torch.float64),
        "bbox": torch.tensor([9.0, 51.0, 11.0, 49.0], dtype=torch.float64),
    }
    plain = feed(single(), data, LocationInput(order="latlon")).batch([sample])
    assert (plain.lonlat, plain.bbox, plain.images["rs"].dates, plain.images["rs"].gsd_m) == (None,) * 4
    asked = frozenset({"dates", "lonlat", "bbox", "gsd", "wavelengths"})
    batch = feed(replace(single(), needs=asked), data, LocationInput(order="latlon")).batch([sample])
    image = batch.images["rs"]
    assert batch.lonlat is not None
    assert batch.lonlat.tolist() == [[10.0, 50.0]]
    assert batch.bbox is not None
    assert batch.bbox.tolist() == [[9.0, 51.0, 11.0, 49.0]]
    assert image.dates is not None
    assert image.dates.tolist() == [19_000.0]
    # 8 pixels of 10 m resized to 4.
    assert image.gsd_m is not None
    assert image.gsd_m.tolist() == [20.0]
    assert [band.wavelength_um for band in image.bands] == [0.4924, 0.5598, 0.6646, 0.8328]


def test_what_is_wanted_and_not_known_is_not_a_number() -> None:
    wants = frozenset({"dates", "lonlat", "bbox", "gsd"})
    data = replace(S2, name="rs", gsd_m=None)
    batch = feed(replace(single(), wants=wants), data).batch([{"image": torch.ones(4, 4, 4)}])
    image = batch.images["rs"]
    for tensor, shape in ((batch.lonlat, (1, 2)), (batch.bbox, (1, 4)), (image.dates, (1,)), (image.gsd_m, (1,))):
        assert tensor is not None
        assert tensor.shape == shape
        assert bool(tensor.isnan().all())


def test_wavelengths_are_those_of_the_more_specific_name() -> None:
    wanted = Preset(name="x", inputs=(ImageInput(modality=RS, bands=("red", "B8"), unit=None),))
    data = ImageInput(modality=RS, bands=("landsat-8:B4", "nir"), unit=Unit.REFLECTANCE, size=4)
    bands = feed(wanted, data).images["rs"].bands
    assert [(band.name, band.wavelength_um) for band in bands] == [("red", 0.655), ("B8", 0.8328)]


def test_another_ground_sample_distance_is_marked_and_resampled_by_declaration() -> None:
    coarse = replace(S2, name="rs", gsd_m=7_400.0)
    assert feed(single(), coarse).gsd_problem() == "rs: fed with 7,400 m per pixel, made for 10 m"
    assert feed(single(), replace(coarse, gsd_m=19.0)).gsd_problem() == ""
    fine = replace(S2, name="rs", gsd_m=5.0, size=16)
    found = feed(single(resampling="gsd", antialias=False, interpolation="bilinear"), fine)
    assert found.gsd_problem() == ""
    ramp = torch.arange(16.0).view(1, 1, 16).expand(4, 16, 16)
    # 16 pixels of 5 m are 8 of 10 m, of which the inner 4 are taken.
    assert found.batch([{"image": ramp}]).images["rs"].values[0, 0, 0].tolist() == [4.5, 6.5, 8.5, 10.5]
    with pytest.raises(InputMismatchError, match="cover less ground than the 4 pixels at 10 m"):
        feed(single(resampling="gsd"), replace(fine, size=6))
    with pytest.raises(InputMismatchError, match="the dataset does not declare its own"):
        feed(single(resampling="gsd"), replace(fine, gsd_m=None))


def test_the_declared_distance_is_compared_where_the_size_of_the_images_is_not_declared() -> None:
    coarse = replace(S2, name="rs", gsd_m=7_400.0, size=None)
    assert feed(single(), coarse).gsd_problem() == (
        "rs: images of 7,400 m per pixel, resized from an undeclared size to 4 pixels, made for 10 m"
    )
    assert feed(single(), replace(coarse, gsd_m=19.0)).gsd_problem() == ""
    assert feed(single(), replace(coarse, gsd_m=None)).gsd_problem() == ""
    # Resampled to what the encoder is made for, whatever their size.
    assert feed(single(resampling="gsd"), replace(coarse, gsd_m=4.0)).gsd_problem() == ""
    assert feed(single(resampling="gsd", size=None), replace(coarse, gsd_m=4.0)).gsd_problem() == ""


def test_a_baseline_takes_every_image_under_the_datasets_name() -> None:
    every = ImageInput(modality=RS, name=EVERY, bands=ANY, unit=None, frames=(1, 9))
    found = feed(Preset(name="x", inputs=(every,)), replace(S2, frames=(1, 3)), S1)
    batch = found.batch([{"s2": torch.ones(2, 4, 4, 4), "s1": torch.full((2, 4, 4), -9.0)}])
    assert {name: tuple(image.values.shape) for name, image in batch.images.items()} == {
        "s2": (1, 2, 4, 4, 4),
        "s1": (1, 1, 2, 4, 4),
    }
    assert batch.images["s1"].units == (Unit.DB, Unit.DB)


def test_what_a_model_does_not_offer_is_refused() -> None:
    with pytest.raises(InputMismatchError, match="model has no token grid"):
        feed(JOINT, S2, form="tokens")
    offers = (Representation("tokens", ("s1",)), Representation("tokens", ("s2",), layers=(3, 5)))
    assert feed(replace(JOINT, offers=offers), S2, S1, form="tokens").representation.of == ("s1",)
    assert feed(replace(JOINT, offers=offers), S2, S1, form="tokens", layers=2).representation.layers == (3, 5)
    with pytest.raises(InputMismatchError, match="no token grid of 4 layers"):
        feed(replace(JOINT, offers=offers), S2, S1, form="tokens", layers=4)
    with pytest.raises(InputMismatchError, match="model has no sv encoder"):
        feed(JOINT, ImageInput(modality=Modality.SV), entry="sv")
    with pytest.raises(InputMismatchError, match="dataset 'd' delivers no dem input"):
        feed(JOINT, S2, entry="dem")


def test_samples_of_different_size_need_an_encoder_that_resizes() -> None:
    data = replace(S2, name="rs", size=None)
    samples: Sequence[Sample] = [{"image": torch.ones(4, 4, 4)}, {"image": torch.ones(4, 6, 6)}]
    assert len(feed(single(), data).batch(samples)) == 2
    with pytest.raises(DataError, match="images differ in size, and the model takes them as they are"):
        feed(single(size=None), data).batch(samples)


# What must not change anything.

FAMILIES = (
    (S2.bands, Unit.REFLECTANCE, (Unit.REFLECTANCE, Unit.S2_DN, Unit.S2_DN_OFFSET, Unit.LANDSAT_C2_DN)),
    (("VV", "VH", "HH"), Unit.POWER, (Unit.POWER, Unit.AMPLITUDE, Unit.DB)),
    (("landsat-8:B10", "landsat-8:B11"), Unit.KELVIN, (Unit.KELVIN, Unit.LANDSAT_C2_DN)),
)
"""Bands, and the units that they convert between, with the first of them."""


@st.composite
def stored_and_taken(draw: st.DrawFn) -> tuple[tuple[str, ...], list[int], Unit, list[Unit], list[Unit]]:
    """Draw bands, an order of them, the unit of their true values, and each band's unit in the data and the encoder."""
    bands, first, units = draw(st.sampled_from(FAMILIES))
    each = st.lists(st.sampled_from(units), min_size=len(bands), max_size=len(bands))
    return bands, draw(st.permutations(range(len(bands)))), first, draw(each), draw(each)


@settings(deadline=None, max_examples=150)
@given(stored_and_taken(), st.integers(0, 9))
def test_the_order_of_bands_and_the_units_of_the_data_change_nothing(
    drawn: tuple[tuple[str, ...], list[int], Unit, list[Unit], list[Unit]], seed: int
) -> None:
    bands, order, first, stored, taken = drawn
    low, high = SPAN[first]
    # Not zero, which has no decibels.
    share = 0.01 + 0.98 * torch.rand(3, len(bands), 4, 4, generator=torch.Generator().manual_seed(seed))
    truth = low + (high - low) * share
    plain = ImageInput(modality=RS, bands=bands, unit=first, size=4)
    preset = Preset(name="single", inputs=(replace(plain, unit=tuple(taken)),))
    expected = feed(preset, plain).batch([{"image": image} for image in truth]).images["rs"].values
    data = replace(plain, bands=tuple(bands[i] for i in order), unit=tuple(stored[i] for i in order))
    values = torch.stack([convert(truth[:, i], first, stored[i], band(bands[i]).quantity) for i in order], dim=1)
    found = feed(preset, data).batch([{"image": image} for image in values]).images["rs"].values
    for one, other in zip(found.unbind(1), expected.unbind(1), strict=True):
        span = float(other.max() - other.min())
        torch.testing.assert_close(one, other, rtol=1e-5, atol=2e-5 * span)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(Unit)), st.sampled_from(list(Unit)))
def test_units_that_do_not_convert_are_refused_by_the_plan(stored: Unit, taken: Unit) -> None:
    bands = ("a", "b")
    data = ImageInput(modality=RS, bands=bands, unit=stored, size=4)
    preset = Preset(name="x", inputs=(ImageInput(modality=RS, bands=bands, unit=taken, size=4),))
    if convertible(stored, taken, None):
        assert feed(preset, data).images["rs"].wanted_units == (taken, taken)
    else:
        with pytest.raises(InputMismatchError, match=f"in unit {stored} and the encoder takes {taken}"):
            feed(preset, data)


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(6)), st.lists(st.integers(1, 6), min_size=6, max_size=6))
def test_the_order_and_grouping_of_samples_change_nothing(order: list[int], cuts: list[int]) -> None:
    rng = np.random.default_rng(0)
    lengths = [1, 4, 2, 4, 3, 2]
    samples: list[Sample] = [
        {"image": torch.from_numpy(rng.uniform(0, 4e3, (n, 4, 4, 4))).float(), "dates": torch.arange(float(n)).double()}
        for n in lengths
    ]
    preset = replace(single(frames=(1, 24)), needs=frozenset({"dates"}))
    planned = feed(preset, series())
    alone = [planned.batch([sample]).images["rs"] for sample in samples]
    start = 0
    for cut in cuts:
        chosen = order[start : start + cut]
        start += cut
        if not chosen:
            break
        image = planned.batch([samples[i] for i in chosen]).images["rs"]
        for row, i in enumerate(chosen):
            length = lengths[i]
            assert int(image.valid[row].sum()) == length
            assert torch.equal(image.values[row, :length], alone[i].values[0])
            assert image.dates is not None
            assert alone[i].dates is not None
            assert torch.equal(image.dates[row, :length], alone[i].dates[0])
