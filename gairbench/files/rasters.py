"""Open a raster file with GDAL such that it reads that file, and no other and no network."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.errors import DataError
from gairbench.files.guard import reading

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

REPLACE = "replace or remove the file"

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_STARTS = (
    *((start, "GTiff") for start in _TIFF),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"BM", "BMP"),
)
# GDAL opens these beside an image with whatever driver fits: a text may lead to any file or address.
_BESIDE = (".msk", ".MSK", ".ovr", ".OVR")


def driver_of(path: Path) -> str:
    """Return GDAL's name of a file's format by its first bytes, whatever it is called; empty if it is not among those.

    Raises:
        DataError: The file is missing or cannot be read.
    """
    start = first_bytes(path, 16)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    return next((driver for magic, driver in _STARTS if start.startswith(magic)), "")


def first_bytes(path: Path, count: int) -> bytes:
    """Return the beginning of an image file.

    Raises:
        DataError: The file is missing or cannot be read.
    """
    if not path.is_file():
        raise DataError(f"no image {path}", "correct the path, or the folder that it is relative to")
    with reading(path, "image", REPLACE), path.open("rb") as file:
        return file.read(count)


@contextmanager
def open_raster(path: Path, driver: str, array: str = "") -> Iterator[DatasetReader]:
    """Open a file with one driver of GDAL.

    Text formats that refer to other files or to the network (VRT, WMS, ...) are never tried. Files beside an image may
    hold its mask, CRS, nodata value or band names, and are refused if they refer to others.

    Args:
        path: An existing file, or the folder of a Zarr group.
        driver: As :func:`driver_of` says, or ``"Zarr"``.
        array: Name of the array in a Zarr group.

    Raises:
        DataError: It is broken, or refers to another file.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning

    for suffix in _BESIDE:
        sidecar = path.with_name(path.name + suffix)
        if sidecar.exists() and first_bytes(sidecar, 4) not in _TIFF:
            raise DataError(f"{sidecar} beside the image is not a TIFF", "remove it")
    with (
        reading(path, "image", REPLACE),
        # Without the listing of the folder only the names above are tried.
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="TRUE"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        # An absolute path never looks like one of GDAL's own, as HTTP addresses and archives do.
        whole = path.absolute()
        if array and '"' in str(whole):
            raise DataError(f"{path} has a quotation mark in its name", "rename it")
        file = rasterio.open(f'ZARR:"{whole}":/{array}' if array else whole, driver=driver)
        try:
            elsewhere = file.tags(ns="OVERVIEWS").get("OVERVIEW_FILE")
            if elsewhere is not None:
                raise DataError(f"{path} refers to another file, {elsewhere}", "remove that tag of its overviews")
            # The mask is looked for once: now, while the folder is not listed.
            _ = file.mask_flag_enums
        except BaseException:
            file.close()
            raise
    with file:
        yield file
