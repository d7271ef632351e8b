"""AI4SmallFarms."""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.masked_rasters import MaskedRasters, read_bands, read_labels

BOUNDARY = 255
"""What masks hold where a field ends."""


class AI4SmallFarms(MaskedRasters):
    """AI4SmallFarms: 62 tiles of Sentinel-2 in Vietnam and Cambodia with the boundaries of small fields.

    Dataset format:

    * images: four bands (blue, green, red, near infrared), 496x496 pixels of 10 m, digital numbers; pixels without a
      value become 0
    * masks: 1 where a field ends and 0 elsewhere; files have 255 and 0

    The root holds the folder ``sentinel-2-asia`` with ``train``, ``validate`` and ``test``; PANGAEA's download renames
    the second one to ``val``.

    If you use it, please cite https://doi.org/10.1109/LGRS.2023.3323095.
    """

    url = "https://doi.org/10.17026/dans-xy6-ngg6"
    classes = ("not a boundary", "boundary")
    all_bands = ("B2", "B3", "B4", "B8")
    rgb = (2, 1, 0)

    def _find(self) -> None:
        names = ("val", "validate") if self.split == "val" else (self.split,)
        folders = [self.root / "sentinel-2-asia" / name for name in names]
        images = [path for folder in folders for path in sorted((folder / "images").glob("*.tif"))]
        if not images:
            raise DatasetNotFoundError(self)
        self.files = [{"image": path, "mask": path.parents[1] / "masks" / path.name} for path in images]
        if lacking := [files["image"] for files in self.files if not files["mask"].is_file()]:
            raise ValueError(f"{lacking[0]} has no mask; {len(lacking)} images have none")

    def __len__(self) -> int:
        """Return the number of tiles."""
        return len(self.files)

    def _read(self, index: int) -> dict[str, Tensor]:
        path = self.files[index]["mask"]
        mask = read_labels(path)
        if other := sorted(set(np.unique(mask.numpy()).tolist()) - {0, BOUNDARY}):
            raise ValueError(f"{path} holds {other[0]}, not 0 and {BOUNDARY}")
        return {"image": read_bands(self.files[index]["image"]), "mask": mask // BOUNDARY}
