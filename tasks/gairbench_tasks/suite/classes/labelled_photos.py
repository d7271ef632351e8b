"""What datasets of street-level photos have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageFile
from torch import Tensor

from gairbench_tasks.suite.classes.in_splits import InSplits

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class LabelledPhotos(InSplits, ABC):
    """A dataset of photos: ``image`` ``(3, height, width)``, display values from 0 to 255, and what is known of it.

    The arguments and errors are those of :class:`gairbench_tasks.suite.classes.in_splits.InSplits`.
    """

    files: list[Path]
    """The photos."""
    size: int | None = None
    """Edge in pixels to which they are resized; ``None``: they keep their size."""

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.files)

    @abstractmethod
    def _known(self, index: int) -> dict[str, Tensor]:
        """Return what is known of a photo."""

    @abstractmethod
    def _title(self, sample: dict[str, Tensor]) -> str:
        """Return in words what is known of a sample."""

    def _read(self, index: int) -> dict[str, Tensor]:
        path = self.files[index]
        # Another library may have switched this on for the whole process: missing rows would silently be grey.
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            with Image.open(path) as file:
                photo = file.convert("RGB")
        except (OSError, Image.DecompressionBombError) as error:
            # Of a file that is cut short, or far too large, PIL does not say which it is.
            raise OSError(f"{path} cannot be read: {error}") from error
        if self.size is not None:
            photo = photo.resize((self.size, self.size), Image.Resampling.BILINEAR)
        return {"image": torch.from_numpy(np.array(photo)).permute(2, 0, 1).float(), **self._known(index)}

    def plot(self, sample: dict[str, Tensor], suptitle: str | None = None) -> Figure:
        """Draw a photo, under what is known of it.

        Args:
            sample: As :meth:`__getitem__` returns it.
            suptitle: Above it.
        """
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(6, 6))
        axes.imshow(sample["image"].permute(1, 2, 0).numpy().astype(np.uint8))
        axes.set_title(self._title(sample), fontsize="small")
        axes.axis("off")
        if suptitle is not None:
            figure.suptitle(suptitle)
        return figure
