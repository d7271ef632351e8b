"""Read one image file, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError

GEOTIFF = {".tif", ".tiff"}


def read_image(path: Path, bands: Sequence[str], size: int | None) -> NDArray[Any]:
    """Read an image.

    Args:
        path: GeoTIFF, or JPEG, PNG or whatever Pillow reads as RGB.
        bands: Names of the bands that the file must hold, in its order.
        size: Edge in pixels to resize to, or ``None`` to leave it as it is.

    Returns:
        ``(band, height, width)`` in the file's data type; resized values of whole-number types are rounded.

    Raises:
        DataError: The file is missing, broken or cut short, or has another number of bands.
    """
    if not path.is_file():
        raise DataError(f"no image {path}", "correct the folder or the image column")
    values = _read_geotiff(path, bands) if path.suffix.lower() in GEOTIFF else _read_picture(path, bands)
    return values if size is None or values.shape[1:] == (size, size) else _resize(values, size)


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
                names = [name for name in file.descriptions if name]
                if len(names) == len(bands) and set(names) == set(bands) and tuple(names) != tuple(bands):
                    raise DataError(
                        f"{path} says that its bands are {', '.join(names)}, not {', '.join(bands)}",
                        "declare them in the file's order",
                    )
                values: NDArray[Any] = file.read()
    except (RasterioError, OSError) as error:
        raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error
    return values


def _read_picture(path: Path, bands: Sequence[str]) -> NDArray[Any]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            if image.mode not in {"RGB", "RGBA", "L", "I;16"}:
                raise DataError(f"{path} is of colour mode {image.mode}", "convert it to RGB")
            if len(image.getbands()) != len(bands):
                raise _band_error(path, len(image.getbands()), bands)
            values: NDArray[Any] = np.asarray(image)
            return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    # Pillow raises SyntaxError for broken PNG chunks, and OSError for data that end too early.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error


def _band_error(path: Path, count: int, bands: Sequence[str]) -> DataError:
    return DataError(
        f"{path} has {count} bands, and {len(bands)} are declared ({', '.join(bands)})",
        "correct the declared bands or the file",
    )


def _resize(values: NDArray[Any], size: int) -> NDArray[Any]:
    import torch
    from torch.nn import functional

    tensor = torch.from_numpy(values.astype(np.float32))[None]
    resized = functional.interpolate(tensor, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    array: NDArray[np.float32] = resized[0].numpy()
    if np.issubdtype(values.dtype, np.integer):
        limits = np.iinfo(values.dtype)
        return np.clip(np.rint(array), limits.min, limits.max).astype(values.dtype)
    return array
