"""What datasets of rasters and masks over them have in common."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import rasterio
import torch
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from torch import Tensor

from gairbench_tasks.suite.classes.in_splits import InSplits

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class MaskedRasters(InSplits, ABC):
    """A dataset of rasters with masks: images ``(band, height, width)``, and ``mask`` ``(height, width)``.

    Series have dates first: ``(date, band, height, width)``.

    The arguments and errors are those of :class:`gairbench_tasks.suite.classes.in_splits.InSplits`.
    """

    classes: ClassVar[tuple[str, ...]]
    shown: ClassVar[str] = "image"
    """The entry of a sample that :meth:`plot` draws."""
    rgb: ClassVar[tuple[int, int, int]]
    """Positions of its bands that are shown as red, green and blue."""

    def plot(self, sample: dict[str, Tensor], suptitle: str | None = None) -> Figure:
        """Draw a sample and its mask side by side.

        Args:
            sample: As :meth:`__getitem__` returns it. The image, of a series the last, is stretched from its 2nd to its
                98th percentile, and what is below 0 in the mask is left blank.
            suptitle: Above it.
        """
        import matplotlib.pyplot as plt

        image = sample[self.shown]
        picture = (image[-1] if image.ndim == 4 else image)[list(self.rgb)].permute(1, 2, 0).numpy()
        low, high = np.percentile(picture, (2, 98))
        figure, (left, right) = plt.subplots(ncols=2, figsize=(9, 4))
        left.imshow(np.clip((picture - low) / max(float(high - low), 1e-9), 0, 1))
        mask = np.ma.masked_less(sample["mask"].numpy(), 0)
        drawn = right.imshow(mask, cmap="tab20", vmin=0, vmax=len(self.classes) - 1)
        bar = figure.colorbar(drawn, ax=right, ticks=range(len(self.classes)))
        bar.ax.set_yticklabels(self.classes)
        for axes in (left, right):
            axes.axis("off")
        if suptitle is not None:
            figure.suptitle(suptitle)
        return figure


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
