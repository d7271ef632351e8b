"""What a dataset gives the runner: splits of TorchGeo-style samples, and targets by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

SAMPLE_KEYS = {"rs": "image", "sv": "street_view", "location": "lonlat"}
"""The key in a sample of an input that has no other name than its modality; ``"bbox"`` may accompany it."""

Sample = Mapping[str, "Tensor"]
"""One sample, after TorchGeo.

- ``image``: overhead image ``(band, height, width)`` in the declared unit, north up.
- ``street_view``: photo ``(band, height, width)`` in the declared unit.
- Another image, under its declared name, as ``s1``. A series is ``(time, band, height, width)``, in the order of time;
  a series of pixels ``(time, band)``; a single pixel ``(band,)``.
- ``dates``, or ``<name>_dates`` of an image with a name: float64 ``(time,)``, or ``()`` of a single image, days since
  1970-01-01; NaN where unknown.
- ``lonlat``: ``(2,)`` float64 degrees, in the declared order.
- ``bbox``: ``(4,)`` float64 (lon_min, lat_max, lon_max, lat_min) of ``image``.
"""


def sample_key(name: str) -> str:
    """Return the key of an input in a sample, by its declared name."""
    return SAMPLE_KEYS.get(name, name)


def dates_key(name: str) -> str:
    """Return the key of the dates of an image in a sample, by the image's declared name."""
    return "dates" if name == "rs" else f"{name}_dates"


@runtime_checkable
class Split(Protocol):
    """One split, a map-style dataset in PyTorch's sense.

    It may also have ``__getitems__(indices) -> list[Sample]``, which PyTorch's ``DataLoader`` then calls once a batch,
    ``note() -> str``, which says what was done to the samples that were read, for the record; empty if nothing; and
    ``left_out(target: str) -> str``, which says which samples of a class -1 are not part of a task, and why.
    """

    @property
    def ids(self) -> Sequence[str]:
        """Stable sample identifiers, unique in the dataset."""
        ...

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
        ...

    def target(self, name: str) -> NDArray[Any]:
        """Return a target, aligned with :attr:`ids`.

        Returns:
            Classification: int64 ``(n,)`` class indices, -1 where the sample is not part of the task. Multi-label: bool
            ``(n, classes)``. Regression: float64 ``(n,)``, finite. Segmentation: uint8 or int64 ``(n, height, width)``
            class indices, 255 or -1 for ignored pixels. Dense regression: float32 or float64 ``(n, height, width)``,
            NaN for ignored pixels. Geolocalization: float64 ``(n, 2)`` degrees, longitude first.

        Raises:
            KeyError: The dataset has no such target.
        """
        ...


@runtime_checkable
class DataSource(Protocol):
    """What a :class:`gairbench.spec.DatasetSpec`'s factory returns. Making one must be cheap; reading comes later.

    It may also have ``problems()`` and ``warnings()``, which return sentences that ``gairbench data check`` shows, and
    ``extent``, true if it has checked its coordinates against the area that they are declared to be of.
    """

    def fingerprint(self) -> str:
        """Return a hash of everything in the data that can change a sample, a split or a target."""
        ...

    def split(self, name: str) -> Split:
        """Return one of the declared splits.

        Raises:
            gairbench.errors.DataError: The data are missing or broken.
        """
        ...

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the class names of a target in index order; empty for a regression target."""
        ...


class ArraySplit:
    """A split held in memory, for small datasets, generated data and tests.

    Args:
        ids: Sample identifiers, one per sample.
        inputs: Arrays by sample key (``image``, ``street_view``, ``lonlat``, ``bbox``), samples along the first axis.
        targets: Target arrays by name, samples along the first axis.

    Raises:
        ValueError: An array's length differs from the number of ids.
    """

    def __init__(
        self, ids: Sequence[str], inputs: Mapping[str, NDArray[Any]], targets: Mapping[str, NDArray[Any]]
    ) -> None:
        for name, array in [*inputs.items(), *targets.items()]:
            if len(array) != len(ids):
                raise ValueError(f"{name!r} has {len(array)} entries for {len(ids)} ids")
        self.ids = ids
        self._inputs = dict(inputs)
        self._targets = dict(targets)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        import torch

        return {key: torch.as_tensor(array[index]) for key, array in self._inputs.items()}

    def target(self, name: str) -> NDArray[np.generic]:
        """Return a target by name."""
        return self._targets[name]
