"""Photos: read exactly, upright, or refused in one line, whatever a library raises."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageFile

from gairbench.errors import DataError
from gairbench.files.images import check_photo, read_photo

NOISE = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)
UPRIGHT = np.rot90(NOISE, -1).transpose(2, 0, 1)


def save(path: Path, values: np.ndarray[Any, Any] = NOISE, **options: Any) -> Path:
    Image.fromarray(values).save(path, **options)
    return path


def test_picture_comes_as_bands_rows_columns(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_photo(save(tmp_path / "a.png")), NOISE.transpose(2, 0, 1))


def test_grey_picture_is_one_band(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", NOISE[:, :, 0])
    np.testing.assert_array_equal(read_photo(path, ("pan",)), NOISE[None, :, :, 0])
    for read in (read_photo, check_photo):
        with pytest.raises(DataError, match=r"a\.png has 1 bands, and 3 are declared \(red, green, blue\)"):
            read(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_photo_taken_sideways_is_turned_upright(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    grey = np.full((12, 10, 3), 90, dtype=np.uint8)
    values = read_photo(save(tmp_path / name, NOISE if name[2] in "pt" else grey, exif=exif))
    assert values.shape == (3, 10, 12)
    if name[2] in "pt" and name != "a.webp":
        np.testing.assert_array_equal(values, UPRIGHT)


ORIENTATION = (0x112, 3, 1, struct.pack("<HH", 6, 0))
AFTER = 8 + 2 + 24 + 4
UNWRITABLE = {
    "a fraction over zero": ((0x11A, 10, 1, struct.pack("<I", AFTER)), struct.pack("<ii", -1, 0)),
    "a resolution as text": ((0x11A, 2, 8, struct.pack("<I", AFTER)), b"72 dpi\0\0"),
    "a negative unit": ((0x128, 8, 1, struct.pack("<hh", -1, 0)), b""),
}


@pytest.mark.parametrize("what", UNWRITABLE)
def test_exif_data_that_cannot_be_written_again_are_only_read(tmp_path: Path, what: str) -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((12, 10, 3), dtype=np.uint8)).save(buffer, "JPEG")
    entry, more = UNWRITABLE[what]
    entries = b"".join(struct.pack("<HHI", *item[:3]) + item[3] for item in (ORIENTATION, entry))
    body = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4) + more
    content = buffer.getvalue()
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + content[2:])
    assert read_photo(path).shape == (3, 10, 12)


@pytest.mark.parametrize("name", ["a.png", "a.jpeg", "progressive.jpeg", "a.tif", "a.webp", "a.avif"])
@pytest.mark.parametrize("tolerant", [False, True], ids=["strict", "tolerance-switched-on-elsewhere"])
def test_file_cut_short_is_refused(tmp_path: Path, name: str, tolerant: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    path = save(tmp_path / name, pixels, **({"progressive": True} if "progressive" in name else {}))
    read_photo(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    with pytest.raises(DataError, match=rf"cannot read image .*{name}: .*; replace or remove the file") as caught:
        read_photo(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [RuntimeError("decoder failed"), struct.error("too short"), KeyError("no such tag")])
def test_whatever_a_library_raises_is_an_error_of_that_file(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(DataError, match=r"cannot read image .*a\.png"):
        read_photo(save(tmp_path / "a.png"))


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_not_an_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read image .*a\.jpg"):
        read_photo(tmp_path / "a.jpg")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no image .*a\.png"):
        read_photo(tmp_path / "a.png")


def test_palette_picture_is_not_taken_for_grey(tmp_path: Path) -> None:
    Image.fromarray(NOISE).quantize(16).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is of colour mode P; convert it to RGB"):
        read_photo(tmp_path / "a.png", ("pan",))


@pytest.mark.parametrize(("name", "driver"), [("a.png", "PNG"), ("a.tif", "GTiff"), ("a.jp2", "JP2OpenJPEG")])
def test_photo_of_16_bits_is_refused_and_not_cut_to_8(tmp_path: Path, name: str, driver: str) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (3, 32, 32)).astype(np.uint16)
    options = {"QUALITY": "100", "REVERSIBLE": "YES"} if driver == "JP2OpenJPEG" else {}
    with rasterio.open(
        tmp_path / name, "w", driver=driver, count=3, height=32, width=32, dtype="uint16", **options
    ) as file:
        file.write(values)
    with pytest.raises(DataError, match=r"16 bits|colour mode|cannot read image"):
        read_photo(tmp_path / name)
