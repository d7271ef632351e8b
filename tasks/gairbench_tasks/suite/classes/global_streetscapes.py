"""Global Streetscapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_photos import LabelledPhotos
from gairbench_tasks.suite.classes.tables import read_columns

if TYPE_CHECKING:
    from pandas import DataFrame, Series


class GlobalStreetscapes(LabelledPhotos):
    """Global Streetscapes, the photos of which people have labelled eight attributes.

    Dataset format:

    * ``manual_labels/<split>/<attribute>.csv``: one row for each photo, with ``uuid`` and the attribute
    * ``manual_labels/img/**/<uuid>.jpeg``: the photos, unpacked from ``1.tar.gz`` to ``7.tar.gz``
    * each attribute of a sample is the position of its class in the sorted list of ``attributes``, and -1 where nobody
      has labelled it. The published loader numbers classes by the order of the rows.

    Splits are the two published ones.

    Args:
        root: Folder that holds ``manual_labels``.
        split: ``"train"`` or ``"test"``.
        transforms: Takes a sample and returns a changed one.
        size: Edge in pixels to which photos are resized, whatever their shape; published is 224. ``None``:
            they keep their size.

    If you use it, please cite https://doi.org/10.1016/j.isprsjprs.2024.06.023.
    """

    url = "https://huggingface.co/datasets/NUS-UAL/global-streetscapes"
    splits = ("train", "test")
    attributes = {  # noqa: RUF012  (TorchGeo's classes have such attributes, too)
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
    """Positions of classes, one row for each photo and one column for each attribute."""

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        size: int | None = None,
    ) -> None:
        self.size = size
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        folder = self.root / "manual_labels"
        tables = {name: folder / self.split / f"{name}.csv" for name in self.attributes}
        photos = {path.stem: path for path in sorted((folder / "img").rglob("*.jpeg"))}
        if not photos or not all(path.is_file() for path in tables.values()):
            raise DatasetNotFoundError(self)
        labels = pd.DataFrame({name: self._classes_in(path, name) for name, path in tables.items()})
        self.labels = labels.fillna(-1).astype("int64").sort_index()
        if lacking := [uuid for uuid in self.labels.index if uuid not in photos]:
            raise ValueError(f"{folder / 'img'} has no {lacking[0]}.jpeg; {len(lacking)} labelled photos are missing")
        self.files = [photos[uuid] for uuid in self.labels.index]

    def _classes_in(self, path: Path, attribute: str) -> Series:
        """Return the positions of classes in a table, by uuid."""
        table = read_columns(path, texts=("uuid", attribute))
        names = table[attribute].str.strip().str.lower()
        classes = self.attributes[attribute]
        if other := sorted(set(names) - set(classes)):
            raise ValueError(f"{path} has {attribute} {other[0]!r}, which is not one of {', '.join(classes)}")
        if twice := table["uuid"][table["uuid"].duplicated()].tolist():
            raise ValueError(f"{path} has two rows of {twice[0]}")
        return names.map(classes.index).set_axis(table["uuid"])

    def _known(self, index: int) -> dict[str, Tensor]:
        row = self.labels.iloc[index]
        return {name: torch.tensor(int(row[name])) for name in self.attributes}

    def _title(self, sample: dict[str, Tensor]) -> str:
        known = {name: int(sample[name]) for name in self.attributes}
        return "\n".join(f"{name}: {self.attributes[name][label]}" for name, label in known.items() if label >= 0)
