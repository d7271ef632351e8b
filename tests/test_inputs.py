"""An input that no plan could serve is refused where it is declared, by one line that says what to write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gairbench.inputs import ANY, ImageInput, LocationInput, Modality, Normalization, Rendering, Unit

IMAGE = ImageInput(modality=Modality.RS, bands=("B4", "B8"), unit=Unit.S2_DN, size=8, gsd_m=10.0)
ZSCORE: dict[str, Any] = {"normalization": Normalization.ZSCORE, "mean": (1.0, 2.0), "std": (1.0, 2.0)}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"modality": "rs"}, "modality='rs' is not a Modality; write Modality.RS"),
        ({"modality": Modality.LOCATION}, "a place is a LocationInput"),
        ({"name": 3}, "name=3 is not a str"),
        ({"bands": "B4"}, "bands='B4' is not a tuple; write bands=('B4',)"),
        ({"bands": ["B4", "B8"]}, "bands=['B4', 'B8'] is not a tuple; it is tuple[str, ...]"),
        ({"bands": ()}, "name at least one band; names are strings"),
        ({"bands": ("B4", "")}, "name at least one band; names are strings"),
        ({"bands": ("B4", "B4")}, "bands= lists 'B4' twice"),
        ({"unit": "s2_dn"}, "unit='s2_dn' is not a Unit or a tuple or None; write Unit.S2_DN"),
        ({"unit": "dn"}, "a Unit is one of UINT8, REFLECTANCE, S2_DN"),
        ({"unit": (Unit.S2_DN,)}, "unit=('s2_dn',) for 2 bands; give one unit, or one for each band"),
        ({"unit": (Unit.S2_DN, "s2_dn")}, "unit has 's2_dn', which is not a Unit; write Unit.S2_DN"),
        ({"size": 0}, "size=0 is not a number of pixels"),
        ({"size": 8.5}, "size=8.5 is not an int"),
        ({"size": True}, "size=True is not an int"),
        ({"gsd_m": 0.0}, "gsd_m=0 is not a distance; it is metres per pixel, above 0"),
        ({"gsd_m": -10.0}, "gsd_m=-10 is not a distance"),
        ({"gsd_m": float("nan")}, "gsd_m=nan is not a distance"),
        ({"gsd_m": float("inf")}, "gsd_m=inf is not a distance"),
        ({"gsd_m": "10"}, "gsd_m='10' is not a number or None; it is float | None"),
        ({"frames": "3"}, "frames='3' is not an int or a tuple or None"),
        ({"frames": 0}, "frames=0 is not a number of images"),
        ({"frames": (3, 2)}, "frames=(3, 2) is not a number of images, 1 or more, or the least and the greatest one"),
        ({"frames": (1, 2, 3)}, "frames=(1, 2, 3) has 3 values, not 2"),
        ({"frames": (1, "2")}, "frames has '2', which is not an int"),
        ({"dated": "yes"}, "dated='yes' is not a bool"),
        ({"normalization": "minmax"}, "a Normalization is one of NONE, ZSCORE"),
        ({"normalization": Normalization.ZSCORE}, "normalization zscore needs mean, one number for each band"),
        ({"normalization": Normalization.TWO_SIGMA_8BIT, "mean": (1.0, 2.0)}, "two_sigma_8bit needs std"),
        (ZSCORE | {"bands": ANY}, "its bands are any; name them, or use NOMINAL"),
        (ZSCORE | {"mean": (1.0,)}, "mean=(1.0,) for 2 bands; give one number for each band"),
        (ZSCORE | {"std": (1.0, 2.0, 3.0)}, "std=(1.0, 2.0, 3.0) for 2 bands"),
        (ZSCORE | {"std": (1, 0)}, "std=(1, 0) is not a positive number for each band"),
        (ZSCORE | {"mean": (1.0, float("nan"))}, "mean=(1.0, nan) is not a number for each band"),
        ({"mean": (1.0,)}, "mean=(1.0,) for 2 bands"),
        ({"mean": [1.0, 2.0]}, "mean=[1.0, 2.0] is not a tuple"),
        ({"mean": ("1", "2")}, "mean has '1', which is not a number"),
        ({"interpolation": "cubic"}, "interpolation='cubic' is not 'bilinear' or 'bicubic'"),
        ({"antialias": None}, "antialias=None is not a bool"),
        ({"resampling": "gsd", "gsd_m": None}, "resampling='gsd' without gsd_m"),
        ({"resampling": "metres"}, "resampling='metres' is not 'size' or 'gsd'"),
        ({"missing": "skip"}, "missing='skip' is not 'refuse' or 'zero' or 'drop'"),
        ({"surplus_frames": "first"}, "surplus_frames='first' is not 'refuse' or 'even'"),
        ({"rendering": (0, 3000)}, "rendering=(0, 3000) is not a Rendering"),
        ({"synthetic": 1}, "synthetic=1 is not a bool"),
    ],
)
def test_an_image_that_no_plan_could_serve_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=r"^image ") as refused:
        replace(IMAGE, **wrong)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "right",
    [
        {},
        ZSCORE,
        {"mean": (1, 2), "std": (1, 2)},
        {"bands": ANY, "unit": None},
        {"unit": (Unit.S2_DN, Unit.REFLECTANCE)},
        {"size": None, "gsd_m": None, "frames": (1, 9)},
        {"frames": 1, "gsd_m": 10},
        {"bands": ANY, "normalization": Normalization.NOMINAL},
        {"rendering": Rendering(low=0, high=3000)},
    ],
)
def test_an_image_that_a_plan_can_serve_is_taken(right: dict[str, Any]) -> None:
    assert replace(IMAGE, **right).modality is Modality.RS


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"bands": "RGB"}, "bands='RGB' is not a tuple"),
        ({"bands": ("B4", "B3")}, "a rendering shows 3 bands, got B4, B3"),
        ({"low": "0"}, "low='0' is not a number"),
        ({"low": 5}, "a rendering from 5 to 5 shows nothing"),
        ({"high": float("inf")}, "a rendering from 0 to inf shows nothing"),
        ({"gamma": None}, "gamma=None is not a number"),
        ({"gamma": 0}, "gamma is above 0, got 0"),
        ({"gamma": float("inf")}, "gamma is above 0, got inf"),
    ],
)
def test_a_rendering_that_shows_nothing_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match="rendering") as refused:
        Rendering(**({"low": 0, "high": 5} | wrong))
    assert why in str(refused.value)


def test_an_order_of_coordinates_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="a location: order='xy' is not 'lonlat' or 'latlon'"):
        LocationInput(order="xy")  # type: ignore[arg-type]
