"""Generated datasets with targets of every kind, for whatever inputs a dataset's spec says that it delivers."""

from __future__ import annotations

from functools import cache

import numpy as np

from gairbench.data import ArraySplit
from gairbench.digests import digest
from gairbench.inputs import ImageInput
from gairbench.spec import DataContext, DatasetSpec, Kind
from gairbench.testing.inputs import image_columns, points_in_tiles, raw_images

SIZES = {"train": 18, "val": 9, "test": 12}
"""Samples of each split."""

MASK = 16
"""Height and width of masks and maps in pixels."""

NAMES = {
    Kind.CLASSIFICATION: ("a", "b", "c"),
    Kind.ORDINAL: ("low", "middle", "high"),
    Kind.MULTILABEL: ("first", "second"),
    Kind.MULTI_REGRESSION: ("north", "east"),
    Kind.SEGMENTATION: ("west", "east"),
}
"""Names of classes, labels and measurements."""


class GeneratedData:
    """Images as its spec declares them, places on the Earth, and a target for each kind, called by the kind.

    Args:
        context: Names the spec.
    """

    def __init__(self, context: DataContext) -> None:
        assert context.dataset is not None  # noqa: S101  (a run names it)
        self._spec = context.dataset

    def fingerprint(self) -> str:
        """Return a digest of what is generated from."""
        return digest(delivers=self._spec.delivers, sizes=SIZES)

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the names of a target's classes, labels or measurements."""
        return NAMES.get(Kind(target), ())

    def split(self, name: str) -> ArraySplit:
        """Return a split, generated once."""
        return _generated(self._spec, name)


@cache
def _generated(spec: DatasetSpec, name: str) -> ArraySplit:
    count, seed = SIZES[name], list(SIZES).index(name)
    images = [declared for declared in spec.delivers if isinstance(declared, ImageInput)]
    columns = image_columns(images, lambda declared, number: raw_images(declared, count, 10 * number + seed))
    columns["lonlat"], columns["bbox"] = points_in_tiles(count, seed)
    lonlat = columns["lonlat"].numpy()
    rank = np.arange(count)
    edge = 4 + rank % 8
    east = np.broadcast_to(np.arange(MASK)[None, None] >= edge[:, None, None], (count, MASK, MASK))
    return ArraySplit(
        [f"{name}-{number}" for number in rank],
        {key: column.numpy() for key, column in columns.items()},
        {
            Kind.CLASSIFICATION: rank % 3,
            Kind.ORDINAL: rank // 2 % 3,
            Kind.MULTILABEL: np.stack([rank % 2 == 0, rank % 3 == 0], axis=1),
            Kind.REGRESSION: lonlat[:, 1] / 10,
            Kind.MULTI_REGRESSION: lonlat[:, ::-1] / 10,
            Kind.GEOLOCALIZATION: lonlat,
            Kind.SEGMENTATION: east.astype(np.uint8),
            Kind.DENSE_REGRESSION: (east + lonlat[:, 1, None, None] / 50).astype(np.float32),
        },
    )
