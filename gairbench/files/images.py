"""Read one image file, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.bands import KNOWN_BANDS
from gairbench.errors import DataError
from gairbench.spec import Unit

GEOTIFF = {".tif", ".tiff"}


def read_image(path: Path, bands: Sequence[str], unit: Unit, size: int | None) -> NDArray[Any]:
    """Read an image.

    Args:
        path: GeoTIFF, or JPEG, PNG or whatever Pillow reads; a photo is turned upright as its EXIF data say.
        bands: Names of the bands that the file must hold, in its order.
        unit: Scale of its values; it rules data types out, and never changes a value.
        size: Edge in pixels to resize to, or ``None`` to leave it as it is.

    Returns:
        ``(band, height, width)`` in the file's data type. Resizing is bilinear with a low-pass before shrinking, to a
        square whatever the shape was; values of whole-number types are rounded.

    Raises:
        DataError: The file is missing, broken or cut short, has other bands or another number of them, is of a data
            type that cannot hold the unit, or has values that are no numbers.
    """
    if not path.is_file():
        raise DataError(f"no image {path}", "correct the folder or the image column")
    values = _read_geotiff(path, bands) if path.suffix.lower() in GEOTIFF else _read_picture(path, bands)
    _check_values(path, values, unit)
    return values if size is None or values.shape[1:] == (size, size) else resize(values, size)


def _read_geotiff(path: Path, bands: Sequence[str]) -> NDArray[Any]:
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            # Nothing here needs the georeference: coordinates come from the table or the file name.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                if file.count != len(bands):
                    raise _band_error(path, file.count, bands)
                names = tuple(name or "" for name in file.descriptions)
                # Descriptions are free text: only those that are band names are a statement.
                if names != tuple(bands) and {*bands, *KNOWN_BANDS} & {*names}:
                    absent = [band for band in bands if band not in names]
                    raise DataError(
                        f"{path} says that its bands are {', '.join(name or '(unnamed)' for name in names)}"
                        + (f" and has no {', '.join(absent)}" if absent else f", not {', '.join(bands)}"),
                        "declare them as they are in the file, in its order",
                    )
                values: NDArray[Any] = file.read()
    except (RasterioError, OSError) as error:
        raise DataError(f"cannot read image {path}: {gdal_reason(error)}", "replace or remove the file") from error
    return values


def _read_picture(path: Path, bands: Sequence[str]) -> NDArray[Any]:
    from PIL import Image, ImageFile, ImageOps

    # Another library may have switched this on for the whole process: missing rows would silently be grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with Image.open(path) as image:
            if image.mode not in {"RGB", "RGBA", "L", "I;16"}:
                raise DataError(f"{path} is of colour mode {image.mode}", "convert it to RGB")
            if len(image.getbands()) != len(bands):
                raise _band_error(path, len(image.getbands()), bands)
            values: NDArray[Any] = np.asarray(ImageOps.exif_transpose(image))
            return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    # Pillow raises SyntaxError for broken PNG chunks, and OSError for data that end too early.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error


def gdal_reason(error: BaseException) -> str:
    """Return why GDAL could not read a file.

    ``rasterio`` says "see previous exception" of a broken file, and hands over what GDAL said as a chain of causes, the
    first of which came last.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)


def check_dtype(path: Path, dtype: np.dtype[Any], unit: Unit) -> None:
    """Refuse a unit that an image's data type cannot hold.

    Raises:
        DataError: Display values that are no bytes, reflectances that are whole numbers, or complex numbers.
    """
    fitting = {Unit.UINT8: dtype == np.uint8, Unit.REFLECTANCE: dtype.kind == "f"}
    if not fitting.get(unit, dtype.kind in "uif"):
        raise DataError(
            f"{path} holds {dtype} values, which cannot be {unit}", "declare the unit that the files are in"
        )


def _check_values(path: Path, values: NDArray[Any], unit: Unit) -> None:
    check_dtype(path, values.dtype, unit)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise DataError(f"{path} has {bad} values that are no finite numbers", "fill them, or remove the file")


def _band_error(path: Path, count: int, bands: Sequence[str]) -> DataError:
    return DataError(
        f"{path} has {count} bands, and {len(bands)} are declared ({', '.join(bands)})",
        "correct the declared bands or the file",
    )


def resize(values: NDArray[Any], size: int) -> NDArray[Any]:
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
