"""Photos, and pictures that Pillow decodes: read exactly, or refused."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.guard import reading
from gairbench.files.rasters import REPLACE, driver_of, first_bytes, open_raster
from gairbench.inputs import RGB

if TYPE_CHECKING:
    from PIL import Image

Values = NDArray[Any]

# Formats of pixels only. Others of Pillow's start a program (EPS) or scale what they read (JPEG 2000, PPM).
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "GIF", "TIFF")
_MODES = {"L": (None,), "LA": (None, "alpha"), "RGB": RGB, "RGBA": (*RGB, "alpha")}

_EXIF_NAMES = re.compile(rb"exif|xmp")
_TEXTS = {b"iTXt", b"zTXt", b"tEXt"}
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258


class Picture(NamedTuple):
    """A decoded picture.

    Args:
        values: ``(band, height, width)`` of 8 bits, turned upright.
        names: What the format says about each band: the colour, ``"alpha"``, or nothing.
        turned: Its EXIF data say that the camera was held sideways or upside down.
    """

    values: NDArray[np.uint8]
    names: tuple[str | None, ...]
    turned: bool


def read_photo(path: Path, bands: Sequence[str] = RGB, size: int | None = None) -> Values:
    """Read a photo.

    Args:
        path: JPEG, PNG, WebP, AVIF, BMP, TIFF or JPEG 2000 of 8 bits per value; its content says which, not its name.
        bands: Names of the bands that it must have.
        size: Edge in pixels to resize to, or ``None`` to leave it as it is.

    Returns:
        ``(band, height, width)`` of 8 bits, turned upright as the EXIF data say.

    Raises:
        DataError: The file is missing, broken or cut short, of more or fewer bits, or has another number of bands.
    """
    if driver_of(path) == "JP2OpenJPEG":
        with open_raster(path, "JP2OpenJPEG") as file, reading(path, "image", REPLACE):
            _check_count(path, file.count, bands)
            bits = {
                int(file.tags(band, ns="IMAGE_STRUCTURE").get("NBITS", 8 * np.dtype(dtype).itemsize))
                for band, dtype in zip(file.indexes, file.dtypes, strict=True)
            }
            if set(file.dtypes) != {"uint8"} or bits != {8}:
                raise _other_depth(path, f"{' and '.join(map(str, sorted(bits)))} bits per value")
            values: Values = file.read()
    else:
        values, names, _ = read_picture(path)
        _check_count(path, len(names), bands)
    return values if size is None or values.shape[1:] == (size, size) else resize(values, size)


def check_photo(path: Path, bands: Sequence[str] = RGB) -> None:
    """Read a photo's header.

    Raises:
        DataError: As for :func:`read_photo`, as far as the header shows it.
    """
    if driver_of(path) == "JP2OpenJPEG":
        with open_raster(path, "JP2OpenJPEG") as file:
            _check_count(path, file.count, bands)
        return
    with reading(path, "image", REPLACE), _opened(path) as image:
        _check_count(path, len(_MODES[image.mode]), bands)


def read_picture(path: Path) -> Picture:
    """Decode a picture of 8 bits per value.

    Raises:
        DataError: The file is missing, broken or cut short, of another depth, or has a palette or other colours.
    """
    with reading(path, "image", REPLACE), _opened(path) as image:
        # Pillow itself turns a TIFF while it loads, and takes the note of it away.
        image.load()
        turn = _turn(image)
        values: NDArray[np.uint8] = np.asarray(image if turn is None else image.transpose(turn))
        names = _MODES[image.mode]
    return Picture(values[None] if values.ndim == 2 else values.transpose(2, 0, 1), names, turn is not None)


def picture_names(path: Path) -> tuple[str | None, ...]:
    """Return what a picture's format says about each band, by its header, see :class:`Picture`.

    Raises:
        DataError: As for :func:`read_picture`, as far as the header shows it.
    """
    with reading(path, "image", REPLACE), _opened(path) as image:
        return _MODES[image.mode]


def resize(values: Values, size: int) -> Values:
    """Resize ``(band, height, width)`` to a square: bilinear, low-pass before shrinking, whole numbers rounded."""
    import torch
    from torch.nn import functional

    tensor = torch.from_numpy(values.astype(np.float32))[None]
    resized = functional.interpolate(tensor, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    array: NDArray[np.float32] = resized[0].numpy()
    if np.issubdtype(values.dtype, np.integer):
        limits = np.iinfo(values.dtype)
        return np.clip(np.rint(array), limits.min, limits.max).astype(values.dtype)
    return array


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    from PIL import Image, ImageFile

    first_bytes(path, 1)
    # Registers all formats; opening by name does not.
    Image.init()
    # Another library may have switched this on for the whole process: missing rows would silently be grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with warnings.catch_warnings():
        # The limit that is an error is twice the one that warns.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=_FORMATS) as image:
            if image.mode not in _MODES:
                raise DataError(f"{path} is of colour mode {image.mode}", "convert it to RGB")
            bits = _depth(path, image)
            if bits != {8}:
                raise _other_depth(path, f"{' and '.join(map(str, sorted(bits)))} bits per value")
            yield image


def _depth(path: Path, image: Image.Image) -> set[int]:
    """Return the bits per value in the file: Pillow hands deeper ones over as 8 bits."""
    if image.format == "PNG":
        return {first_bytes(path, 25)[24]}
    if image.format == "TIFF":
        return set(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (1,)))
    if image.format == "AVIF":
        start = first_bytes(path, 4096)
        at = start.find(b"av1C")
        # The third byte of AV1's configuration: high bit depth, twelve bits.
        flags = start[at + 6] if 0 <= at < len(start) - 6 else 0
        return {(12 if flags & 0x20 else 10) if flags & 0x40 else 8}
    return {8}


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return how a picture is turned upright. Its EXIF data are read only: not all that can be read can be written."""
    from PIL.Image import Transpose

    return {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(image.getexif().get(_ORIENTATION, 1))


def is_turned(path: Path) -> bool:
    """Return whether a PNG says that it is to be turned; GDAL, which reads its pixels, does not look.

    Raises:
        DataError: The file is broken or cut short, which GDAL does not report.
    """
    from PIL import Image, ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with reading(path, "image", REPLACE):
        with Image.open(path, formats=["PNG"]) as image:
            image.verify()
        # Its chunks are passed over, not read.
        with path.open("rb") as file:
            file.seek(8)
            while len(head := file.read(8)) == 8:
                length, kind = struct.unpack(">I4s", head)
                body = file.tell()
                if kind == b"eXIf" or (kind in _TEXTS and _EXIF_NAMES.search(file.read(32))):
                    with _opened(path) as image:
                        return _turn(image) is not None
                file.seek(body + length + 4)
    return False


def _check_count(path: Path, count: int, bands: Sequence[str]) -> None:
    if count != len(bands):
        raise DataError(
            f"{path} has {count} bands, and {len(bands)} are declared ({', '.join(bands)})",
            "correct the declared bands or the file",
        )


def _other_depth(path: Path, depth: str) -> DataError:
    return DataError(f"{path} has {depth}, and photos have 8", "convert it to 8 bits")
