"""Dense targets of the samples that take part, in files without a name: no split's are in memory together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gairbench.dense_targets import DenseSplit, read_dense
from gairbench.disk_array import disk_array
from gairbench.read_only import read_only

Array = NDArray[Any]


class DenseStore:
    """What a process has read of dense targets; those of the last division are kept, for the next cell.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._division: tuple[str, ...] = ()
        self._kept: dict[tuple[str, str], Array] = {}

    def of(self, *division: str) -> DenseStore:
        """Return it for one division of one dataset; what is kept of another one goes.

        Args:
            division: All that decides which samples the splits hold.
        """
        if division != self._division:
            self._kept.clear()
            self._division = division
        return self

    def read(self, name: str, split: DenseSplit, target: str, rows: Array, what: str) -> Array:
        """Return a dense target of some samples of a split ``(rows, height, width)``, read-only.

        Args:
            name: Name of the split.
            split: It reads sample by sample.
            target: The target's name.
            rows: Positions of the samples in it, always the same ones of a division.
            what: The target, for messages.

        Raises:
            Exception: Whatever :func:`gairbench.dense_targets.read_dense` raises.
        """
        if (name, target) not in self._kept:
            self._kept[name, target] = read_dense(split, target, rows, what, self._folder)
        return self._kept[name, target]

    def chosen(self, values: Array, rows: Array) -> Array:
        """Return some samples of a dense target, on the disk too.

        Raises:
            StorageError: The disk has no room for them.
        """
        found = disk_array(self._folder, (len(rows), *values.shape[1:]), values.dtype)
        for position, row in enumerate(rows):
            found[position] = values[row]
        return read_only(found)
