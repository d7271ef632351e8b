"""The embedded datasets: what the factories in the specs return."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.digests import file_sha256
from gairbench.errors import DataError
from gairbench_tasks.earth import blocks, labels, randomness
from gairbench_tasks.earth.classes import IGBP, IGNORED, KOEPPEN
from gairbench_tasks.earth.points import CHIP, Points, Region, Role, sample
from gairbench_tasks.earth.rasters import elevation, koeppen, land_cover, night_lights, source_files
from gairbench_tasks.earth.street import perception
from gairbench_tasks.earth.street.look import SIZE
from gairbench_tasks.earth.street.render import render_photos
from gairbench_tasks.earth.street.scene import PLATFORMS, VIEW_DIRECTIONS, Scenes, Surroundings, compose
from gairbench_tasks.earth.tables import airports, cities

if TYPE_CHECKING:
    from torch import Tensor

    from gairbench.spec import DataContext

LAND_COUNTS: Mapping[str, int] = {"train": 6000, "val": 1200, "test": 2500}
PHOTO_COUNTS: Mapping[str, int] = {"train": 6000, "val": 1200, "test": 2500}
TABLE_COUNTS: Mapping[str, int] = {"train": 6000, "val": 1500, "test": 3000}
# Nearly half of the world's listed airports are in the United States.
AIRPORTS_PER_COUNTRY: Mapping[str, int] = {"train": 300, "val": 75, "test": 150}
PAIRS = 1000
TRIPLETS = 20_000
# A class of the segmentation masks needs this share of the pixels in every split.
MIN_PIXEL_SHARE = 0.002

GRIDS = frozenset({"blue-marble", "koeppen", "koeppen-names", "land-cover", "night-lights", "elevation"})
"""Files that chips and photos, their places and what the grids say about them are made from."""

BLOCK = "block"
"""Name of the grouping of all samples by the block of 10 degrees that they lie in."""

_REGIONS: Mapping[str, Region] = {"train": "train", "val": "val", "test": "test"}

Indices = NDArray[np.int64]
Batch = Callable[[Indices], Mapping[str, NDArray[Any]]]


class EarthSplit:
    """A split whose inputs are cut out or rendered when a batch of them is asked for.

    Args:
        ids: Sample identifiers.
        batch: Returns arrays by sample key, samples along the first axis, for positions.
        targets: Functions that compute the targets, by name; each is called once.
        lonlat: ``(n, 2)``, the samples' coordinates.
        true_lonlat: Where they lie, if that is not what they say.
        groups: Groupings by name beside the blocks: the group of every sample.
    """

    def __init__(
        self,
        ids: Sequence[str],
        batch: Batch,
        targets: Mapping[str, Callable[[], NDArray[Any]]],
        *,
        lonlat: NDArray[np.float64],
        true_lonlat: NDArray[np.float64] | None = None,
        groups: Mapping[str, NDArray[np.str_]] | None = None,
    ) -> None:
        self.ids = ids
        self._lonlat = lonlat
        blocks_of = blocks.names_of_points(lonlat if true_lonlat is None else true_lonlat)
        self._groups = {BLOCK: blocks_of, **(groups or {})}
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

    def places(self) -> NDArray[np.float64]:
        """Return longitude and latitude of every sample, ``(n, 2)``."""
        return self._lonlat

    def groups(self, name: str) -> NDArray[np.str_]:
        """Return the group of every sample in a grouping.

        Raises:
            KeyError: There is no such grouping.
        """
        return self._groups[name]

    def groupings(self) -> tuple[str, ...]:
        """Return the names of the groupings."""
        return tuple(self._groups)


class EmbeddedSource(ABC):
    """What the embedded datasets share; a subclass makes splits and names classes.

    Attributes:
        name: The dataset's.
        files: Roles of the files that it is made from, in :func:`gairbench_tasks.earth.rasters.source_files`.
    """

    name: str
    files: frozenset[str]

    def __init__(self, context: DataContext) -> None:
        del context  # there is no folder to look into
        self.split = functools.cache(self._split)

    def fingerprint(self) -> str:
        """Return a hash of the files that it is made from; how it is made is in the spec's version."""
        contents = " ".join(f"{role} {_file_digest(role)}" for role in sorted(self.files))
        return hashlib.sha256(f"{self.name} {contents}".encode()).hexdigest()

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


