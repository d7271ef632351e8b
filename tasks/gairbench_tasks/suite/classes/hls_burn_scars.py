"""HLS Burn Scars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError, NonGeoDataset

from gairbench_tasks.suite.classes.rasters import plot_mask, read_bands, read_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NO_DATA = 9999


class HLSBurnScars(NonGeoDataset):
    """HLS Burn Scars: 804 scenes of Harmonized Landsat Sentinel-2 over fires in the United States, 2018 to 2021.

    Dataset format:

    * images: six bands (blue, green, red, near infrared, two of short-wave infrared), 512x512 pixels of 30 m,
      reflectance from 0 to 1; where there are no data they hold 9999, which becomes 0
    * masks: 0 not burned, 1 burned scar, -1 not known

    Splits: ``test`` is the published folder ``validation``; ``train`` and ``val`` are nine and one tenth of
    ``training``, drawn as the PANGAEA benchmark (https://arxiv.org/abs/2412.04204) does, with seed 23.

    If you use it, please cite https://huggingface.co/datasets/ibm-nasa-geospatial/hls_burn_scars.

    Args:
        root: Folder that holds ``training`` and ``validation``.
        split: ``"train"``, ``"val"`` or ``"test"``.
        transforms: Takes a sample and returns a changed one.

    Raises:
        AssertionError: There is no such split.
        DatasetNotFoundError: The files are not there.
        ValueError: An image has no mask.
    """

    url = "https://huggingface.co/datasets/ibm-nasa-geospatial/hls_burn_scars"
    splits = ("train", "val", "test")
    classes = ("not burned", "burned")
    all_bands = ("B2", "B3", "B4", "B8A", "B11", "B12")
    rgb = (2, 1, 0)

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        assert split in self.splits, f"split is one of {self.splits}"  # noqa: S101  (as TorchGeo's classes do)
        self.root = Path(root)
        self.split = split
        self.transforms = transforms
        folder = self.root / ("validation" if split == "test" else "training")
        images = sorted(folder.glob("*merged.tif"))
        if not images:
            raise DatasetNotFoundError(self)
        masks = {path.name.removesuffix("mask.tif").rstrip("._"): path for path in folder.glob("*mask.tif")}
        self.files = [{"image": path, "mask": masks.get(_scene(path))} for path in images]
        if lacking := [str(file["image"]) for file in self.files if file["mask"] is None]:
            raise ValueError(f"{lacking[0]} has no mask; {len(lacking)} images have none")
        if split != "test":
            train, val = train_test_split(np.arange(len(images)), test_size=0.1, random_state=23)
            self.files = [self.files[row] for row in (train if split == "train" else val)]

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``image`` ``(6, 512, 512)`` and ``mask`` ``(512, 512)``."""
        file = self.files[index]
        image = read_bands(Path(str(file["image"])))
        image = torch.where(image == NO_DATA, torch.zeros(()), image)
        sample = {"image": image, "mask": read_labels(Path(str(file["mask"])))}
        return sample if self.transforms is None else self.transforms(sample)

    def plot(self, sample: dict[str, Tensor], suptitle: str | None = None) -> Figure:
        """Draw a sample.

        Args:
            sample: As :meth:`__getitem__` returns it.
            suptitle: Above it.
        """
        return plot_mask(sample["image"], self.rgb, sample["mask"], self.classes, suptitle)


def _scene(image: Path) -> str:
    return image.name.removesuffix("merged.tif").rstrip("._")
