"""One image file: whole and as declared, or refused by name."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image, ImageFile
from rasterio.errors import NotGeoreferencedWarning

from gairbench.errors import DataError
from gairbench.files.images import read_image
from gairbench.spec import RGB, Unit

NOISE = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)


def save(path: Path, pixels: NDArray[Any] = NOISE, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def save_tiff(path: Path, values: NDArray[Any], names: tuple[str, ...] = ()) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=values.shape[0],
            height=values.shape[1],
            width=values.shape[2],
            dtype=values.dtype,
        ) as file:
            file.write(values)
            if names:
                file.descriptions = names
    return path


def test_picture_comes_as_bands_rows_columns(tmp_path: Path) -> None:
    values = read_image(save(tmp_path / "a.png"), RGB, Unit.UINT8, None)
    np.testing.assert_array_equal(values, NOISE.transpose(2, 0, 1))


def test_grey_picture_is_one_band(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", NOISE[:, :, 0])
    np.testing.assert_array_equal(read_image(path, ("pan",), Unit.UINT8, None), NOISE[None, :, :, 0])
    with pytest.raises(DataError, match=r"a\.png has 1 bands, and 3 are declared \(red, green, blue\)"):
        read_image(path, RGB, Unit.UINT8, None)


def test_photo_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.png", exif=exif)
    values = read_image(path, RGB, Unit.UINT8, None)
    np.testing.assert_array_equal(values, np.rot90(NOISE, -1).transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["a.png", "a.jpeg", "progressive.jpeg", "a.tif"])
@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerance-switched-on-elsewhere"])
def test_file_cut_short_is_refused(tmp_path: Path, name: str, tolerant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / name
    if path.suffix == ".tif":
        save_tiff(path, pixels.transpose(2, 0, 1))
    else:
        save(path, pixels, **({"progressive": True} if "progressive" in name else {}))
    read_image(path, RGB, Unit.UINT8, None)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    with pytest.raises(DataError, match=rf"cannot read image .*{name}: .*; replace or remove the file") as caught:
        read_image(path, RGB, Unit.UINT8, None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("content", [b"", b"<html>not found</html>"], ids=["empty", "html"])
def test_what_is_no_image_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=f"cannot read image .*{name}"):
        read_image(tmp_path / name, RGB, Unit.UINT8, None)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image .*a\.png"):
        read_image(tmp_path / "a.png", RGB, Unit.UINT8, None)


def test_palette_picture_is_not_taken_for_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(NOISE).quantize(16).save(path)
    with pytest.raises(DataError, match=r"a\.png is of colour mode P; convert it to RGB"):
        read_image(path, ("pan",), Unit.UINT8, None)


@pytest.mark.parametrize(
    ("dtype", "unit", "fits"),
    [
        ("uint8", Unit.UINT8, True),
        ("uint16", Unit.UINT8, False),
        ("float32", Unit.UINT8, False),
        ("float32", Unit.REFLECTANCE, True),
        ("uint16", Unit.REFLECTANCE, False),
        ("uint16", Unit.S2_DN, True),
        ("int16", Unit.S2_DN, True),
        ("float32", Unit.S2_DN, True),
    ],
)
def test_data_type_that_cannot_hold_the_unit_is_refused(tmp_path: Path, dtype: str, unit: Unit, fits: bool) -> None:
    path = save_tiff(tmp_path / "a.tif", np.ones((1, 4, 4), dtype=dtype))
    if fits:
        assert read_image(path, ("B2",), unit, None).dtype == dtype
    else:
        with pytest.raises(DataError, match=rf"a\.tif holds {dtype} values, which cannot be {unit}"):
            read_image(path, ("B2",), unit, None)


def test_pixels_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    values = np.ones((1, 4, 4), dtype=np.float32)
    values[0, 1, 2] = np.nan
    with pytest.raises(DataError, match=r"a\.tif has 1 values that are no finite numbers"):
        read_image(save_tiff(tmp_path / "a.tif", values), ("B2",), Unit.REFLECTANCE, None)


@pytest.mark.parametrize(
    ("in_file", "declared", "message"),
    [
        (("B2", "B3"), ("B2", "B3"), None),
        # Free text, as stackstac writes it, says nothing about bands.
        (("stackstac-1", "stackstac-1"), ("B2", "B3"), None),
        (("B3", "B2"), ("B2", "B3"), r"says that its bands are B3, B2, not B2, B3"),
        (("B2", "B5"), ("B2", "B3"), r"says that its bands are B2, B5 and has no B3"),
        (("B8", "B11"), ("B2", "B3"), r"says that its bands are B8, B11 and has no B2, B3"),
        (("vv", "vh"), ("vh", "vv"), r"says that its bands are vv, vh, not vh, vv"),
    ],
)
def test_band_names_in_a_geotiff_are_held_against_the_declared_ones(
    tmp_path: Path, in_file: tuple[str, ...], declared: tuple[str, ...], message: str | None
) -> None:
    values = np.arange(8, dtype=np.uint16).reshape(2, 2, 2)
    path = save_tiff(tmp_path / "a.tif", values, in_file)
    if message is None:
        np.testing.assert_array_equal(read_image(path, declared, Unit.S2_DN, None), values)
    else:
        with pytest.raises(DataError, match=message):
            read_image(path, declared, Unit.S2_DN, None)


def test_geotiff_with_another_number_of_bands_is_refused(tmp_path: Path) -> None:
    path = save_tiff(tmp_path / "a.tif", np.ones((13, 2, 2), dtype=np.uint16))
    with pytest.raises(DataError, match=r"a\.tif has 13 bands, and 2 are declared \(B2, B3\)"):
        read_image(path, ("B2", "B3"), Unit.S2_DN, None)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_resizing_keeps_type_and_level_and_low_passes(tmp_path: Path, dtype: str) -> None:
    # A checkerboard of single pixels must become grey: without a low-pass it would stay black and white.
    board = (np.indices((64, 48)).sum(axis=0) % 2 * 200).astype(dtype)[None]
    unit = Unit.UINT8 if dtype == "uint8" else Unit.S2_DN
    values = read_image(save_tiff(tmp_path / "a.tif", board), ("B2",), unit, 16)
    assert values.shape == (1, 16, 16)
    assert values.dtype == dtype
    np.testing.assert_allclose(values, 100, atol=8)


def test_real_sentinel2_tile_is_read_in_its_own_numbers(shared: Path) -> None:
    path = next(iter(sorted((shared / "data" / "eurosat_ms_small" / "Forest").glob("*.tif"))))
    bands = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")
    values = read_image(path, bands, Unit.S2_DN, None)
    assert values.shape == (13, 64, 64)
    assert values.dtype == np.uint16
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(values[7], file.read(8))
    # Over forest the near infrared is several times as bright as red.
    assert values[7].mean() > 2 * values[3].mean()
