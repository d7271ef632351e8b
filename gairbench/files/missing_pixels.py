"""What becomes of the missing pixels of an overhead image: filled and counted, or refused."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.files.badrows import ProblemKind, RowError
from gairbench.inputs import MissingPixels
from gairbench.valid_pixels import mask_at_size

Values = NDArray[Any]
Valid = NDArray[np.bool_]

MOST_MISSING = 0.5
"""An image of which a greater share is missing is refused: it would show what was filled in."""


def fill_missing(path: Path, values: Values, valid: Valid, missing_pixels: MissingPixels) -> tuple[Values, float]:
    """Fill missing pixels with the mean of the image's others in each band, which disturbs an encoder least.

    Args:
        path: The image, for messages.
        values: ``(band, height, width)``.
        valid: Which of them hold data.
        missing_pixels: ``"fill"``, or ``"refuse"`` an image with missing pixels.

    Returns:
        The values, rounded in whole-number types, and the share of pixels that was missing in the band with the fewest.

    Raises:
        RowError: Pixels are missing and are to be refused, or more than half of them are in any band.
    """
    if valid.all():
        return values, 0.0
    missing = missing_share(valid)
    if missing > MOST_MISSING:
        raise RowError(
            f"{path}: {missing:.0%} of its pixels hold no data (nodata, mask, alpha or NaN), and at most"
            f" {MOST_MISSING:.0%} are filled",
            "leave the image out, or cut it where it holds data",
            ProblemKind.HOLE,
        )
    if missing_pixels == "refuse":
        raise RowError(
            f"{path}: {missing:.1%} of its pixels hold no data (nodata, mask, alpha or NaN)",
            "leave the image out, or have them filled: --missing-pixels fill, or missing_pixels: fill in a task file",
            ProblemKind.HOLE,
        )
    return filled(values, valid), missing


def missing_share(valid: Valid) -> float:
    """Return the share of pixels without data, in the band with the fewest; ``valid`` is ``(band, height, width)``."""
    return 1 - float(valid.mean(axis=(1, 2)).min())


def filled(values: Values, valid: Valid) -> Values:
    """Return values with the mean of a band's valid ones in place of those that are not; 0 if none is."""
    out = values.copy()
    for band, holds in zip(out, valid, strict=True):
        mean = band[holds].mean() if holds.any() else 0
        band[~holds] = np.rint(mean) if values.dtype.kind in "iu" else mean
    return out


def resized_valid(valid: Valid, size: int) -> Valid:
    """Return which values hold data of an image that :func:`gairbench.files.images.resize` makes a square."""
    import torch

    # Most files lack the same pixels in all bands, and one is far faster than all.
    some = valid[:1] if (valid == valid[:1]).all() else valid
    resized = mask_at_size(torch.from_numpy(some)[None], (size, size), "bilinear", antialias=True)[0]
    return np.array(resized.expand(len(valid), size, size))


@dataclass(slots=True)
class Fills:
    """Counts images with filled pixels; it may be used from many threads.

    Args:
        images: How many there are.
        largest: The largest share of filled pixels in one.
    """

    images: int = 0
    largest: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, missing: float) -> None:
        """Count an image by the share of its pixels that was filled."""
        if missing:
            with self._lock:
                self.images += 1
                self.largest = max(self.largest, missing)

    def merge(self, other: Fills) -> None:
        """Count what another one counted."""
        with self._lock:
            self.images += other.images
            self.largest = max(self.largest, other.largest)

    def sentence(self, what: str = "overhead image") -> str:
        """Say how many images were filled; empty if none was."""
        if not self.images:
            return ""
        return (
            f"{self.images} {what}{'s' * (self.images > 1)} had missing data (nodata, mask, alpha or NaN) in up"
            f" to {self.largest:.1%} of the pixels, which {'were' if self.images > 1 else 'was'} filled with the mean"
            " of the others"
        )
