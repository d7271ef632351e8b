"""The controls describe what they say and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gairbench import DatasetSpec, ImageInput, Modality, ModelContext, ModelSpec, Unit
from gairbench.errors import CheckpointError
from gairbench.feeding import plan_feed
from gairbench.inputs import Input, Rendering
from gairbench.representation import RS_TOKENS
from gairbench.spec import resolve
from gairbench_models.controls import MODELS
from gairbench_models.controls.lonlat import LonLat
from gairbench_models.controls.pixel_stats import PixelStats
from gairbench_models.gair import MODELS as GAIR
from gairbench_models.gair.model import Gair

BY_NAME = {spec.name: spec for spec in MODELS}
TINY = ModelContext(preset="tiny", seed=3)


def test_random_is_gair_in_all_but_training() -> None:
    random, gair = BY_NAME["random"], GAIR[0]
    for own, theirs in zip(random.presets, gair.presets, strict=True):
        assert own.inputs[:-1] == theirs.inputs
        assert own.offers[: len(theirs.offers)] == theirs.offers
        assert own.accepts == (("rs",), ("every",))
    assert random.aligned == gair.aligned
    assert not any(preset.weights for preset in random.presets)
    assert random.seeded
    model = resolve(random.factory)(TINY)
    assert isinstance(model, Gair)
    assert not model.training


def test_random_weights_are_gairs_initial_weights() -> None:
    random = resolve(BY_NAME["random"].factory)(TINY).state_dict()
    gair = resolve(GAIR[0].factory)(TINY).state_dict()
    other = resolve(BY_NAME["random"].factory)(ModelContext(preset="tiny", seed=4)).state_dict()
    assert all(torch.equal(random[name], gair[name]) for name in gair)
    assert not torch.equal(random["sv_projection.weight"], other["sv_projection.weight"])


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_no_control_takes_a_checkpoint(spec: ModelSpec, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"'{spec.name}' takes no checkpoint"):
        resolve(spec.factory)(ModelContext(preset=spec.presets[0].name, seed=0, checkpoint=tmp_path))


S2_TILE = ImageInput(
    modality=Modality.RS,
    bands=("B2", "B3", "B4", "B8"),
    unit=Unit.S2_DN,
    size=48,
    rendering=Rendering(bands=("B4", "B3", "B2"), low=0, high=3000),
)
COLOURS = replace(S2_TILE, bands=("B4", "B3", "B2"))
AERIAL = replace(S2_TILE, bands=("red", "green", "blue", "nir"), unit=Unit.UINT8, rendering=None)
PICTURE = ImageInput(modality=Modality.RS, name="photo", size=48)
RADAR = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=48)


@pytest.mark.parametrize(
    ("delivers", "of"),
    [
        ((PICTURE,), "rs"),
        ((COLOURS,), "rs"),
        ((S2_TILE,), "every"),
        ((AERIAL,), "every"),
        ((PICTURE, RADAR), "every"),
    ],
    ids=["picture", "three rendered bands", "four rendered bands", "aerial with infrared", "picture and radar"],
)
@pytest.mark.parametrize("name", ["random", "pixel-stats", "rcf"])
def test_controls_are_fed_with_all_bands_unless_a_picture_shows_all(
    name: str, delivers: tuple[Input, ...], of: str
) -> None:
    dataset = DatasetSpec(name="d", version=1, factory="a:b", delivers=delivers)
    for form in ("pooled", "tokens"):
        feed = plan_feed(name, BY_NAME[name].presets[0], dataset, "rs", form=form)
        assert feed.representation.of == (of,)
        if of == "every":
            assert {n: c.delivered.bands for n, c in feed.images.items()} == {i.name: i.bands for i in delivers}
        # Photos are found by pictures: what is compared with them is one.
        shared = plan_feed(name, BY_NAME[name].presets[0], dataset, "rs", form=form, projected=True)
        assert shared.representation.of == ("rs",)


def test_untrained_encoders_of_measured_bands_are_fed_as_trained_ones_are() -> None:
    bands = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
    dataset = DatasetSpec(name="d", version=1, factory="a:b", delivers=(replace(S2_TILE, bands=bands),))
    base = next(preset for preset in BY_NAME["random"].presets if preset.name == "base")
    feed = plan_feed("random", base, dataset, "rs")
    trained = next(preset for preset in GAIR[0].presets if preset.name == "base")
    assert feed.images == plan_feed("gair", trained, dataset, "rs").images


def test_lonlat_returns_the_coordinates() -> None:
    lonlat = torch.tensor([[12.5, 48.25], [-179.0, -90.0]], dtype=torch.float64)
    found = LonLat().encode_location(lonlat)
    assert found.dtype == torch.float32
    assert found.tolist() == lonlat.tolist()


def test_statistics_of_a_known_image() -> None:
    # Red runs from 0 to 255 in equal steps, green is 51 everywhere, blue is 255 in a quarter of the pixels.
    image = torch.zeros(1, 3, 16, 16)
    image[0, 0] = torch.arange(256.0).view(16, 16)
    image[0, 1] = 51
    image[0, 2, :4] = 255
    found = PixelStats().encode_rs(image)[0]
    mean, spread, quantiles, histogram = found.split([3, 3, 15, 64])
    assert mean.tolist() == pytest.approx([0.5, 0.2, 0.25], abs=1e-5)
    assert spread.tolist() == pytest.approx([(256**2 - 1) ** 0.5 / 12**0.5 / 255, 0, 0.75**0.5 / 2], abs=1e-5)
    assert quantiles[:5].tolist() == pytest.approx([13 / 255, 64 / 255, 128 / 255, 191 / 255, 242 / 255], abs=1 / 255)
    assert quantiles[5:10].tolist() == pytest.approx([0.2] * 5)
    assert quantiles[10:].tolist() == [0, 0, 0, 0, 1]
    # Green 51 is level 0 of 4; the first quarter of the rows holds the darkest reds and the only blue.
    expected = torch.zeros(4, 4, 4)
    expected[0, 0, 3] = 0.25
    expected[1:, 0, 0] = 0.25
    torch.testing.assert_close(histogram.view(4, 4, 4), expected)


def test_statistics_do_not_see_the_layout() -> None:
    image = torch.randint(0, 256, (2, 3, 20, 30), dtype=torch.uint8)
    shuffled = image.flatten(2)[:, :, torch.randperm(600)].view_as(image)
    torch.testing.assert_close(PixelStats().encode_rs(image), PixelStats().encode_rs(shuffled))


def test_overhead_images_and_photos_share_one_description() -> None:
    image = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(PixelStats().encode_rs(image), PixelStats().encode_sv(image))
    assert BY_NAME["pixel-stats"].aligned == {Modality.RS, Modality.SV}


def test_tokens_describe_the_cells_of_the_image_north_up() -> None:
    assert RS_TOKENS in BY_NAME["pixel-stats"].presets[0].offers
    image = torch.randint(0, 256, (2, 3, 48, 48)).float()
    tokens = PixelStats().encode_rs_tokens(image)
    assert tokens.shape == (2, 85, 6, 6)
    torch.testing.assert_close(tokens[1, :, 0, 5], PixelStats().encode_rs(image[1:, :, :8, 40:])[0])


@pytest.mark.parametrize("shape", [(50, 70), (5, 3), (1, 1)])
def test_tokens_cover_images_that_do_not_divide_into_cells(shape: tuple[int, int]) -> None:
    tokens = PixelStats().encode_rs_tokens(torch.full((1, 3, *shape), 102.0))
    assert tokens.shape == (1, 85, 6, 6)
    torch.testing.assert_close(tokens[0, 0], torch.full((6, 6), 0.4))


def test_statistics_do_not_depend_on_the_batch() -> None:
    images = torch.randint(0, 256, (5, 3, 24, 24)).float()
    torch.testing.assert_close(PixelStats().encode_rs(images)[3], PixelStats().encode_rs(images[3:4])[0])
