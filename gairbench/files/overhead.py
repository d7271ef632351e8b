"""Overhead images: bands, place, pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gairbench.bands import stack_bands
from gairbench.errors import DataError
from gairbench.files.images import GEOTIFF
from gairbench.georeference import Georeference, georeference
from gairbench.spec import RGB


def describe_overhead(
    path: Path, declared: Sequence[str] | None, *, placed: bool
) -> tuple[tuple[str, ...], tuple[str, ...], Georeference | None]:
    """Say what bands an overhead image has and where it lies.

    Args:
        path: GeoTIFF or picture.
        declared: Names of its bands; ``None``: as the file says.
        placed: Read the georeference too.

    Returns:
        The bands' names, the same as the file spells them, and its place, ``None`` if it states none.

    Raises:
        DataError: It is missing or broken, nobody names its bands, or it is not north up.
    """
    if not path.is_file():
        raise DataError(f"no image {path}", "correct the column or --root")
    if path.suffix.lower() not in GEOTIFF:
        from PIL import Image

        try:
            with Image.open(path) as image:
                # The file format itself says which channel is red.
                stated = {"RGB": RGB, "RGBA": (*RGB, "alpha")}.get(image.mode, (None,) * len(image.getbands()))
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error
        bands = stack_bands(path, len(stated), stated, declared)
        return bands, bands, None
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                bands = stack_bands(path, file.count, file.descriptions, declared)
                spelled = tuple(said or name for said, name in zip(file.descriptions, bands, strict=True))
                return bands, spelled, georeference(path, file) if placed else None
    except (RasterioError, OSError) as error:
        raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error
