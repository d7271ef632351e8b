"""One opened TorchGeo dataset: its samples by position, and what it says of all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import SAMPLE_KEYS
from gairbench.degrees import are_degrees
from gairbench.embedding import prefetched
from gairbench.errors import DataError, PluginError
from gairbench.found_once import FoundOnce
from gairbench.georeference import WGS84, Box, project
from gairbench.inputs import Modality
from gairbench.spec import Kind
from gairbench_tasks.torchgeo.addresses import check_names, file_ids, is_entry, name_of, per_sample
from gairbench_tasks.torchgeo.bands import channels
from gairbench_tasks.torchgeo.building import blamed
from gairbench_tasks.torchgeo.chips import Query, chip_id, grid, places
from gairbench_tasks.torchgeo.declaration import INDEX, Part, TorchGeoDeclaration
from gairbench_tasks.torchgeo.placed import PlacedSample
from gairbench_tasks.torchgeo.targets import class_names, make_target

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 32
"""Samples that a thread reads at a time."""

_ONE_AT_A_TIME = threading.RLock()
# A GeoDataset keeps files open for all threads, and GDAL's datasets are not made for that.


class Samples:
    """The samples of one of a dataset's own splits.

    Args:
        source: The declaration.
        name: Name of the dataset, for messages.
        own_split: Name of the split.
        dataset: The TorchGeo dataset.
        folder: Where its files lie.
    """

    def __init__(self, source: TorchGeoDeclaration, name: str, own_split: str, dataset: Any, folder: Path) -> None:
        from torchgeo.datasets import GeoDataset

        self.source = source
        self.own_split = own_split
        self.dataset = dataset
        self._name = name
        self._folder = folder
        self._is_geo = isinstance(dataset, GeoDataset)
        self._labels: dict[str, NDArray[Any]] = {}
        self._dense: dict[str, bool] = {}
        self._placed: dict[int, tuple[list[float], Box]] = {}
        if self._is_geo and source.chips is None and source.inputs:
            raise PluginError(f"{type(dataset).__name__} is a GeoDataset", "say how it is cut: chips=Grid(size)")

    @cached_property
    def _queries(self) -> list[Query] | None:
        return None if self.source.chips is None else grid(self.dataset, self.source.chips)

    def __len__(self) -> int:
        return len(self.dataset) if self._queries is None else len(self._queries)

    def read(self, index: int) -> dict[str, Any]:
        """Return a sample as TorchGeo gives it.

        Raises:
            DataError: It cannot be read; its name, a path where the dataset has one, is in the message.
            PluginError: A package is missing.
        """
        with blamed(f"sample {self.ids[index]!r} of dataset {self._name!r}", "restore its files"):
            if not self._is_geo:
                sample: dict[str, Any] = self.dataset[index]
            else:
                with _ONE_AT_A_TIME:
                    sample = self.dataset[index if self._queries is None else self._queries[index]]
        return sample

    def inputs(self, index: int) -> Mapping[str, Tensor]:
        """Return what a sample is declared to hold, by key, and its place if it has one.

        A place that stands in a file's header is read when it is asked for.

        Raises:
            DataError: The sample cannot be read.
            PluginError: It has no such entry.
        """
        import torch

        places, chips = self.source.lonlat, self.source.chips
        in_sample = not isinstance(places, str) and all(map(is_entry, places))
        raw = self.read(index) if self._parts or in_sample else {}
        sample = {key: self._take(raw, chosen, index) for key, chosen in self._parts.items()}
        if self._files_with_places:
            return PlacedSample(sample, (SAMPLE_KEYS[Modality.LOCATION], "bbox"), partial(self._place_of_file, index))
        key = SAMPLE_KEYS[Modality.LOCATION]
        if in_sample:
            values = [float(_plain(self._entry(raw, one, index))) for one in places]
            sample[key] = torch.tensor(values, dtype=torch.float64)
        elif places or chips is not None:
            lonlat, boxes = self._places
            sample[key] = torch.from_numpy(lonlat[index].copy())
            if boxes is not None:
                sample["bbox"] = torch.tensor(boxes[index], dtype=torch.float64)
        return sample

    def _place_of_file(self, index: int) -> dict[str, Tensor]:
        import torch

        lonlat, box = self._placed.get(index) or self._read_place(index)
        return {
            SAMPLE_KEYS[Modality.LOCATION]: torch.tensor(lonlat, dtype=torch.float64),
            "bbox": torch.tensor(box, dtype=torch.float64),
        }

    def _read_place(self, index: int) -> tuple[list[float], Box]:
        lonlat, (box,) = self._places_of_files(self._files_with_places[index : index + 1])
        # Several models ask for it, one after the other.
        self._placed[index] = lonlat[0].tolist(), box
        return self._placed[index]

    @FoundOnce
    def _stated_places(self) -> list[Any]:
        """What the one declared address of places gives; nothing where places are declared otherwise."""
        wanted = self.source.lonlat
        return list(self._values(wanted, "lonlat")) if wanted and isinstance(wanted, str) else []

    @FoundOnce
    def _files_with_places(self) -> list[Path]:
        """The files in whose headers the samples' places are; none if they are elsewhere."""
        stated = self._stated_places
        return [Path(value) for value in stated] if all(isinstance(value, str | Path) for value in stated) else []

    @cached_property
    def _parts(self) -> dict[str, tuple[Part, tuple[int, ...]]]:
        return {key: (part, channels(self.dataset, part)) for key, part in self.source.parts.items()}

    def _take(self, sample: dict[str, Any], chosen: tuple[Part, tuple[int, ...]], index: int) -> Tensor:
        from torch import Tensor

        part, positions = chosen
        value = self._entry(sample, part.key, index)
        if not isinstance(value, Tensor):
            raise PluginError(
                f"{part.key!r} of sample {self.ids[index]!r} of dataset {self._name!r} is a {type(value).__name__}",
                "declare entries that are tensors",
            )
        try:
            if part.frame is not None:
                value = value[part.frame]
            value = value[..., list(positions), :, :] if positions else value
        except IndexError as error:
            raise PluginError(
                f"{part.key!r} of sample {self.ids[index]!r} of dataset {self._name!r} has shape"
                f" {tuple(value.shape)} and not the declared {part}",
                "correct the frame, or the channels",
            ) from error
        if part.span is None:
            return value
        low, high = part.span
        return low + (high - low) * value

    def _entry(self, sample: dict[str, Any], key: str, index: int) -> Any:
        if key not in sample:
            raise PluginError(
                f"sample {self.ids[index]!r} of dataset {self._name!r} has no {key!r}",
                f"it has {', '.join(map(str, sample))}",
            )
        return sample[key]

    @cached_property
    def ids(self) -> list[str]:
        """Names of the samples, unique.

        Raises:
            PluginError: The dataset has none, and none are declared.
            DataError: They are not unique.
        """
        wanted = self.source.ids
        if self._queries is not None and not wanted:
            ids = [chip_id(query) for query in self._queries]
        elif wanted == INDEX:
            ids = [f"{self.own_split}-{index}" for index in range(len(self))]
        elif wanted:
            columns = [self._values(one, "ids") for one in ([wanted] if isinstance(wanted, str) else wanted)]
            ids = ["/".join(name_of(value, self._folder) for value in row) for row in zip(*columns, strict=True)]
        else:
            ids = file_ids(self.dataset, len(self), self._folder)
        check_names(ids, f"dataset {self._name!r}")
        return ids

    def _values(self, address: str, what: str) -> Sequence[Any]:
        """Return one value for each sample, whatever it is."""
        what = f"{what} of dataset {self._name!r}"
        if is_entry(address):
            if what.startswith("ids"):
                raise PluginError(f"{what}: {address!r} is an entry of samples", "give an attribute, as '.files'")
            return self._small_entries[address]
        return per_sample(self.dataset, address, len(self), what)

    @cached_property
    def _small_entries(self) -> dict[str, list[Any]]:
        """The declared entries of all samples but images, which are read in one go."""
        source = self.source
        places = [source.lonlat] if isinstance(source.lonlat, str) else source.lonlat
        labels = [target.read for name, target in source.targets.items() if not self._is_dense(name)]
        keys = [key for key in dict.fromkeys([*labels, source.groups, *places]) if key and is_entry(key)]
        rows = list(self._entries(keys, range(len(self))))
        return dict(zip(keys, map(list, zip(*rows, strict=True)), strict=True))

    def _entries(self, keys: Sequence[str], indices: Sequence[int]) -> Iterator[list[Any]]:
        """Yield entries of samples, in order; samples are read ahead by threads."""
        bounds = pairwise([*range(0, len(indices), BATCH), len(indices)])
        jobs: Iterator[Callable[[], list[list[Any]]]] = (
            partial(self._read_entries, keys, indices[start:end]) for start, end in bounds
        )
        for batch in prefetched(jobs):
            yield from batch

    def _read_entries(self, keys: Sequence[str], indices: Sequence[int]) -> list[list[Any]]:
        samples = ((self.read(index), index) for index in indices)
        return [[self._entry(sample, key, index) for key in keys] for sample, index in samples]

    def _is_dense(self, name: str) -> bool:
        """Whether a target is a map for each sample, which is not kept for all of them."""
        target = self.source.targets[name]
        if name not in self._dense:
            self._dense[name] = target.kind is Kind.SEGMENTATION
            if target.kind is Kind.REGRESSION and is_entry(target.read):
                first = np.asarray(self._entry(self.read(0), target.read, 0))
                self._dense[name] = first.ndim - (target.index is not None) > 1
        return self._dense[name]

    @cached_property
    def groups(self) -> list[str] | None:
        """What each sample has in common with others, or ``None``."""
        if not self.source.groups:
            return None
        return [name_of(_plain(value), self._folder) for value in self._values(self.source.groups, "groups")]

    @cached_property
    def lonlat(self) -> NDArray[np.float64] | None:
        """Longitude and latitude of each sample ``(n, 2)``, or ``None``.

        Raises:
            DataError: A place is not on Earth.
        """
        if not self.source.lonlat and self.source.chips is None:
            return None
        lonlat = self._places[0]
        bad = np.flatnonzero(~are_degrees(lonlat[:, 0], lonlat[:, 1]))
        if len(bad):
            lon, lat = lonlat[bad[0]]
            raise DataError(
                f"sample {self.ids[bad[0]]!r} of dataset {self._name!r} is at {lon:g}, {lat:g} (lon, lat)",
                "correct the coordinates, or their order",
            )
        return lonlat

    @FoundOnce
    def _places(self) -> tuple[NDArray[np.float64], list[Box] | None]:
        wanted, chips = self.source.lonlat, self.source.chips
        if not wanted and self._queries is not None and chips is not None:
            return places(self.dataset, self._queries, chips)
        if not isinstance(wanted, str):
            columns = [[float(_plain(value)) for value in self._values(one, "lonlat")] for one in wanted]
            return np.array(columns, dtype=np.float64).T.reshape(-1, 2), None
        if self._files_with_places:
            return self._places_of_files(self._files_with_places)
        values = self._stated_places
        if all(hasattr(value, "centroid") for value in values):
            x, y = [value.centroid.x for value in values], [value.centroid.y for value in values]
            crs = self.dataset.crs.to_wkt()
            return project(Path(type(self.dataset).__name__), crs, WGS84, x, y).T, None
        return np.array([self._pair(wanted, value) for value in values], dtype=np.float64).reshape(-1, 2), None

    def _pair(self, address: str, value: Any) -> tuple[float, float]:
        if np.shape(value) != (2,):
            raise PluginError(
                f"lonlat of dataset {self._name!r}: {address!r} gives {value!r}",
                "give longitude and latitude, or paths",
            )
        return float(value[0]), float(value[1])

    def _places_of_files(self, paths: list[Path]) -> tuple[NDArray[np.float64], list[Box]]:
        from gairbench.files.overhead import read_place
        from gairbench.taskfiles.places import boxes, centres

        paths = [path if path.is_absolute() else self._folder / path for path in paths]
        stated = [read_place(path) for path in paths]
        lonlat = centres(paths, stated)
        return lonlat, boxes(paths, stated, lonlat)

    def labels(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a target of some samples; one that is small is read once for all of them.

        Args:
            name: The target's name.
            rows: Positions of the samples.

        Raises:
            KeyError: No such target is declared.
            DataError: A value is not what is declared.
        """
        if name in self._labels:
            return self._labels[name][rows]
        if self._is_dense(name):
            return self._read_labels(name, rows)
        self._labels[name] = self._read_labels(name, np.arange(len(self)))
        return self._labels[name][rows]

    def label(self, name: str, row: int) -> NDArray[Any]:
        """Return a target of one sample; of one that is dense no other sample's is read.

        Raises:
            KeyError: No such target is declared.
            DataError: The value is not what is declared.
        """
        target = self.source.targets[name]
        if not (self._is_dense(name) and is_entry(target.read)):
            one: NDArray[Any] = self.labels(name, np.array([row]))[0]
            return one
        value = self._entry(self.read(row), target.read, row)
        what = f"target {name!r} of dataset {self._name!r}"
        found: NDArray[Any] = make_target([value], target, self.classes(name), [self.ids[row]], what)[0]
        return found

    def _read_labels(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        target, classes = self.source.targets[name], self.classes(name)
        what = f"target {name!r} of dataset {self._name!r}"
        ids = [self.ids[row] for row in rows]
        return make_target(self._raw_labels(name, rows, what), target, classes, ids, what)

    def _raw_labels(self, name: str, rows: NDArray[np.int64], what: str) -> Iterator[Any]:
        from torchgeo.datasets import NonGeoClassificationDataset

        address = self.source.targets[name].read
        if address == "label" and isinstance(self.dataset, NonGeoClassificationDataset):
            # Such a dataset's label is the number of the folder, and known without opening the image.
            yield from (self.dataset.targets[row] for row in rows)
        elif not is_entry(address):
            values = per_sample(self.dataset, address, len(self), what)
            yield from (values[row] for row in rows)
        elif self._is_dense(name):
            yield from (entries[0] for entries in self._entries([address], rows.tolist()))
        else:
            yield from (self._small_entries[address][row] for row in rows)

    def classes(self, name: str) -> tuple[str, ...]:
        """Return the class names of a target in index order; empty for measurements.

        Raises:
            KeyError: No such target is declared.
            PluginError: The dataset does not name its classes, or names others.
        """
        return class_names(self.dataset, self.source.targets[name], f"target {name!r} of dataset {self._name!r}")


def _plain(value: Any) -> Any:
    """Return a tensor of one value as that value."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) <= 1 else value
