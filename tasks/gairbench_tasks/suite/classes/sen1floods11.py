"""Sen1Floods11."""

from __future__ import annotations

import csv

from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.masked_rasters import MaskedRasters, read_bands, read_labels


class Sen1Floods11(MaskedRasters):
    """Sen1Floods11, the chips that people labelled: 446 of eleven floods, seen by Sentinel-1 and Sentinel-2.

    Dataset format:

    * ``image_s1``: VV and VH in decibels, 512x512 pixels of 10 m; pixels without a value become 0, as the published
      loaders have it
    * ``image_s2``: 13 bands of Level-1C, digital numbers
    * masks: 0 no water, 1 water, -1 not known

    The split ``bolivia`` is of a flood that none of the others has. The root holds the folder ``v1.1``.

    If you use it, please cite https://doi.org/10.1109/CVPRW50498.2020.00113.
    """

    url = "https://github.com/cloudtostreet/Sen1Floods11"
    splits = ("train", "val", "test", "bolivia")
    classes = ("no water", "water")
    shown = "image_s2"
    rgb = (3, 2, 1)

    def _find(self) -> None:
        listed = {"val": "valid"}.get(self.split, self.split)
        table = self.root / "v1.1" / "splits" / "flood_handlabeled" / f"flood_{listed}_data.csv"
        if not table.is_file():
            raise DatasetNotFoundError(self)
        with table.open(encoding="utf-8", newline="") as lines:
            self.chips = [row[0].removesuffix("_S1Hand.tif") for row in csv.reader(lines) if row]

    def __len__(self) -> int:
        """Return the number of chips."""
        return len(self.chips)

    def _read(self, index: int) -> dict[str, Tensor]:
        chip, folder = self.chips[index], self.root / "v1.1" / "data" / "flood_events" / "HandLabeled"
        return {
            "image_s1": read_bands(folder / "S1Hand" / f"{chip}_S1Hand.tif"),
            "image_s2": read_bands(folder / "S2Hand" / f"{chip}_S2Hand.tif"),
            "mask": read_labels(folder / "LabelHand" / f"{chip}_LabelHand.tif"),
        }
