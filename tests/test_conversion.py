"""The sealed step: what is converted exactly, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn import functional

from gairbench import ImageInput, LocationInput, Modality, Normalization, Unit
from gairbench.conversion import ImageConverter, make_converter
from gairbench.errors import InputMismatchError
from gairbench.inputs import Rendering

RGB_UINT8 = ImageInput(modality=Modality.RS, size=8)
S2 = ImageInput(modality=Modality.RS, bands=("B2", "B3", "B4", "B8"), unit=Unit.S2_DN, size=8)


def test_bands_are_selected_by_name_whatever_their_position() -> None:
    wanted = replace(S2, bands=("B8", "B2"))
    images = torch.arange(4.0).view(1, 4, 1, 1).expand(1, 4, 8, 8)
    converted = make_converter(S2, wanted)(images)
    assert converted[0, :, 0, 0].tolist() == [3.0, 0.0]


def test_visible_bands_of_both_naming_schemes_are_the_same() -> None:
    delivered = replace(RGB_UINT8, unit=Unit.REFLECTANCE)
    converter = make_converter(delivered, replace(S2, bands=("B2", "B4"), unit=Unit.REFLECTANCE))
    assert converter.describe()["bands"] == {"B2": "blue", "B4": "red"}
    assert converter.describe()["dropped"] == ["green"]


def test_missing_band_is_refused_or_filled_with_zero_after_normalization() -> None:
    wanted = replace(
        S2,
        bands=("B2", "B11"),
        normalization=Normalization.ZSCORE,
        mean=(100.0, 1000.0),
        std=(10.0, 10.0),
    )
    with pytest.raises(InputMismatchError, match="needs band B11 and the dataset has B2, B3, B4, B8"):
        make_converter(S2, wanted)
    converter = make_converter(S2, replace(wanted, missing="zero"))
    converted = converter(torch.full((1, 4, 8, 8), 120.0))
    assert converted[0, :, 0, 0].tolist() == [2.0, 0.0]
    assert converter.describe()["filled"] == ["B11"]


def test_nothing_in_common_is_refused_even_if_filling_is_allowed() -> None:
    with pytest.raises(InputMismatchError, match="none of the encoder's bands B12"):
        make_converter(S2, replace(S2, bands=("B12",), missing="zero"))


@pytest.mark.parametrize(
    ("delivered", "wanted", "factor"), [("reflectance", "s2_dn", 1e4), ("s2_dn", "reflectance", 1e-4)]
)
def test_physical_units_are_converted(delivered: str, wanted: str, factor: float) -> None:
    converter = make_converter(replace(S2, unit=Unit(delivered)), replace(S2, unit=Unit(wanted)))
    torch.testing.assert_close(converter(torch.ones(1, 4, 8, 8)), torch.full((1, 4, 8, 8), factor))


@pytest.mark.parametrize(("delivered", "wanted"), [("uint8", "s2_dn"), ("reflectance", "uint8"), ("s2_dn", "uint8")])
def test_display_values_and_physical_units_are_never_converted(delivered: str, wanted: str) -> None:
    with pytest.raises(InputMismatchError, match=f"in unit {delivered} and the encoder takes {wanted}"):
        make_converter(replace(S2, unit=Unit(delivered)), replace(S2, unit=Unit(wanted)))


def test_two_sigma_stretch_is_truncated_to_eight_bits() -> None:
    wanted = replace(
        S2, bands=("B2",), normalization=Normalization.TWO_SIGMA_8BIT, mean=(1000.0,), std=(500.0,), size=None
    )
    converted = make_converter(S2, wanted)(
        torch.tensor([0.0, 1000.0, 1003.0, 5000.0]).view(4, 1, 1, 1).expand(4, 4, 1, 1)
    )
    assert (converted.flatten() * 255).tolist() == pytest.approx([0, 127, 127, 255], abs=1e-4)


def test_images_are_resized_as_declared() -> None:
    images = torch.rand(2, 3, 8, 8) * 255
    plain = replace(RGB_UINT8, size=5, antialias=False)
    expected = functional.interpolate(images, size=(5, 5), mode="bicubic", align_corners=False)
    torch.testing.assert_close(make_converter(RGB_UINT8, plain)(images), expected)
    smooth = make_converter(RGB_UINT8, replace(plain, antialias=True))(images)
    assert not torch.allclose(smooth, expected)


def test_batch_with_other_bands_than_declared_is_refused() -> None:
    with pytest.raises(InputMismatchError, match="does not hold the declared bands red, green, blue"):
        make_converter(RGB_UINT8, RGB_UINT8)(torch.zeros(1, 4, 8, 8))


def test_coordinates_are_reordered_and_stay_exact() -> None:
    converter = make_converter(LocationInput(order="latlon"), LocationInput(order="lonlat"))
    assert converter(torch.tensor([[45.123456789, 179.987654321]], dtype=torch.float64)).tolist() == [
        [179.987654321, 45.123456789]
    ]


@pytest.mark.parametrize("bad", [[10.0, 120.0], [200.0, 0.0], [float("nan"), 0.0]])
def test_impossible_coordinates_are_refused(bad: list[float]) -> None:
    converter = make_converter(LocationInput(), LocationInput())
    with pytest.raises(InputMismatchError, match="longitude and latitude are not swapped"):
        converter(torch.tensor([[1.0, 2.0], bad], dtype=torch.float64))


def test_modalities_are_not_mixed() -> None:
    with pytest.raises(InputMismatchError, match="rs cannot become location"):
        make_converter(RGB_UINT8, LocationInput())


def test_unchanged_input_is_only_cast() -> None:
    converter = make_converter(RGB_UINT8, RGB_UINT8)
    assert isinstance(converter, ImageConverter)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(converter(images), images.float())


def test_measurements_are_shown_to_encoders_of_pictures_by_a_declared_rendering_alone() -> None:
    with pytest.raises(InputMismatchError, match="in unit s2_dn and the encoder takes uint8"):
        make_converter(S2, RGB_UINT8)
    shown = replace(S2, rendering=Rendering(bands=("B8", "B3", "B2"), low=0, high=3000, gamma=2.0))
    converter = make_converter(shown, replace(RGB_UINT8, bands=("blue", "red", "green")))
    values = torch.tensor([750.0, 3000.0, 99.0, -5.0]).view(1, 4, 1, 1).expand(1, 4, 8, 8)
    # Band B8 is shown as red: negative is black; B2, a quarter of the range, is shown as half of it.
    assert converter(values)[0, :, 0, 0].tolist() == [128, 0, 255]
    assert converter.describe()["rendering"] == {"bands": ("B8", "B3", "B2"), "low": 0, "high": 3000, "gamma": 2.0}
    assert converter.describe()["bands"] == {"blue": "B2", "red": "B8", "green": "B3"}


def test_a_rendering_is_for_encoders_of_pictures_only() -> None:
    shown = replace(S2, rendering=Rendering(bands=("B4", "B3", "B2"), low=0, high=3000))
    assert make_converter(shown, S2).describe()["rendering"] is None
    reflectance = replace(S2, unit=Unit.REFLECTANCE)
    assert make_converter(shown, reflectance).describe()["rendering"] is None
    lacking = replace(shown, rendering=Rendering(bands=("B11", "B3", "B2"), low=0, high=3000))
    with pytest.raises(InputMismatchError, match="the rendering of rs shows B11, and the images have B2, B3, B4, B8"):
        make_converter(lacking, RGB_UINT8)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"bands": ("B4", "B3"), "low": 0, "high": 1}, "shows 3 bands, got B4, B3"),
        ({"low": 1, "high": 1}, "from 1 to 1 shows nothing"),
        ({"low": 0, "high": 1, "gamma": 0}, "gamma is above 0, got 0"),
    ],
)
def test_a_rendering_that_shows_nothing_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Rendering(**wrong)
