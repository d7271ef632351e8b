"""MADOS."""

from __future__ import annotations

import re

import torch
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.masked_rasters import MaskedRasters, read_bands, read_labels

_BAND = re.compile(r"_L2R_rhorc_(\d+)_")
"""The centre wavelength in nanometres, which differs a little between Sentinel-2A and 2B."""


class MADOS(MaskedRasters):
    """Marine Debris and Oil Spill: 2,803 tiles of 174 scenes of Sentinel-2, with sparse labels.

    Dataset format:

    * images: eleven bands in the order of wavelengths, 240x240 pixels of 10 m, Rayleigh-corrected reflectance; those of
      20 and 60 m are repeated, and pixels without a value become 0
    * masks: 0 not labelled, 1 to 15 the classes

    The root holds the folders ``Scene_*`` and ``splits``. A tile that has not all bands is a ``ValueError``.

    If you use it, please cite https://doi.org/10.1016/j.isprsjprs.2024.02.017.
    """

    url = "https://doi.org/10.5281/zenodo.10664073"
    classes = (
        "not labelled", "marine debris", "dense sargassum", "sparse floating algae", "natural organic material", "ship",
        "oil spill", "marine water", "sediment-laden water", "foam", "turbid water", "shallow water", "waves and wakes",
        "oil platform", "jellyfish", "sea snot",
    )  # fmt: skip
    all_bands = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
    rgb = (3, 2, 1)

    def _find(self) -> None:
        listed = self.root / "splits" / f"{self.split}_X.txt"
        if not listed.is_file():
            raise DatasetNotFoundError(self)
        self.tiles = listed.read_text(encoding="utf-8").split()

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.tiles)

    def _read(self, index: int) -> dict[str, Tensor]:
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
        return {"image": image, "mask": mask}
