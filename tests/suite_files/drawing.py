"""Pictures, masks and rasters of which a frozen model can learn what they show, and how they are saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin

Pixels = NDArray[np.uint8]
SPLITS = ("train", "val", "test")

EDGE = 128
"""In pixels, of what is larger where it is published."""


def colour(number: int) -> NDArray[np.float64]:
    """Return the colour of a class, three values from 40 to 215."""
    return 40 + np.array([number * 67 % 176, number * 101 % 176, number * 149 % 176], dtype=np.float64)


def picture(rng: np.random.Generator, number: float, size: int) -> Pixels:
    """Return an image ``(height, width, 3)`` of a class."""
    noise = rng.normal(0, 12, (size // 8 + 1, size // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:size, :size]
    return np.clip(colour(int(number)) + noise, 0, 255).astype(np.uint8)


def regions(rng: np.random.Generator, classes: int, size: int) -> Pixels:
    """Return a mask of square patches that has every class."""
    cells = rng.permutation(np.arange(16) % classes).reshape(4, 4)
    return cells.repeat(size // 4, 0).repeat(size // 4, 1).astype(np.uint8)


def shown(rng: np.random.Generator, mask: Pixels) -> Pixels:
    """Return the picture of a mask."""
    palette = np.array([colour(number) for number in range(mask.max() + 1)]).astype(np.uint8)
    # As long as it is not bright enough to overflow: 215 + 30.
    noise = rng.integers(0, 30, (mask.shape[0] // 8, mask.shape[1] // 8, 3), dtype=np.uint8)
    return palette[mask] + noise.repeat(8, 0).repeat(8, 1)


def save(path: Path, pixels: Pixels) -> None:
    """Write a picture or a mask in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_raster(path: Path, bands: NDArray[np.generic], *, west: float = 500_000, north: float = 5_500_000) -> None:
    """Write bands ``(band, height, width)`` as a georeferenced file of 10 m a pixel in UTM zone 33."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype,
        crs="EPSG:32633", transform=from_origin(west, north, 10, 10),
    ) as file:  # fmt: skip
        file.write(bands)


def reflected(rng: np.random.Generator, number: float, bands: int, size: int) -> NDArray[np.uint16]:
    """Return digital numbers of Sentinel-2 ``(band, height, width)`` of a class."""
    level = np.resize(colour(int(number)), bands)[:, None, None] * 12
    return np.clip(level + rng.normal(0, 100, (bands, size, size)), 1, 9_999).astype(np.uint16)


def seen_by_sentinel2(rng: np.random.Generator, mask: Pixels, bands: int) -> NDArray[np.uint16]:
    """Return digital numbers of Sentinel-2 ``(band, height, width)`` of a mask."""
    palette = np.array([np.resize(colour(number), bands) for number in range(mask.max() + 1)]) * 12
    noise = rng.normal(0, 100, (bands, *mask.shape))
    return np.clip(palette[mask].transpose(2, 0, 1) + noise, 1, 9_999).astype(np.uint16)


def divide(names: Sequence[str], each: int) -> dict[str, list[str]]:
    """Return the first, the middle and the last of each class's names as train, val and test."""
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for start in range(0, len(names), each):
        mine = names[start : start + each]
        parts["train"] += mine[:-2]
        parts["val"].append(mine[-2])
        parts["test"].append(mine[-1])
    return parts


def lists(folder: Path, pattern: str, names: Sequence[str], each: int) -> None:
    """Write one list of names for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, mine in divide(names, each).items():
        (folder / pattern.format(split)).write_text("\n".join(mine) + "\n")
