"""A sample's place is read from its file's header when it is asked for, and not before."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import suite_files
import torch
from torch.utils.data import default_collate

from gairbench import DataContext
from gairbench.spec import resolve
from gairbench_tasks.suite import DATASETS
from gairbench_tasks.torchgeo.opened import TorchGeoSplit
from gairbench_tasks.torchgeo.placed import PlacedSample
from gairbench_tasks.torchgeo.samples import Samples


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return suite_files.write(tmp_path_factory.mktemp("placed"), "eurosat")


@pytest.fixture
def split(root: Path) -> TorchGeoSplit:
    spec = next(spec for spec in DATASETS if spec.name == "eurosat")
    found: TorchGeoSplit = resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("train")
    return found


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts headers that are read, by file."""
    counted: Counter[str] = Counter()
    read = Samples._places_of_files

    def counting(self: Samples, paths: list[Path]) -> Any:
        counted.update(path.name for path in paths)
        return read(self, paths)

    monkeypatch.setattr(Samples, "_places_of_files", counting)
    return counted


def test_images_are_had_without_any_header(split: TorchGeoSplit, headers: Counter[str]) -> None:
    for index in range(4):
        assert split[index]["image"].shape == (13, 64, 64)
        assert "bbox" in split[index]
        assert list(split[index]) == ["image", "lonlat", "bbox"]
    assert not headers


def test_a_place_costs_one_header_however_often_it_is_asked_for(split: TorchGeoSplit, headers: Counter[str]) -> None:
    for _ in range(3):
        assert split[2]["lonlat"].shape == (2,)
        assert split[2]["bbox"].shape == (4,)
    assert list(headers.values()) == [1]


def test_places_are_those_of_the_whole_split(split: TorchGeoSplit) -> None:
    singly = np.stack([split[index]["lonlat"].numpy() for index in range(len(split))])
    places = split.places()
    assert places is not None
    assert np.array_equal(singly, places)
    west, north, east, south = split[5]["bbox"].tolist()
    lon, lat = singly[5]
    assert west < lon < east
    assert south < lat < north


def test_a_sample_is_a_mapping_that_loaders_collate_and_send(split: TorchGeoSplit) -> None:
    sample = split[0]
    assert isinstance(sample, PlacedSample)
    assert list(sample) == ["image", "lonlat", "bbox"]
    assert len(sample) == 3
    assert "lonlat" in sample
    assert "label" not in sample
    sent = pickle.loads(pickle.dumps(sample))
    assert type(sent) is dict
    assert torch.equal(sent["lonlat"], sample["lonlat"])
    assert default_collate([split[0], split[1]])["lonlat"].shape == (2, 2)
