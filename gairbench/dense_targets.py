"""Reads masks and maps sample by sample into files, so that memory holds one of them at a time."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from gairbench.data import Split
from gairbench.errors import DataError
from gairbench.read_only import read_only

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DenseSplit(Split, Protocol):
    """A split that reads its dense targets sample by sample."""

    def target_at(self, name: str, index: int) -> NDArray[Any]:
        """Return the mask or map of a sample, as :class:`gairbench.data.Split` says."""
        ...


def reads_dense(split: Split) -> TypeGuard[DenseSplit]:
    """Whether a split reads its dense targets sample by sample: it has ``target_at``."""
    return hasattr(split, "target_at")


def read_dense(split: DenseSplit, target: str, rows: NDArray[Any], what: str, folder: Path) -> NDArray[Any]:
    """Return a dense target of some samples, read one by one, ahead by threads, into a file without a name.

    Args:
        split: It reads sample by sample.
        target: The target's name.
        rows: Positions of the samples in the split.
        what: The target, for messages.
        folder: Where the file lies.

    Returns:
        ``(rows, height, width)``, read-only.

    Raises:
        KeyError: There is no such target.
        DataError: A sample's is not an array of two axes, or of another type or size than the first one's.
        StorageError: The disk has no room for all of them.
        Exception: Whatever the split raises.
    """
    import numpy as np

    from gairbench.disk_array import disk_array
    from gairbench.embedding import prefetched

    found: NDArray[Any] | None = None
    jobs = (partial(split.target_at, target, int(row)) for row in rows)
    for position, values in enumerate(prefetched(jobs)):
        sample = f"{what} of sample {split.ids[int(rows[position])]!r}"
        if not isinstance(values, np.ndarray):
            raise DataError(f"{sample} is a {type(values).__name__}, not an array", "correct the dataset")
        if values.ndim != 2 or values.dtype.kind not in "biuf":
            shown = f"{values.dtype} of shape {values.shape}"
            raise DataError(f"{sample} is {shown}, wanted numbers (height, width)", "correct the dataset")
        if found is None:
            # All that is needed is asked for now: a full disk shows before hours of reading.
            found = disk_array(folder, (len(rows), *values.shape), values.dtype)
        if (values.dtype, values.shape) != (found.dtype, found.shape[1:]):
            raise DataError(
                f"{sample} is {values.dtype} of shape {values.shape}, and that of {split.ids[int(rows[0])]!r} is"
                f" {found.dtype} of shape {found.shape[1:]}",
                "give all of them one type, and cut or pad the samples to one size",
            )
        found[position] = values
    return np.zeros((0, 0, 0)) if found is None else read_only(found)
