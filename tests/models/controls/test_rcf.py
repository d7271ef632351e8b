"""Random convolutional features are TorchGeo's, of any bands, and of images of any size."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torchgeo.models import RCF

from gairbench import DatasetSpec, ImageInput, Modality, ModelContext, Representation, Unit
from gairbench.batch import Batch, Images
from gairbench.feeding import plan_feed
from gairbench.representation import RS, RS_TOKENS
from gairbench.spec import resolve
from gairbench_models.controls import MODELS
from gairbench_models.controls.rcf import RandomFeatures

SPEC = next(spec for spec in MODELS if spec.name == "rcf")
EVERY = Representation("pooled", ("every",))


def built(seed: int = 0) -> RandomFeatures:
    model = resolve(SPEC.factory)(ModelContext(preset="default", seed=seed))
    assert isinstance(model, RandomFeatures)
    return model.eval()


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def batch(name: str, values: Tensor, valid: Tensor | None = None) -> Batch:
    valid = torch.ones(values.shape[: values.ndim - 3], dtype=torch.bool) if valid is None else valid
    return Batch(images={name: Images(values=values, bands=(), units=(), valid=valid)})


@pytest.mark.parametrize("bands", [2, 3, 13])
@pytest.mark.parametrize("seed", [0, 7])
def test_features_are_those_of_torchgeo_s_filters_of_the_next_seed(bands: int, seed: int) -> None:
    images = drawn(5, bands, 40, 52)
    expected = RCF(in_channels=bands, features=512, kernel_size=3, bias=-1.0, seed=seed + 1)(images)
    found = built(seed).encode(batch("every", images[:, None]), EVERY)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    if bands == 3:
        torch.testing.assert_close(built(seed).encode(batch("rs", images), RS), expected, atol=1e-5, rtol=1e-4)
        photo = Representation("pooled", ("sv",))
        torch.testing.assert_close(built(seed).encode(batch("sv", images), photo), expected, atol=1e-5, rtol=1e-4)


def test_every_seed_draws_other_filters() -> None:
    images = drawn(1, 3, 16, 16)
    found = [built(seed).encode(batch("rs", images), RS) for seed in (0, 1, 2, 1)]
    assert not any(torch.equal(found[a], found[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert torch.equal(found[1], found[3])


def test_a_cell_of_the_grid_has_the_features_of_its_pixels() -> None:
    images = drawn(2, 3, 38, 38)  # 36 x 36 responses
    tokens = built().encode(batch("rs", images), RS_TOKENS)
    assert tokens.shape == (2, 512, 6, 6)
    corner = built().encode(batch("rs", images[:, :, :8, -8:]), RS)
    torch.testing.assert_close(tokens[:, :, 0, 5], corner, atol=1e-5, rtol=1e-4)
    whole = built().encode(batch("rs", images), RS)
    torch.testing.assert_close(tokens.mean((2, 3)), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (5, 3)])
def test_images_smaller_than_a_filter_are_enlarged(shape: tuple[int, int]) -> None:
    images = torch.full((1, 3, *shape), 0.5)
    expected = RCF(in_channels=3, features=512, kernel_size=3, seed=1)(torch.full((1, 3, 9, 9), 0.5))
    torch.testing.assert_close(built().encode(batch("rs", images), RS), expected, atol=1e-5, rtol=1e-4)


def test_padding_of_a_short_series_takes_no_part() -> None:
    series = drawn(2, 3, 4, 12, 12)
    valid = torch.tensor([[True, True, True], [True, True, False]])
    found = built().encode(batch("every", series, valid), EVERY)
    single = built().encode(batch("every", series[1:, :2]), EVERY)
    torch.testing.assert_close(found[1:], single)


def test_it_is_fed_with_all_bands_by_the_round_statistics_of_their_unit() -> None:
    tile = ImageInput(modality=Modality.RS, bands=("B2", "B3", "B4", "B8"), unit=Unit.S2_DN, size=48)
    radar = replace(tile, name="s1", bands=("VV", "VH"), unit=Unit.DB)
    dataset = DatasetSpec(name="d", version=1, factory="a:b", delivers=(tile, radar))
    feed = plan_feed("rcf", SPEC.presets[0], dataset, "rs")
    assert feed.representation.of == ("every",)
    sample = {"image": torch.full((4, 48, 48), 3_500.0), "s1": torch.full((2, 48, 48), -7.0)}
    values = {name: image.values for name, image in feed.batch([sample]).images.items()}
    assert {name: float(v.mean()) for name, v in values.items()} == pytest.approx({"rs": 1.0, "s1": 1.0})
