"""What these datasets have in common: rasters as tensors, and masks over them as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import torch
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def read_bands(path: Path, shape: tuple[int, int] | None = None) -> Tensor:
    """Return a raster ``(band, height, width)`` in single precision; values that are not finite become 0.

    Args:
        path: The file.
        shape: Height and width to repeat coarser pixels to; ``None``: as they are.

    Raises:
        OSError: The file is missing or broken; the message names it.
    """
    with _opened(path) as file:
        size = None if shape is None else (file.count, *shape)
        values = file.read(out_shape=size, resampling=Resampling.nearest).astype(np.float32)
    return torch.from_numpy(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))


def read_labels(path: Path) -> Tensor:
    """Return the first band of a raster ``(height, width)`` as whole numbers.

    Raises:
        OSError: The file is missing or broken; the message names it.
    """
    with _opened(path) as file:
        return torch.from_numpy(file.read(1).astype(np.int64))


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    try:
        with rasterio.open(path) as file:
            yield file
    except RasterioError as error:
        # Of a file that is cut short GDAL says that reading has failed, and not of which.
        raise OSError(f"{path} cannot be read: {error}") from error


def plot_mask(image: Tensor, rgb: Sequence[int], mask: Tensor, classes: Sequence[str], title: str | None) -> Figure:
    """Draw an image and its mask side by side.

    Args:
        image: ``(band, height, width)``, stretched from its 2nd to its 98th percentile.
        rgb: Positions of what is shown as red, green and blue.
        mask: ``(height, width)``; what is below 0 is left blank.
        classes: Their names.
        title: Above both.
    """
    import matplotlib.pyplot as plt

    picture = image[list(rgb)].permute(1, 2, 0).numpy()
    low, high = np.percentile(picture, (2, 98))
    shown = np.clip((picture - low) / max(float(high - low), 1e-9), 0, 1)
    figure, (left, right) = plt.subplots(ncols=2, figsize=(9, 4))
    left.imshow(shown)
    drawn = right.imshow(np.ma.masked_less(mask.numpy(), 0), cmap="tab20", vmin=0, vmax=len(classes) - 1)
    bar = figure.colorbar(drawn, ax=right, ticks=range(len(classes)))
    bar.ax.set_yticklabels(classes)
    for axes in (left, right):
        axes.axis("off")
    if title is not None:
        figure.suptitle(title)
    return figure
