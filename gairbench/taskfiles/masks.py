"""Masks as targets: the class or the measurement of every pixel of samples' images."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.masks import Mask, read_mask, resized_mask
from gairbench.georeference import Georeference
from gairbench.taskfiles.declaration import MaskFiles, Target
from gairbench.taskfiles.pixels import SamplePixels
from gairbench.taskfiles.rows import SampleRows
from gairbench.taskfiles.whereabouts import Whereabouts

IGNORED = 255
"""The class of pixels that take part in nothing."""

APART = 0.01
"""Share of an image's extent that its mask's may differ by."""


class SampleMasks:
    """The masks of samples, each read when it is asked for, in whatever thread.

    Args:
        rows: The rows and files.
        pixels: The images that they are of.
        whereabouts: Where these lie.
    """

    def __init__(self, rows: SampleRows, pixels: SamplePixels, whereabouts: Whereabouts) -> None:
        self.rows = rows
        self.pixels = pixels
        self.whereabouts = whereabouts
        self._finding = threading.Lock()
        self._files: dict[Target, list[Path]] = {}
        # Every mask is compared with the image of one sample; its header is read once.
        self._size = cache(self._size_of)

    def files(self, wanted: Target) -> list[Path]:
        """Return the masks of all samples.

        Raises:
            DataError: One is missing.
        """
        assert wanted.mask is not None  # noqa: S101  (parsing demands it of dense tasks)
        with self._finding:
            if wanted not in self._files:
                self._files[wanted] = self.rows.masks(wanted.mask, wanted.image)
            return self._files[wanted]

    def read(self, wanted: Target, row: int, like: int) -> NDArray[Any]:
        """Read the mask of one sample.

        Args:
            wanted: The target.
            row: The sample.
            like: A sample whose image is of the size that all masks must have.

        Returns:
            uint8 ``(height, width)`` class numbers and 255, or float32 measurements and NaN.

        Raises:
            DataError: The mask is broken, holds a value that is neither a class nor ignored, or is of another size or
                place than its image, or of another size than the other one.
        """
        mask = wanted.mask
        assert mask is not None  # noqa: S101
        files = self.files(wanted)
        values = self._one(wanted, mask, files[row], row)
        if values.shape != self._size(wanted.image, like):
            raise DataError(
                f"mask {files[row]} is of another size than {files[like]}",
                "declare the images' 'size' and 'resize: nearest'",
            )
        return values

    def _one(self, wanted: Target, mask: MaskFiles, path: Path, row: int) -> NDArray[Any]:
        stored = read_mask(path)
        self._check_place(wanted.image, stored, path, row)
        values = _classes(mask, stored, path) if mask.classes else _measurements(mask, stored, path)
        images = self.pixels.declared.image(wanted.image)
        height, width = self.pixels.shape(images, row)
        if values.shape == (height, width):
            return values
        if not mask.resize:
            raise DataError(
                f"mask {path} has {values.shape[0]} x {values.shape[1]} pixels and its image {height} x {width}",
                "declare 'resize: nearest', or give masks of the images' size",
            )
        return resized_mask(values, height, width)

    def _size_of(self, image: str, row: int) -> tuple[int, int]:
        return self.pixels.shape(self.pixels.declared.image(image), row)

    def _check_place(self, image: str, stored: Mask, path: Path, row: int) -> None:
        places = self.whereabouts.stated.get(image)
        place = places[row] if places else None
        if place is None or stored.place is None:
            return
        if place.crs != stored.place.crs or _apart(place, stored.place):
            raise DataError(f"mask {path} lies elsewhere than its image", "give each image its own mask")


def _apart(image: Georeference, mask: Georeference) -> bool:
    west, south, east, north = image.bounds
    allowed = (APART * (east - west), APART * (north - south)) * 2
    return any(abs(a - b) > most for a, b, most in zip(image.bounds, mask.bounds, allowed, strict=True))


def _classes(mask: MaskFiles, stored: Mask, path: Path) -> NDArray[np.uint8]:
    if stored.values.dtype.kind not in "iu":
        raise DataError(f"mask {path} holds {stored.values.dtype}, not whole numbers", "store classes as whole numbers")
    names = classes_of(mask)
    values = np.full(stored.values.shape, IGNORED, dtype=np.uint8)
    known = ~stored.valid | np.isin(stored.values, mask.ignore)
    for value, name in mask.classes:
        at = stored.valid & (stored.values == value)
        values[at] = names.index(name)
        known |= at
    if not known.all():
        value = int(stored.values[~known][0])
        raise DataError(
            f"mask {path} holds the value {value}, which is neither a class nor ignored",
            "name it under 'classes' or 'ignore'",
        )
    return values


def _measurements(mask: MaskFiles, stored: Mask, path: Path) -> NDArray[np.float32]:
    values = stored.values.astype(np.float32)
    values[~stored.valid | np.isin(stored.values, mask.ignore)] = np.nan
    if np.isinf(values).any():
        raise DataError(f"mask {path} holds values that are infinite", "mark them as nodata, or name them in 'ignore'")
    return values


def classes_of(mask: MaskFiles) -> tuple[str, ...]:
    """Return the names of a mask's classes, each once, in the order of the declared pixel values."""
    return tuple(dict.fromkeys(name for _, name in mask.classes))
