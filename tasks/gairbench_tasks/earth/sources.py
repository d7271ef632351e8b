"""The embedded datasets: what the factories in the specs return."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench_tasks.earth import blocks, labels, perception, randomness
from gairbench_tasks.earth.classes import IGBP, IGNORED, KOEPPEN
from gairbench_tasks.earth.points import CHIP, Points, Region, sample
from gairbench_tasks.earth.rasters import elevation, koeppen, land_cover, night_lights, source_files
from gairbench_tasks.earth.render import SIZE, render
from gairbench_tasks.earth.scene import PLATFORMS, VIEW_DIRECTIONS, Scenes, Surroundings, compose
from gairbench_tasks.earth.tables import airports, cities

if TYPE_CHECKING:
    from torch import Tensor

    from gairbench.spec import DataContext

LAND_COUNTS = {"train": 6000, "val": 1200, "test": 2500}
PHOTO_COUNTS = {"train": 6000, "val": 1200, "test": 2500}
TABLE_COUNTS = {"train": 6000, "val": 1500, "test": 3000}
PAIRS = 1000
TRIPLETS = 24_000
# A class of the segmentation masks needs this share of the pixels in every split.
MIN_PIXEL_SHARE = 0.002

Indices = NDArray[np.int64]
Batch = Callable[[Indices], Mapping[str, NDArray[Any]]]


class EarthSplit:
    """A split whose inputs are cut out or rendered when a batch of them is asked for.

    Args:
        ids: Sample identifiers.
        batch: Returns arrays by sample key, samples along the first axis, for positions.
        targets: Functions that compute the targets, by name; each is called once.
    """

    def __init__(self, ids: Sequence[str], batch: Batch, targets: Mapping[str, Callable[[], NDArray[Any]]]) -> None:
        self.ids = ids
        self._batch = batch
        self._targets = {name: functools.cache(function) for name, function in targets.items()}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Tensor]]:
        """Return many samples at once, as PyTorch's ``DataLoader`` asks for them."""
        import torch

        arrays = self._batch(np.asarray(indices, dtype=np.int64))
        tensors = {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}
        return [{key: tensor[i] for key, tensor in tensors.items()} for i in range(len(indices))]

    def target(self, name: str) -> NDArray[Any]:
        """Return a target, aligned with :attr:`ids`.

        Raises:
            KeyError: The dataset has no such target.
        """
        values: NDArray[Any] = self._targets[name]()
        return values