class LandSource(EmbeddedSource):
    """``earth``: Blue Marble chips centred on land points, with what the grids say about them."""

    name = "earth"
    files = GRIDS

    def _split(self, name: str) -> EarthSplit:
        points = _land_points(name)
        where = points.row, points.column
        classes = _land_classes()

        def mask() -> NDArray[np.uint8]:
            table = np.full(len(IGBP), IGNORED, dtype=np.uint8)
            table[classes["land_cover_mask"]] = np.arange(len(classes["land_cover_mask"]))
            return table[points.chips(land_cover())]

        return EarthSplit(
            pixel_ids(points),
            lambda i: {"image": points.images(i), "lonlat": points.lonlat[i], "bbox": points.bbox[i]},
            {
                "koeppen": lambda: labels.encode(koeppen()[where], classes["koeppen"]),
                "land_cover": lambda: labels.encode(land_cover()[where], classes["land_cover"]),
                "land_cover_mask": mask,
                "night_lights": lambda: np.log1p(_mean_lights(points)),
                "elevation": lambda: elevation()[where].astype(np.float64),
            },
            lonlat=points.lonlat,
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        names = {"koeppen": KOEPPEN, "land_cover": IGBP, "land_cover_mask": IGBP}
        kept = {target: tuple(names[target][i] for i in classes) for target, classes in _land_classes().items()}
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
            self._photos[missing] = render_photos(self.scenes.take(missing))
            self._done[missing] = True
        return self._photos[indices]


class StreetSource(EmbeddedSource):
    """``earth-streets``: rendered photos with their attributes."""

    name = "earth-streets"
    files = GRIDS | {"cities"}

    def _split(self, name: str) -> EarthSplit:
        points = sample(
            f"{self.name}-{name}",
            _count(self.name, PHOTO_COUNTS, name),
            region=_REGIONS[name],
            placement="anywhere",
            role="evaluation",
            prefer_lit=True,
        )
        photos = Photos(points, self.name)
        return EarthSplit(
            pixel_ids(points),
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
            lonlat=points.lonlat,
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        regression = dict.fromkeys(("night_lights", "population", *perception.WEIGHTS), ())
        return {"view_direction": VIEW_DIRECTIONS, "platform": PLATFORMS} | regression


class PairSource(EmbeddedSource):
    """``earth-pairs``: a Blue Marble chip and a photo rendered somewhere in it, for retrieval."""

    name = "earth-pairs"
    files = GRIDS

    def _split(self, name: str) -> EarthSplit:
        return _pairs(self.name, _count(self.name, {"test": PAIRS}, name), "test", "evaluation")

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {}


class EarthTripletSource(EmbeddedSource):
    """``earth-triplets``: chips, photos and coordinates to pre-train on, from the training blocks only.

    Photos are rendered from the very grids that the tasks ask for, so none may come from a block that is validated or
    tested on.

    Args:
        context: Unused.
        region: Where they come from; another one than ``"train"`` only to measure what that rule costs.
    """

    name = "earth-triplets"
    files = GRIDS

    def __init__(self, context: DataContext, region: Region = "train") -> None:
        super().__init__(context)
        self._region: Region = region

    def fingerprint(self) -> str:
        """Return a hash of the files and the region."""
        return hashlib.sha256(f"{super().fingerprint()} {self._region}".encode()).hexdigest()

    def _split(self, name: str) -> EarthSplit:
        return _pairs(self.name, _count(self.name, {"pretrain": TRIPLETS}, name), self._region, "pretraining")

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {}


class AirportSource(EmbeddedSource):
    """``earth-airports``: coordinates of airports, with elevation and country."""

    name = "earth-airports"
    files = frozenset({"airports"})

    def _split(self, name: str) -> EarthSplit:
        rows = _airport_rows(name)
        table = airports()
        lonlat = table.lonlat[rows]
        return EarthSplit(
            [table.ids[i] for i in rows],
            lambda i: {"lonlat": lonlat[i]},
            {
                "elevation": lambda: table.elevation[rows],
                "country": lambda: labels.encode(table.country[rows], _countries()),
            },
            lonlat=lonlat,
            groups={"country": table.country[rows]},
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"elevation": (), "country": tuple(str(code) for code in _countries())}


class CitySource(EmbeddedSource):
    """``earth-cities``: coordinates of cities, with their population."""

    name = "earth-cities"
    files = frozenset({"cities"})

    def _split(self, name: str) -> EarthSplit:
        table = cities()
        inside = _rows_in_blocks(self.name, table.lonlat, name)
        rows = np.sort(inside[: TABLE_COUNTS[name]])
        lonlat = table.lonlat[rows]
        return EarthSplit(
            [table.ids[i] for i in rows],
            lambda i: {"lonlat": lonlat[i]},
            {"population": lambda: np.log10(table.population[rows])},
            lonlat=lonlat,
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"population": ()}


@functools.cache
def _land_points(split: str) -> Points:
    count = _count("earth", LAND_COUNTS, split)
    return sample(f"earth-{split}", count, region=_REGIONS[split], placement="centre", role="evaluation")


@functools.cache
def _land_classes() -> dict[str, NDArray[np.int64]]:
    """Return the grid values that are classes of each task of ``earth``, in the order of their indices."""
    points = {split: _land_points(split) for split in LAND_COUNTS}
    pixels = {split: p.chips(land_cover()) for split, p in points.items()}
    shares = [np.bincount(p.ravel(), minlength=len(IGBP)) / p.size for p in pixels.values()]
    at_points = {
        target: labels.common_classes({split: grid[p.row, p.column].astype(np.int64) for split, p in points.items()})
        for target, grid in (("koeppen", koeppen()), ("land_cover", land_cover()))
    }
    return at_points | {"land_cover_mask": np.flatnonzero((np.stack(shares) >= MIN_PIXEL_SHARE).all(axis=0))}


@functools.cache
def _airport_rows(split: str) -> Indices:
    inside = _rows_in_blocks("earth-airports", airports().lonlat, split)
    # Position of each airport among those of its country, in the random order.
    country = airports().country[inside]
    order = country.argsort(kind="stable")
    start = np.searchsorted(country[order], country[order])
    rank = np.empty(len(inside), dtype=np.int64)
    rank[order] = np.arange(len(inside)) - start
    kept: Indices = np.sort(inside[rank < AIRPORTS_PER_COUNTRY[split]][: TABLE_COUNTS[split]])
    return kept


@functools.cache
def _countries() -> NDArray[np.str_]:
    return labels.common_classes({split: airports().country[_airport_rows(split)] for split in TABLE_COUNTS})


def _rows_in_blocks(name: str, lonlat: NDArray[np.float64], split: str) -> Indices:
    """Return the rows of a point table that lie in a split's blocks, in random order."""
    _count(name, TABLE_COUNTS, split)
    inside = np.flatnonzero(blocks.split_of_points(lonlat[:, 0], lonlat[:, 1]) == blocks.SPLITS.index(split))
    return inside[randomness.uniform(randomness.keys(name, inside), "order").argsort(kind="stable")]


def _count(dataset: str, counts: Mapping[str, int], split: str) -> int:
    if split not in counts:
        raise DataError(f"dataset {dataset} has no split {split!r}", f"ask for one of {', '.join(counts)}")
    return counts[split]


def _pairs(name: str, count: int, region: Region, role: Role) -> EarthSplit:
    points = sample(name, count, region=region, placement="anywhere", role=role, prefer_lit=True)
    photos = Photos(points, name)
    return EarthSplit(
        pixel_ids(points),
        lambda i: {
            "image": points.images(i),
            "bbox": points.bbox[i],
            "street_view": photos[i],
            "lonlat": points.lonlat[i],
        },
        {},
        lonlat=points.lonlat,
    )


def region_of(split: str) -> Region:
    """Return the region of a split's blocks.

    Raises:
        DataError: There is no such split.
    """
    if split not in _REGIONS:
        raise DataError(f"there is no split {split!r}", f"ask for one of {', '.join(_REGIONS)}")
    return _REGIONS[split]


def pixel_ids(points: Points) -> list[str]:
    """Return an identifier for each point: its pixel in the 1/15-degree grid."""
    return [f"r{row:04d}c{column:04d}" for row, column in zip(points.row, points.column, strict=True)]


def _mean_lights(points: Points) -> NDArray[np.float64]:
    top, left = points.top, points.left
    table = _summed_lights()
    total = table[top + CHIP, left + CHIP] - table[top, left + CHIP] - table[top + CHIP, left] + table[top, left]
    means: NDArray[np.float64] = np.maximum(total, 0) / CHIP**2
    return means


@functools.cache
def _summed_lights() -> NDArray[np.float64]:
    # Sums over any window from one table: cutting out every chip would copy the grid many times over.
    table: NDArray[np.float64] = np.pad(night_lights(), ((1, 0), (1, 0))).astype(np.float64)
    return table.cumsum(axis=0).cumsum(axis=1)


@functools.cache
def _file_digest(role: str) -> str:
    return file_sha256(source_files()[role])
