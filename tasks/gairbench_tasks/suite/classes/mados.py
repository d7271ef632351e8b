"""MADOS."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError, NonGeoDataset

from gairbench_tasks.suite.classes.rasters import plot_mask, read_bands, read_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAND = re.compile(r"_L2R_rhorc_(\d+)_")
"""The centre wavelength in nanometres, which differs a little between Sentinel-2A and 2B."""


class MADOS(NonGeoDataset):
    """Marine Debris and Oil Spill: 2,803 tiles of 174 scenes of Sentinel-2, with sparse labels.

    Dataset format:

    * images: eleven bands, 240x240 pixels of 10 m, Rayleigh-corrected reflectance; those of 20 and 60 m are repeated,
      and pixels without a value become 0
    * masks: 0 not labelled, 1 to 15 the classes

    If you use it, please cite https://doi.org/10.1016/j.isprsjprs.2024.02.017.

    Args:
        root: Folder that holds the folders ``Scene_*`` and ``splits``.
        split: ``"train"``, ``"val"`` or ``"test"``.
        transforms: Takes a sample and returns a changed one.

    Raises:
        AssertionError: There is no such split.
        DatasetNotFoundError: The files are not there.
    """

    url = "https://doi.org/10.5281/zenodo.10664073"
    splits = ("train", "val", "test")
    classes = (
        "not labelled", "marine debris", "dense sargassum", "sparse floating algae", "natural organic material", "ship",
        "oil spill", "marine water", "sediment-laden water", "foam", "turbid water", "shallow water", "waves and wakes",
        "oil platform", "jellyfish", "sea snot",
    )  # fmt: skip
    all_bands = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
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
        listed = self.root / "splits" / f"{split}_X.txt"
        if not listed.is_file():
            raise DatasetNotFoundError(self)
        self.tiles = listed.read_text(encoding="utf-8").split()

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.tiles)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``image`` ``(11, 240, 240)`` in the order of wavelengths, and ``mask`` ``(240, 240)``.

        Raises:
            ValueError: A tile has not all of the bands.
        """
        tile = self.tiles[index]
        scene, _, number = tile.rpartition("_")
        folder = self.root / scene
        mask = read_labels(folder / "10" / f"{scene}_L2R_cl_{number}.tif")
        found = {
            int(match[1]): path
            for path in folder.glob(f"[126]0/{scene}_L2R_rhorc_*_{number}.tif")
            if (match := _BAND.search(path.name))
        }
        if len(found) != len(self.all_bands):
            raise ValueError(f"{folder} has {len(found)} bands of tile {tile}, not {len(self.all_bands)}")
        height, width = mask.shape
        image = torch.cat([read_bands(found[wavelength], (height, width)) for wavelength in sorted(found)])
        sample = {"image": image, "mask": mask}
        return sample if self.transforms is None else self.transforms(sample)

    def plot(self, sample: dict[str, Tensor], suptitle: str | None = None) -> Figure:
        """Draw a sample.

        Args:
            sample: As :meth:`__getitem__` returns it.
            suptitle: Above it.
        """
        return plot_mask(sample["image"], self.rgb, sample["mask"], self.classes, suptitle)
