"""Batches of named images: joined, cut and moved as a whole."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gairbench import Unit
from gairbench.batch import Batch, Images, concatenate
from gairbench.sensors import band


def images(count: int, frames: int = 0, *names: str, size: int = 2) -> Images:
    names = names or ("B4",)
    shape = (count, frames, len(names), size, size) if frames else (count, len(names), size, size)
    valid = torch.ones((count, frames) if frames else (count,), dtype=torch.bool)
    return Images(
        values=torch.rand(shape),
        bands=tuple(map(band, names)),
        units=(Unit.REFLECTANCE,) * len(names),
        valid=valid,
        dates=valid.double(),
        mask=torch.ones(shape, dtype=torch.bool),
    )


def test_a_batch_is_as_long_as_its_images_or_its_places() -> None:
    assert len(Batch(images={"rs": images(3)})) == 3
    assert len(Batch(images={}, coordinates=torch.zeros(4, 2))) == 4
    assert len(Batch(images={"rs": images(3)}, lonlat=torch.zeros(3, 2))[1:]) == 2


def test_every_tensor_is_changed() -> None:
    two = torch.zeros(3, 2)
    batch = Batch(images={"rs": images(3)}, coordinates=two, lonlat=two, bbox=torch.ones(3, 4))
    seen: list[torch.Tensor] = []
    batch.map(lambda tensor: seen.append(tensor) or tensor)
    assert [tuple(tensor.shape) for tensor in seen] == [
        *[(3, 1, 2, 2), (3,), (3,), (3, 1, 2, 2)],
        *[(3, 2), (3, 2), (3, 4)],
    ]


def test_joined_series_are_padded_at_their_end() -> None:
    joined = concatenate([Batch(images={"rs": images(1, 2)}), Batch(images={"rs": images(2, 3)})]).images["rs"]
    assert joined.values.shape == (3, 3, 1, 2, 2)
    assert joined.valid.tolist() == [[True, True, False], [True] * 3, [True] * 3]
    assert joined.dates is not None
    assert joined.dates[0].isnan().tolist() == [False, False, True]
    assert joined.values[0, 2].abs().sum() == 0
    assert joined.mask is not None
    assert joined.mask.flatten(2).all(dim=2).tolist() == joined.valid.tolist()


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (Batch(images={"s1": images(1)}), "differ in which images they have"),
        (Batch(images={"rs": images(1, 0, "B3")}), "differ in their bands"),
        (Batch(images={"rs": images(1, size=3)}), "differ in size"),
    ],
)
def test_what_cannot_be_one_batch_is_refused(other: Batch, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        concatenate([Batch(images={"rs": images(1)}), other])


def test_files_that_say_more_or_less_of_a_band_are_one_batch_under_the_encoders_name() -> None:
    plain = images(1, 0, "red")
    exact = replace(plain, bands=(replace(band("B4"), name="red"),))
    assert concatenate([Batch(images={"rs": exact}), Batch(images={"rs": plain})]).images["rs"].bands == (band("red"),)
