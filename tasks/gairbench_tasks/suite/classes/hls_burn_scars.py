"""HLS Burn Scars."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.masked_rasters import MaskedRasters, read_bands, read_labels

NO_DATA = 9999


class HLSBurnScars(MaskedRasters):
    """HLS Burn Scars: 804 scenes of Harmonized Landsat Sentinel-2 over fires in the United States, 2018 to 2021.

    Dataset format:

    * images: six bands (blue, green, red, near infrared, two of short-wave infrared), 512x512 pixels of 30 m,
      reflectance from 0 to 1; where there are no data they hold 9999, which becomes 0
    * masks: 0 not burned, 1 burned scar, -1 not known

    Splits: ``test`` is the published folder ``validation``; ``train`` and ``val`` are nine and one tenth of
    ``training``, drawn with seed 23 as the PANGAEA benchmark (https://arxiv.org/abs/2412.04204) does.

    If you use it, please cite https://huggingface.co/datasets/ibm-nasa-geospatial/hls_burn_scars.
    """

    url = "https://huggingface.co/datasets/ibm-nasa-geospatial/hls_burn_scars"
    classes = ("not burned", "burned")
    all_bands = ("B2", "B3", "B4", "B8A", "B11", "B12")
    rgb = (2, 1, 0)

    def _find(self) -> None:
        folder = self.root / ("validation" if self.split == "test" else "training")
        images = sorted(folder.glob("*merged.tif"))
        if not images:
            raise DatasetNotFoundError(self)
        masks = {_scene(path.name, "mask.tif"): path for path in folder.glob("*mask.tif")}
        if lacking := [path for path in images if _scene(path.name, "merged.tif") not in masks]:
            raise ValueError(f"{lacking[0]} has no mask; {len(lacking)} images have none")
        self.files = [{"image": path, "mask": masks[_scene(path.name, "merged.tif")]} for path in images]
        if self.split != "test":
            train, val = train_test_split(np.arange(len(images)), test_size=0.1, random_state=23)
            self.files = [self.files[row] for row in (train if self.split == "train" else val)]

    def __len__(self) -> int:
        """Return the number of scenes."""
        return len(self.files)

    def _read(self, index: int) -> dict[str, Tensor]:
        image = read_bands(self.files[index]["image"])
        image = torch.where(image == NO_DATA, torch.zeros(()), image)
        return {"image": image, "mask": read_labels(self.files[index]["mask"])}


def _scene(name: str, ending: str) -> str:
    """Return what an image's and its mask's name have in common: one has a point where the other has an underscore."""
    return name.removesuffix(ending).rstrip("._")
