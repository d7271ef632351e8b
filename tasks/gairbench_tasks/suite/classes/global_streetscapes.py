"""Global Streetscapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_photos import LabelledPhotos
from gairbench_tasks.suite.classes.tables import read_columns

if TYPE_CHECKING:
    from pandas import DataFrame


class GlobalStreetscapes(LabelledPhotos):
    """Global Streetscapes, the photos that people have labelled with one of eight attributes.

    Dataset format:

    * ``manual_labels/train/<attribute>.csv`` and ``manual_labels/test/<attribute>.csv``: one row for each photo, with
      ``uuid`` and the attribute; each attribute has photos of its own
    * ``manual_labels/img/**/<uuid>.jpeg``: the photos, unpacked from ``1.tar.gz`` to ``7.tar.gz``
    * ``label``: the position of the class in the sorted list ``classes``; the published loader numbers classes by the
      order of the rows

    Splits: ``test`` is published; ``val`` is a third of the published train, of each class, drawn with seed 42 as the
    published loader does, and ``train`` is the rest. Rows without a label are left out. As in that loader, photos are
    not turned by their EXIF orientation.

    Args:
        root: Folder that holds ``manual_labels``.
        split: One of ``splits``.
        transforms: Takes a sample and returns a changed one.
        attribute: One of ``attributes``.
        size: Edge in pixels to which photos are resized, whatever their shape; published is 224. ``None``: they keep
            their size.

    If you use it, please cite https://doi.org/10.1016/j.isprsjprs.2024.06.023.
    """

    url = "https://huggingface.co/datasets/NUS-UAL/global-streetscapes"
    attributes: ClassVar[dict[str, tuple[str, ...]]] = {
        "glare": ("no", "yes"),
        "lighting_condition": ("day", "dusk/dawn", "night"),
        "pano_status": ("false", "true"),
        "platform": ("cycling surface", "driving surface", "fields", "railway", "tunnel", "walking surface"),
        "quality": ("good", "slightly poor", "very poor"),
        "reflection": ("no", "yes"),
        "view_direction": ("front/back", "side"),
        "weather": ("clear", "cloudy", "foggy", "rainy", "snowy"),
    }
    labels: DataFrame
    """``uuid`` and ``label``, the position of its class, of each photo in the order of the table."""

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        attribute: str = "platform",
        size: int | None = None,
    ) -> None:
        if attribute not in self.attributes:
            raise ValueError(f"attribute is {attribute!r}, and not one of {', '.join(self.attributes)}")
        self.attribute = attribute
        self.classes = list(self.attributes[attribute])
        self.size = size
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        folder = self.root / "manual_labels"
        table = folder / ("test" if self.split == "test" else "train") / f"{self.attribute}.csv"
        photos = {path.stem: path for path in sorted((folder / "img").rglob("*.jpeg"))}
        archives = sorted((folder / "img").glob("*.tar.gz"))
        if table.is_file() and archives and not photos:
            raise ValueError(f"{archives[0]} is not unpacked; unpack all archives into {folder / 'img'}")
        if not photos or not table.is_file():
            raise DatasetNotFoundError(self)
        labels = self._read_labels(table)
        if self.split != "test":
            train, val = train_test_split(
                np.arange(len(labels)), test_size=0.33, stratify=labels["label"], random_state=42
            )
            labels = labels.iloc[train if self.split == "train" else val]
        if lacking := [uuid for uuid in labels["uuid"] if uuid not in photos]:
            raise ValueError(f"{folder / 'img'} has no {lacking[0]}.jpeg; {len(lacking)} labelled photos are missing")
        self.labels = labels
        self.files = [photos[uuid] for uuid in labels["uuid"]]

    def _read_labels(self, path: Path) -> DataFrame:
        table = read_columns(path, texts=("uuid", self.attribute))
        names = table[self.attribute].str.strip().str.lower()
        table, names = table[names != ""], names[names != ""]
        if other := sorted(set(names) - set(self.classes)):
            raise ValueError(f"{path} has {self.attribute} {other[0]!r}, not one of {', '.join(self.classes)}")
        if twice := table["uuid"][table["uuid"].duplicated()].tolist():
            raise ValueError(f"{path} has two rows of {twice[0]}")
        return table[["uuid"]].assign(label=names.map(self.classes.index).astype("int64"))

    def _known(self, index: int) -> dict[str, Tensor]:
        return {"label": torch.tensor(int(self.labels["label"].iloc[index]))}

    def _title(self, sample: dict[str, Tensor]) -> str:
        return f"{self.attribute}: {self.classes[int(sample['label'])]}"
