"""What Presto and Galileo share: groups of bands that are there, frames without padding, months, NDVI."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gairbench import Modality, Unit
from gairbench.batch import Batch, Images
from gairbench.errors import InputMismatchError
from gairbench.sensors import band
from gairbench_models.satellite_groups import GROUPS, S2, bands_of_groups, series_of
from gairbench_models.satellite_series import (
    Steps,
    encode_alike,
    month_embedding,
    month_of_year,
    whole_groups,
    with_ndvi,
)


def image(bands: tuple[str, ...], count: int = 2, frames: int = 3) -> Images:
    values = torch.arange(count * frames * len(bands), dtype=torch.float32).view(count, frames, len(bands), 1, 1) + 1
    return Images(
        values=values,
        bands=tuple(map(band, bands)),
        units=(Unit.RAW,) * len(bands),
        valid=torch.ones(count, frames, dtype=torch.bool),
        dates=torch.full((count, frames), 18_262.0, dtype=torch.float64),
    )


def steps_of(batch: Batch) -> Steps:
    return {name: torch.arange(one.values.shape[1]) for name, one in batch.images.items()}


def test_months_are_those_of_the_calendar() -> None:
    days = np.array([0, 30, 31, 59, 18_321.9, 18_322, -1, 47_540])
    start = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    expected = [(start + datetime.timedelta(days=float(day))).month - 1 for day in days]
    assert month_of_year(torch.from_numpy(days)).tolist() == expected
    assert expected[4:6] == [1, 2]  # the end of February in a leap year


def test_an_unknown_date_has_the_month_that_stands_for_it() -> None:
    assert month_of_year(torch.tensor([[float("nan"), 18_262.0]]), unknown=6).tolist() == [[6, 0]]


def test_months_are_encoded_as_half_sines_and_half_cosines() -> None:
    table = month_embedding(4).weight
    assert not table.requires_grad
    torch.testing.assert_close(table[3], torch.tensor([1.0, 1, 0, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(table[6], torch.tensor([0.0, 0, -1, -1]), atol=1e-6, rtol=0)


def test_ndvi_is_of_near_infrared_and_red_and_zero_where_both_are() -> None:
    two = image(("B8", "B4"), count=1, frames=2)
    values = torch.tensor([[3_000.0, 1_000.0], [0.0, 0.0]]).view(1, 2, 2, 1, 1)
    found = with_ndvi(replace(two, values=values))
    assert [known.name for known in found.bands] == ["B8", "B4", "NDVI"]
    assert found.units[2] is Unit.RAW
    assert found.values[0, :, 2, 0, 0].tolist() == [0.5, 0.0]
    assert with_ndvi(image(("B8", "B3"))).values.shape[2] == 2


def test_a_group_is_there_when_all_of_its_bands_are_in_whatever_order() -> None:
    batch = Batch(images={"s2": image(("B4", "B8", "B3", "B2", "B5")), "s1": image(("VV",))})
    groups = whole_groups(batch, steps_of(batch), GROUPS)
    assert [*groups] == ["S2_RGB", "S2_NIR_10m"]
    assert groups["S2_RGB"].values[0, 0, :, 0, 0].tolist() == [4, 3, 1]  # B2, B3, B4


def test_bands_of_no_whole_group_are_an_error_that_names_them() -> None:
    batch = Batch(images={"s2": image(("B5",)), "s1": image(("VH",))})
    with pytest.raises(InputMismatchError, match="of bands B5, VH alone the encoder has no token"):
        whole_groups(batch, steps_of(batch), GROUPS)


def test_samples_of_other_frames_and_places_are_encoded_apart_and_return_in_order() -> None:
    valid = torch.tensor([[1, 1, 0], [1, 0, 1], [1, 1, 0], [1, 1, 0]], dtype=torch.bool)
    series = replace(image(("B8",), count=4), valid=valid)
    nowhere = [float("nan")] * 2
    lonlat = torch.tensor([[1.0, 2], [3, 4], [5, 6], nowhere], dtype=torch.float64)
    seen = []

    def encode(part: Batch, steps: Steps) -> Tensor:
        one = part.images["s2"]
        assert one.valid.all()
        assert one.dates is not None
        assert one.dates.shape == one.valid.shape
        seen.append((len(part), part.lonlat is None, steps["s2"].tolist()))
        return one.values[:, :, 0, 0, 0]

    found = encode_alike(Batch(images={"s2": series}, lonlat=lonlat), encode)
    assert found.tolist() == [[1, 2], [4, 6], [7, 8], [10, 11]]
    assert sorted(seen) == [(1, False, [0, 2]), (1, True, [0, 1]), (2, False, [0, 1])]


def test_inputs_are_declared_with_the_unit_of_each_band() -> None:
    declared = series_of("s2", (*bands_of_groups(S2), "slope", "elevation"), size=1)
    assert declared.modality is Modality.RS
    assert declared.units()[-3:] == (Unit.S2_DN, Unit.RAW, Unit.METRES)
    assert (declared.missing, declared.frames, declared.size) == ("drop", (1, 24), 1)
