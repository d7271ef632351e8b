"""What all of these datasets have in common: samples in splits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torchgeo.datasets import NonGeoDataset


class InSplits(NonGeoDataset, ABC):
    """A dataset in splits; a class of one says how its files are found and read.

    Args:
        root: Folder of the files.
        split: One of ``splits``.
        transforms: Takes a sample and returns a changed one.

    Raises:
        ValueError: There is no such split, or the files do not belong together.
        OSError: A table is broken; the message names it.
        DatasetNotFoundError: The files are not there.
    """

    url: ClassVar[str]
    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"split is {split!r}, and not one of {', '.join(self.splits)}")
        self.root = Path(root)
        self.split = split
        self.transforms = transforms
        self._find()

    @abstractmethod
    def _find(self) -> None:
        """Find the samples of the split."""

    @abstractmethod
    def _read(self, index: int) -> dict[str, Tensor]:
        """Return a sample before it is transformed."""

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a sample.

        Raises:
            OSError: A file is missing or broken; the message names it.
        """
        sample = self._read(index)
        return sample if self.transforms is None else self.transforms(sample)
