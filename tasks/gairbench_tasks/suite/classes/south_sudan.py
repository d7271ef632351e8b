"""The crop types of South Sudan."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.masked_rasters import MaskedRasters
from gairbench_tasks.suite.classes.tables import read_columns

_PARTITIONS = {"train": 0, "val": 1, "test": 2}
_LAST = 6


class CropTypeMappingSouthSudan(MaskedRasters):
    """Crop Type Mapping in South Sudan: squares of 640 m with the four most common crops, as SustainBench has it.

    Dataset format:

    * ``image_s1``: VV and VH in decibels, ``(date, 2, 64, 64)``
    * ``image_s2``: ten bands of Sentinel-2, digital numbers, ``(date, 10, 64, 64)``
    * of both the last six dates, the oldest first, as the PANGAEA benchmark (https://arxiv.org/abs/2412.04204) takes
      them, and fewer where there are fewer; values that are not finite become 0
    * masks: 0 sorghum, 1 maize, 2 rice, 3 groundnut; -1 other crops and what is not known

    The root holds the folder ``southsudan`` with ``list_eval_partition.csv``, ``npy`` and ``truth``. The splits are
    those of the table.

    If you use it, please cite https://arxiv.org/abs/2111.04724 and Rustowicz et al., Semantic segmentation of crop type
    in Africa, CVPR Workshops 2019.
    """

    url = "https://sustainlab-group.github.io/sustainbench/docs/datasets/sdg2/crop_type_mapping_ghana-ss.html"
    classes = ("sorghum", "maize", "rice", "groundnut")
    all_bands = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
    shown = "image_s2"
    rgb = (2, 1, 0)

    def _find(self) -> None:
        path = self.root / "southsudan" / "list_eval_partition.csv"
        if not path.is_file():
            raise DatasetNotFoundError(self)
        table = read_columns(path, numbers=("id", "partition"))
        if other := sorted(set(table["partition"]) - set(_PARTITIONS.values())):
            raise ValueError(f"{path} has the partition {other[0]:g}, not 0, 1 or 2")
        chosen = table["id"][table["partition"] == _PARTITIONS[self.split]]
        self.squares = [f"southsudan_{int(number):06d}" for number in chosen]

    def __len__(self) -> int:
        """Return the number of squares."""
        return len(self.squares)

    def _read(self, index: int) -> dict[str, Tensor]:
        folder, name = self.root / "southsudan", f"{self.squares[index]}.npz"
        images = {f"image_{sensor}": _series(folder / "npy" / name, sensor) for sensor in ("s1", "s2")}
        truth = torch.from_numpy(_array(folder / "truth" / name, "truth").astype(np.int64))
        crops = len(self.classes)
        return {**images, "mask": torch.where((truth >= 1) & (truth <= crops), truth - 1, -1)}


def _series(path: Path, sensor: str) -> Tensor:
    """Return the last dates of a series ``(date, band, height, width)``; files have dates in the last axis."""
    stored = _array(path, sensor)
    bands = 2 if sensor == "s1" else len(CropTypeMappingSouthSudan.all_bands)
    # Of radar the files have the ratio of VV and VH, too.
    if stored.ndim != 4 or len(stored) < bands or (sensor == "s2" and len(stored) > bands):
        raise ValueError(f"{path} has {sensor} of shape {stored.shape}, not ({bands}, height, width, date)")
    values = np.moveaxis(stored[:bands, ..., -_LAST:], -1, 0).astype(np.float32)
    return torch.from_numpy(np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0))


def _array(path: Path, name: str) -> NDArray[np.generic]:
    try:
        with np.load(path, allow_pickle=False) as file:
            found: NDArray[np.generic] = file[name]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        # A public loader gives the next square in place of one that is broken.
        raise OSError(f"{path} cannot be read: {error}") from error
    return found
