"""A picture of a map: its three main directions as red, green and blue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from gairbench.maps.tiling import Block
from gairbench.storage import atomic_file

EDGE = 2000
"""Most pixels along the longer edge of a picture."""

SAMPLE = 20_000
"""About how many pixels the directions are found from."""


class PixelSample:
    """Some pixels of a map, drawn while it is made.

    Args:
        pixels: Number of pixels of the map.
    """

    def __init__(self, pixels: int) -> None:
        self._share = min(1.0, SAMPLE / pixels)
        self._rng = np.random.default_rng(0)
        self._parts: list[NDArray[np.float32]] = []

    def add(self, values: NDArray[np.float32]) -> None:
        """Draw from a block ``(dim, height, width)``; NaN means missing."""
        pixels = values.reshape(len(values), -1).T
        pixels = pixels[np.isfinite(pixels[:, 0])]
        self._parts.append(pixels[self._rng.random(len(pixels)) < self._share])

    def pixels(self) -> NDArray[np.float32]:
        """Return the pixels drawn, ``(n, dim)``."""
        return np.concatenate(self._parts)


class Palette:
    """The mapping from embeddings to colours: a PCA, each component stretched from its 2nd to its 98th percentile.

    Args:
        pixels: A sample ``(n, dim)``, at least one.
    """

    def __init__(self, pixels: NDArray[np.float32]) -> None:
        # A map of one value, or of fewer than three numbers a pixel, has fewer than three directions.
        self._pca = PCA(n_components=min(3, *pixels.shape), random_state=0)
        with np.errstate(invalid="ignore"):  # no variance at all, of which sklearn would compute shares
            components = self._pca.fit_transform(pixels.astype(np.float64))
        self._low, high = np.percentile(components, [2, 98], axis=0)
        self._range = np.where(high > self._low, high - self._low, 1.0)

    def colours(self, values: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Colour a block ``(dim, height, width)`` as RGBA ``(height, width, 4)``, transparent without data."""
        height, width = values.shape[1:]
        pixels = values.reshape(len(values), -1).T
        valid = np.isfinite(pixels).all(axis=1)
        colours = np.zeros((len(pixels), 4), dtype=np.uint8)
        if valid.any():
            stretched = (self._pca.transform(pixels[valid].astype(np.float64)) - self._low) / self._range
            colours[valid, : stretched.shape[1]] = np.rint(stretched.clip(0, 1) * 255)
        colours[:, 3] = np.where(valid, 255, 0)
        return colours.reshape(height, width, 4)


def draw(
    path: Path,
    height: int,
    width: int,
    blocks: Iterable[Block],
    read: Callable[[Block], NDArray[np.float32]],
    palette: Palette,
) -> None:
    """Draw a map, every n-th pixel of it where it is large.

    Args:
        path: PNG to write.
        height: The map's rows.
        width: The map's columns.
        blocks: All of it.
        read: Reads one block, ``(dim, height, width)``.
        palette: From a sample of its pixels.

    Raises:
        StorageError: It cannot be written.
    """
    from PIL import Image

    step = -(-max(height, width) // EDGE)
    picture = np.zeros((-(-height // step), -(-width // step), 4), dtype=np.uint8)
    for block in blocks:
        # The next multiples of the step at or after the block's own edges.
        row, column = -(-block.row // step), -(-block.column // step)
        values = read(block)[:, row * step - block.row :: step, column * step - block.column :: step]
        if values.size:
            picture[row : row + values.shape[1], column : column + values.shape[2]] = palette.colours(values)
    with atomic_file(path) as file:
        Image.fromarray(picture).save(file, format="PNG")
