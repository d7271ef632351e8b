"""Tiles with a photo whose coordinates are off by a known distance: how much does a model rely on the exact place?"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import labels, randomness
from gairbench_tasks.earth.classes import IGBP
from gairbench_tasks.earth.points import CHIP, Points, sample
from gairbench_tasks.earth.rasters import PIXELS_PER_DEGREE, land_cover
from gairbench_tasks.earth.sources import GRIDS, EarthSplit, EmbeddedSource, Photos, pixel_ids, region_of

NAME = "earth-offset"
COUNTS: Mapping[str, int] = {"train": 2000, "val": 500, "test": 1000}
PATCH = 8
"""Edge in pixels of a patch of GAIR's presets for these tiles, the unit of the shift."""
LARGEST = 2.0
"""Largest shift in patches: every photo's direction leaves room for it."""
DIRECTIONS = 16


class OffsetSource(EmbeddedSource):
    """The same tiles and photos for every shift; only the coordinates of the test split differ.

    Training and validation coordinates are the true ones. Targets are those of the true place.

    Args:
        context: Unused; the data are embedded.
    """

    files = GRIDS
    patches: float

    def _split(self, name: str) -> EarthSplit:
        points, photos = _points(name), _photos(name)
        lonlat = shifted(points, self.patches) if name == "test" else points.lonlat
        return EarthSplit(
            pixel_ids(points),
            lambda i: {
                "image": points.images(i),
                "bbox": points.bbox[i],
                "street_view": photos[i],
                "lonlat": lonlat[i],
            },
            {"land_cover": lambda: labels.encode(land_cover()[points.row, points.column], _kept_classes())},
            lonlat=lonlat,
            true_lonlat=points.lonlat,
        )

    def _classes(self) -> Mapping[str, tuple[str, ...]]:
        return {"land_cover": tuple(IGBP[i] for i in _kept_classes())}


class NoOffset(OffsetSource):
    """The true coordinates."""

    name, patches = f"{NAME}-0", 0.0


class EighthOffset(OffsetSource):
    """Off by an eighth of a patch."""

    name, patches = f"{NAME}-1-8", 1 / 8


class QuarterOffset(OffsetSource):
    """Off by a quarter of a patch."""

    name, patches = f"{NAME}-1-4", 1 / 4


class HalfOffset(OffsetSource):
    """Off by half a patch."""

    name, patches = f"{NAME}-1-2", 1 / 2


class OneOffset(OffsetSource):
    """Off by one patch."""

    name, patches = f"{NAME}-1", 1.0


class TwoOffset(OffsetSource):
    """Off by two patches."""

    name, patches = f"{NAME}-2", 2.0


def shifted(points: Points, patches: float) -> NDArray[np.float64]:
    """Move every point within its tile.

    Args:
        points: Where the photos are.
        patches: How far, in patches.

    Returns:
        ``(n, 2)`` longitude and latitude. Each point's direction is one of sixteen, starting at a random one, that
        keeps it in its tile at the largest shift; it is the same for every distance.
    """
    key = randomness.keys(NAME, points.numbers)
    turn = (randomness.uniform(key, "direction")[:, None] + np.arange(DIRECTIONS) / DIRECTIONS) * 2 * np.pi
    step = np.stack([np.cos(turn), np.sin(turn)], axis=2) * (PATCH / PIXELS_PER_DEGREE)
    west, north, east, south = points.bbox.T[:, :, None]
    farthest = points.lonlat[:, None] + step * LARGEST
    inside = (farthest[..., 0] >= west) & (farthest[..., 0] <= east)
    inside &= (farthest[..., 1] >= south) & (farthest[..., 1] <= north)
    if not inside.any(axis=1).all():
        raise ValueError(f"a point has no room for {LARGEST * PATCH:g} pixels in its tile of {CHIP}")
    chosen = inside.argmax(axis=1)
    moved: NDArray[np.float64] = points.lonlat + step[np.arange(len(points)), chosen] * patches
    return moved


@functools.cache
def _points(split: str) -> Points:
    return sample(
        f"{NAME}-{split}",
        COUNTS[split],
        region=region_of(split),
        placement="anywhere",
        role="evaluation",
        prefer_lit=True,
    )


@functools.cache
def _photos(split: str) -> Photos:
    return Photos(_points(split), NAME)


@functools.cache
def _kept_classes() -> NDArray[np.int64]:
    points = {split: _points(split) for split in COUNTS}
    return labels.common_classes({split: land_cover()[p.row, p.column].astype(np.int64) for split, p in points.items()})
