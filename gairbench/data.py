"""What a dataset gives the runner: splits of TorchGeo-style samples, and targets by name."""

from __future__ import annotations

import glob
import hashlib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gairbench.errors import DataError

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
- ``mask``, or ``<name>_mask`` of an image with a name: bool, of the shape of the image, true where it has a value; with
  one band, that stands for all. Where it is false, the image holds something finite that is possible in its unit.
- ``lonlat``: ``(2,)`` float64 degrees, in the declared order.
- ``bbox``: ``(4,)`` float64 (lon_min, lat_max, lon_max, lat_min) of ``image``.
"""


def sample_key(name: str) -> str:
    """Return the key of an input in a sample, by its declared name."""
    return SAMPLE_KEYS.get(name, name)


def dates_key(name: str) -> str:
    """Return the key of the dates of an image in a sample, by the image's declared name."""
    return "dates" if name == "rs" else f"{name}_dates"


def mask_key(name: str) -> str:
    """Return the key of the mask of an image in a sample, by the image's declared name."""
    return "mask" if name == "rs" else f"{name}_mask"


@runtime_checkable
class Split(Protocol):
    """One split, a map-style dataset in PyTorch's sense.

    It may also have ``__getitems__(indices) -> list[Sample]``, which PyTorch's ``DataLoader`` then calls once a batch,
    ``groups(name) -> array``, which returns the group of every sample ``(n,)``, numbers or texts, aligned with ``ids``,
    in a named grouping (block, city, country ...; ``KeyError`` where there is no such grouping), ``groupings() ->
    sequence``, the names of its groupings, for messages, ``places() -> array``,
    which returns the ``lonlat`` of every sample ``(n, 2)`` without reading the samples, longitude first unless the
    dataset declares another order (``None`` where they have no place), ``note() -> str``, which says what was done to
    the samples that were read, for the record; empty if nothing; ``left_out(target: str) -> str``, which says which
    samples of a class -1 are not part of a task, and why; and ``target_at(name: str, index: int) -> array``.

    ``target_at`` returns the mask or map ``(height, width)`` of one sample, of the type and with the values that
    :meth:`target` describes, and raises ``KeyError`` where there is no such mask or map. A run, ``gairbench data
    check`` and the conformance suite then read the targets of segmentation and dense regression through it alone,
    sample by sample and from several threads, and keep them on the disk: their size is not limited by the memory.
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
            Classification and ordinal: int64 ``(n,)`` class indices, -1 where the sample is not part of the task.
            Multi-label: bool ``(n, classes)``. Regression: float64 ``(n,)``, finite; of several measurements ``(n,
            measurements)``. Segmentation: uint8 or int64 ``(n, height, width)`` class indices, 255 or -1 for ignored
            pixels. Dense regression: float32 or float64 ``(n, height, width)``, NaN for ignored pixels.
            Geolocalization: float64 ``(n, 2)`` degrees, longitude first.

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
        """Return the class names of a target in index order, ascending where the classes are ordered.

        Of several measurements a sample, the name of each; empty for one measurement and for places.
        """
        ...


class ArraySplit:
    """A split held in memory, for small datasets, generated data and tests.

    Args:
        ids: Sample identifiers, one per sample.
        inputs: Arrays by sample key (``image``, ``street_view``, ``lonlat``, ``bbox``), samples along the first axis.
        targets: Target arrays by name, samples along the first axis.
        groups: Groupings by name: the group of every sample.

    Raises:
        ValueError: An array's length differs from the number of ids.
    """

    def __init__(
        self,
        ids: Sequence[str],
        inputs: Mapping[str, NDArray[Any]],
        targets: Mapping[str, NDArray[Any]],
        groups: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        for name, array in [*inputs.items(), *targets.items(), *(groups or {}).items()]:
            if len(array) != len(ids):
                raise ValueError(f"{name!r} has {len(array)} entries for {len(ids)} ids")
        self.ids = ids
        self._inputs = dict(inputs)
        self._targets = dict(targets)
        self._groups = dict(groups or {})

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        import numpy as np
        import torch

        # torch takes no negative strides, which ``latlon[:, ::-1]`` has.
        return {key: torch.as_tensor(np.asarray(array[index], order="C")) for key, array in self._inputs.items()}

    def target(self, name: str) -> NDArray[np.generic]:
        """Return a target by name."""
        return self._targets[name]

    def groups(self, name: str) -> NDArray[np.generic]:
        """Return the group of every sample in a grouping."""
        return self._groups[name]

    def groupings(self) -> tuple[str, ...]:
        """Return the names of the groupings."""
        return tuple(self._groups)

    def places(self) -> NDArray[np.generic] | None:
        """Return the ``lonlat`` of every sample, or ``None`` where they have none."""
        return self._inputs.get("lonlat")


def hash_files(root: Path, patterns: Sequence[str] = ("**/*",)) -> str:
    """Return a hash of the names and the content of files, for :meth:`DataSource.fingerprint`.

    Every file is read once, by several threads: that takes as long as the disk needs, and some seconds a gigabyte where
    the files are in memory. Times and permissions do not count, nor does where the folder lies. Links are followed.

    Args:
        root: A folder.
        patterns: Which files below it: ``*``, ``?`` and ``[...]`` match within a name, ``**`` any number of folders. A
            pattern after ``"!"`` leaves files out. Hidden files are left out, unless a pattern names them.

    Returns:
        SHA-256, hexadecimal.

    Raises:
        DataError: There is no such folder, no file matches one of the patterns, or a file cannot be read.

    Example:
        >>> import gairbench
        >>> hash_files(Path(gairbench.__file__).parent, ["py.typed"])[:8]
        '8dd52190'
    """
    if not root.is_dir():
        raise DataError(f"no folder {root}", "correct the folder or --data-root")
    chosen: set[str] = set()
    for pattern in patterns:
        if pattern.startswith("!"):
            chosen.difference_update(_matching(root, pattern[1:]))
            continue
        found = [name for name in _matching(root, pattern) if (root / name).is_file()]
        if not found:
            raise DataError(f"no file in {root} matches {pattern!r}", "complete the data, or correct the pattern")
        chosen.update(found)
    # Some file systems change the Unicode form of names.
    names = sorted((unicodedata.normalize("NFC", Path(name).as_posix()), name) for name in chosen)
    whole = hashlib.sha256()
    with ThreadPoolExecutor(_READERS, thread_name_prefix="gairbench-hash") as pool:
        for (shown, _), content in zip(names, pool.map(lambda pair: _content(root / pair[1]), names), strict=True):
            whole.update(f"{shown}\0{content}\n".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


_READERS = 4


def _matching(root: Path, pattern: str) -> Iterator[str]:
    # pathlib does not follow links to folders before Python 3.13.
    return glob.iglob(pattern, root_dir=root, recursive=True)  # noqa: PTH207


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}", "restore the file or fix its permissions"
        ) from error
