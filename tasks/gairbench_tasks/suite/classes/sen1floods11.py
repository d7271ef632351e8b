"""Sen1Floods11."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError, NonGeoDataset

from gairbench_tasks.suite.classes.rasters import plot_mask, read_bands, read_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Sen1Floods11(NonGeoDataset):
    """Sen1Floods11, the chips that people labelled: 446 of eleven floods, seen by Sentinel-1 and Sentinel-2.

    Dataset format:

    * ``image_s1``: VV and VH in decibels, 512x512 pixels of 10 m; pixels without a value become 0, as the published
      loaders have it
    * ``image_s2``: 13 bands of Level-1C, digital numbers
    * masks: 0 no water, 1 water, -1 not known

    If you use it, please cite https://doi.org/10.1109/CVPRW50498.2020.00113.

    Args:
        root: Folder that holds ``v1.1``.
        split: ``"train"``, ``"val"`` or ``"test"``, or ``"bolivia"``: a flood that none of these has.
        transforms: Takes a sample and returns a changed one.

    Raises:
        AssertionError: There is no such split.
        DatasetNotFoundError: The files are not there.
    """

    url = "https://github.com/cloudtostreet/Sen1Floods11"
    splits = ("train", "val", "test", "bolivia")
    classes = ("no water", "water")
    rgb = (3, 2, 1)

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
        base = self.root / "v1.1"
        listed = {"val": "valid"}.get(split, split)
        table = base / "splits" / "flood_handlabeled" / f"flood_{listed}_data.csv"
        if not table.is_file():
            raise DatasetNotFoundError(self)
        self._folder = base / "data" / "flood_events" / "HandLabeled"
        with table.open(encoding="utf-8", newline="") as lines:
            self.chips = [row[0].removesuffix("_S1Hand.tif") for row in csv.reader(lines) if row]

    def __len__(self) -> int:
        """Return the number of chips."""
        return len(self.chips)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``image_s1`` ``(2, 512, 512)``, ``image_s2`` ``(13, 512, 512)`` and ``mask`` ``(512, 512)``."""
        chip = self.chips[index]
        sample = {
            "image_s1": read_bands(self._folder / "S1Hand" / f"{chip}_S1Hand.tif"),
            "image_s2": read_bands(self._folder / "S2Hand" / f"{chip}_S2Hand.tif"),
            "mask": read_labels(self._folder / "LabelHand" / f"{chip}_LabelHand.tif"),
        }
        return sample if self.transforms is None else self.transforms(sample)

    def plot(self, sample: dict[str, Tensor], suptitle: str | None = None) -> Figure:
        """Draw the optical image of a sample, and its mask.

        Args:
            sample: As :meth:`__getitem__` returns it.
            suptitle: Above it.
        """
        return plot_mask(sample["image_s2"], self.rgb, sample["mask"], self.classes, suptitle)
