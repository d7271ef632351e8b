"""A class is built with what it takes, also where a wrapper hides that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torchgeo.datasets import NonGeoDataset

from gairbench_tasks.torchgeo.building import build_dataset
from gairbench_tasks.torchgeo.source import TorchGeoSource


class Plain(NonGeoDataset):
    def __init__(self, root: str | Path = "data", split: str = "train", checksum: bool = True) -> None:
        self.root, self.split, self.checksum = root, split, checksum

    def __len__(self) -> int:
        return 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        raise IndexError(index)


class Old(Plain):
    """Wrapped as ``@deprecated`` wraps TorchGeo's XView2 since 0.10."""

    def __new__(cls, *args: Any, **options: Any) -> Old:
        return super().__new__(cls)


@pytest.mark.parametrize("cls", [Plain, Old])
def test_a_deprecated_class_gets_its_folder_and_hashes_nothing(cls: type[Plain], tmp_path: Path) -> None:
    source = TorchGeoSource(f"{__name__}:{cls.__name__}", {}, page="https://example.org")
    built = build_dataset(source, tmp_path, {"split": "test"})
    assert (built.root, built.split, built.checksum) == (tmp_path, "test", False)