class _EarthSource(ABC):
    """What the embedded datasets share."""

    name: str

    def __init__(self, context: DataContext) -> None:
        del context  # there is no folder to look into
        self.split = functools.cache(self._split)

    def fingerprint(self) -> str:
        """Return a hash of the files that everything is made from; how it is made is in the spec's version."""
        return hashlib.sha256(f"{self.name} {_files_digest()}".encode()).hexdigest()

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the class names of a target in index order; empty for a regression target.

        Raises:
            KeyError: The dataset has no such target.
        """
        names: tuple[str, ...] = self._classes()[target]
        return names

    @abstractmethod
    def _split(self, name: str) -> EarthSplit: ...

    @abstractmethod
    def _classes(self) -> Mapping[str, tuple[str, ...]]: ...

    def _unknown_split(self, name: str) -> DataError:
        return DataError(f"dataset {self.name} has no split {name!r}", "see 'gairbench data list'")


class Land(_EarthSource):
    """``earth``: Blue Marble chips centred on land points, with what the grids say about them."""

    name = "earth"

    def _split(self, name: str) -> EarthSplit:
        points = self._points(name)
        where = points.row, points.column
        classes = self._kept()

        def mask() -> NDArray[np.uint8]:
            table = np.full(len(IGBP), IGNORED, dtype=np.uint8)
            table[classes["land_cover_mask"]] = np.arange(len(classes["land_cover_mask"]))
            return table[points.chips(land_cover()).astype(np.int64)]

        return EarthSplit(
            _pixel_ids(points),
            lambda i: {"image": points.images(i), "lonlat": points.lonlat[i], "bbox": points.bbox[i]},
            {
                "koeppen": lambda: labels.encode(koeppen()[where], classes["koeppen"]),
                "land_cover": lambda: labels.encode(land_cover()[where], classes["land_cover"]),
                "land_cover_mask": mask,
                "night_lights": lambda: np.log1p(_chip_means(points, night_lights())),
                "elevation": lambda: elevation()[where].astype(np.float64),
            },
        )

    @functools.cache  # noqa: B019  one small source per dataset lives as long as the process
    def _points(self, split: str) -> Points:
        if split not in LAND_COUNTS:
            raise self._unknown_split(split)
        return sample(
            f"{self.name}-{split}", LAND_COUNTS[split], region=_region(split), placement="centre", role="evaluation"
        )

    @functools.cache  # noqa: B019
    def _kept(self) -> dict[str, NDArray[np.int64]]:
        points = {split: self._points(split) for split in LAND_COUNTS}
        shares = np.stack(
            [
                np.bincount(p.chips(land_cover()).ravel(), minlength=len(IGBP)) / (len(p) * CHIP**2)
                for p in points.values()
            ]
        )
        return {
            "koeppen": labels.common_classes({s: koeppen()[p.row, p.column] for s, p in points.items()}).astype(
                np.int64
            ),
            "land_cover": labels.common_classes({s: land_cover()[p.row, p.column] for s, p in points.items()}).astype(
                np.int64
            ),
            "land_cover_mask": np.flatnonzero((shares >= MIN_PIXEL_SHARE).all(axis=0)),
        }

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        names = {"koeppen": KOEPPEN, "land_cover": IGBP, "land_cover_mask": IGBP}
        kept = {target: tuple(names[target][i] for i in classes) for target, classes in self._kept().items()}
        return kept | {"night_lights": (), "elevation": ()}


class Photos:
    """Rendered street photos, made when first asked for and then kept.

    Args:
        points: Where they are taken.
        name: Seeds everything that is not real.
    """

    def __init__(self, points: Points, name: str) -> None:
        self._points = points
        self._name = name
        # Two passes over the data must not render twice: 12 KiB a photo.
        self._photos = np.empty((len(points), 3, SIZE, SIZE), dtype=np.uint8)
        self._done = np.zeros(len(points), dtype=bool)

    @functools.cached_property
    def scenes(self) -> Scenes:
        """What the photos show."""
        return compose(randomness.keys(self._name, self._points.numbers), Surroundings.at(self._points))

    def __getitem__(self, indices: Indices) -> NDArray[np.uint8]:
        missing = np.unique(indices[~self._done[indices]])
        if len(missing):
            self._photos[missing] = render(self.scenes.take(missing))
            self._done[missing] = True
        return self._photos[indices]


class Streets(_EarthSource):
    """``earth-streets``: rendered photos with their attributes."""

    name = "earth-streets"

    def _split(self, name: str) -> EarthSplit:
        if name not in PHOTO_COUNTS:
            raise self._unknown_split(name)
        points = _photo_points(f"{self.name}-{name}", PHOTO_COUNTS[name], _region(name))
        photos = Photos(points, self.name)
        return EarthSplit(
            _pixel_ids(points),
            lambda i: {"street_view": photos[i], "lonlat": points.lonlat[i]},
            {
                "view_direction": lambda: photos.scenes.view,
                "platform": lambda: photos.scenes.platform,
                "night_lights": lambda: np.log1p(photos.scenes.lights),
                "population": lambda: labels.nearby_population(points.lonlat),
            }
            | {
                quality: functools.partial(lambda q: perception.score(q, photos.scenes), quality)
                for quality in perception.WEIGHTS
            },
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        regression = dict.fromkeys(("night_lights", "population", *perception.WEIGHTS), ())
        return {"view_direction": VIEW_DIRECTIONS, "platform": PLATFORMS} | regression


class Pairs(_EarthSource):
    """``earth-pairs``: a Blue Marble chip and a photo rendered somewhere in it, for retrieval."""

    name = "earth-pairs"

    def _split(self, name: str) -> EarthSplit:
        if name != "test":
            raise self._unknown_split(name)
        return _pairs(self.name, PAIRS, "test", "evaluation")

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {}


class Triplets(_EarthSource):
    """``earth-triplets``: chips, photos and coordinates to pre-train on, from the training blocks only.

    Photos are rendered from the very grids that the tasks ask for, so none may come from a block that is validated or
    tested on.

    Args:
        context: Unused.
        region: Where they come from; another one than ``"train"`` only to measure what that rule costs.
    """

    name = "earth-triplets"

    def __init__(self, context: DataContext, region: Region = "train") -> None:
        super().__init__(context)
        self._region: Region = region

    def fingerprint(self) -> str:
        """Return a hash of the files and the region."""
        return hashlib.sha256(f"{super().fingerprint()} {self._region}".encode()).hexdigest()

    def _split(self, name: str) -> EarthSplit:
        if name != "pretrain":
            raise self._unknown_split(name)
        return _pairs(self.name, TRIPLETS, self._region, "pretraining")

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {}


class AirportSource(_EarthSource):
    """``earth-airports``: coordinates of airports, with elevation and country."""

    name = "earth-airports"

    def _split(self, name: str) -> EarthSplit:
        rows = self._rows(name)
        lonlat = airports().lonlat[rows]
        return EarthSplit(
            [airports().ids[i] for i in rows],
            lambda i: {"lonlat": lonlat[i]},
            {
                "elevation": lambda: airports().elevation[rows],
                "country": lambda: labels.encode(airports().country[rows], self._countries()),
            },
        )

    @functools.cache  # noqa: B019
    def _rows(self, split: str) -> Indices:
        if split not in TABLE_COUNTS:
            raise self._unknown_split(split)
        return _table_rows(self.name, airports().lonlat, split)

    @functools.cache  # noqa: B019
    def _countries(self) -> tuple[str, ...]:
        kept = labels.common_classes({s: airports().country[self._rows(s)] for s in TABLE_COUNTS})
        return tuple(str(country) for country in kept)

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"elevation": (), "country": self._countries()}


class CitySource(_EarthSource):
    """``earth-cities``: coordinates of cities, with their population."""

    name = "earth-cities"

    def _split(self, name: str) -> EarthSplit:
        if name not in TABLE_COUNTS:
            raise self._unknown_split(name)
        rows = _table_rows(self.name, cities().lonlat, name)
        lonlat = cities().lonlat[rows]
        return EarthSplit(
            [cities().ids[i] for i in rows],
            lambda i: {"lonlat": lonlat[i]},
            {"population": lambda: np.log10(cities().population[rows])},
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"population": ()}


def _pairs(name: str, count: int, region: Region, role: Any) -> EarthSplit:
    points = sample(name, count, region=region, placement="anywhere", role=role, prefer_lit=True)
    photos = Photos(points, name)
    return EarthSplit(
        _pixel_ids(points),
        lambda i: {
            "image": points.images(i),
            "bbox": points.bbox[i],
            "street_view": photos[i],
            "lonlat": points.lonlat[i],
        },
        {},
    )


def _photo_points(name: str, count: int, region: Region) -> Points:
    return sample(name, count, region=region, placement="anywhere", role="evaluation", prefer_lit=True)


def _region(split: str) -> Any:
    return split


def _pixel_ids(points: Points) -> list[str]:
    return [f"r{row:04d}c{column:04d}" for row, column in zip(points.row, points.column, strict=True)]


def _chip_means(points: Points, grid: NDArray[np.float32]) -> NDArray[np.float64]:
    # Sums over any window from one table: cutting out every chip would copy the grid many times over.
    table = np.pad(grid, ((1, 0), (1, 0))).astype(np.float64).cumsum(axis=0).cumsum(axis=1)
    top, left = points.top, points.left
    total = table[top + CHIP, left + CHIP] - table[top, left + CHIP] - table[top + CHIP, left] + table[top, left]
    return np.maximum(total, 0) / CHIP**2


def _table_rows(name: str, lonlat: NDArray[np.float64], split: str) -> Indices:
    """Draw the rows of a point table that lie in a split's blocks."""
    inside = np.flatnonzero(blocks.split_of_points(lonlat[:, 0], lonlat[:, 1]) == blocks.SPLITS.index(split))
    order = randomness.uniform(randomness.keys(name, inside), "order").argsort(kind="stable")
    return np.sort(inside[order[: TABLE_COUNTS[split]]])


@functools.cache
def _files_digest() -> str:
    digest = hashlib.sha256()
    for role, path in sorted(source_files().items()):
        digest.update(role.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
