"""Datasets that a process has opened, so that the plan and the jobs of one process read tables once."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from gairbench.data import DataSource, Sample, Split
from gairbench.errors import DataError
from gairbench.isolation import Blamed, Isolated, call_factory, named
from gairbench.spec import DataContext, DatasetSpec


class OpenData:
    """Datasets by name, opened when they are first needed.

    Args:
        root: The ``--data-root``.
        planned_on: Name of the machine that made the plan; ``None``: this one. On another one the data are compared
            with the planned fingerprint when they are opened, because keys of embeddings and records contain it.
    """

    def __init__(self, root: Path | None, planned_on: str | None = None) -> None:
        self._root = root
        self._elsewhere = planned_on not in {None, socket.gethostname()}
        self._sources: dict[str, DataSource] = {}
        self._fingerprints: dict[str, str] = {}
        self._splits: dict[str, Split] = {}
        self._changes: dict[str, dict[str, None]] = {}
        self._at_hand = ""

    def fingerprint(self, spec: DatasetSpec) -> str:
        """Open a dataset and return its fingerprint.

        Raises:
            Exception: Whatever a third-party dataset raises.
        """
        if spec.name not in self._fingerprints:
            source = self._open(spec)
            self._fingerprints[spec.name] = self._fingerprint(spec, source)
            self._sources[spec.name] = source
        return self._fingerprints[spec.name]

    def source(self, spec: DatasetSpec, fingerprint: str) -> DataSource:
        """Return an open dataset.

        Args:
            spec: The dataset.
            fingerprint: What the plan knows it by; one that was opened with another fingerprint is opened again.

        Raises:
            DataError: This machine's files differ from those that the plan was made with.
            Exception: Whatever a third-party dataset raises.
        """
        if self._fingerprints.get(spec.name) != fingerprint:
            source = self._open(spec)
            if self._elsewhere and self._fingerprint(spec, source) != fingerprint:
                raise DataError(
                    f"dataset {spec.name!r} on {socket.gethostname()} differs from the one that the plan was made with",
                    "give every machine the same files below --data-root",
                )
            self._sources[spec.name], self._fingerprints[spec.name] = source, fingerprint
            self._splits.clear()
        return self._sources[spec.name]

    def split(self, spec: DatasetSpec, fingerprint: str, name: str) -> Split:
        """Return a split; those of the last dataset asked for are kept.

        Raises:
            Exception: Whatever :meth:`source` or a third-party dataset raises.
        """
        source = self.source(spec, fingerprint)
        if spec.name != self._at_hand:
            self._at_hand = spec.name
            self._splits.clear()
        if name not in self._splits:
            with Isolated(dataset_name(spec)) as opened:
                self._splits[name] = source.split(name)
            self._note(spec, opened.changes)
        return self._splits[name]

    def changes(self, spec: DatasetSpec) -> str:
        """Return what opening the dataset has changed in the process, which was undone; empty if nothing."""
        return "; ".join(self._changes.get(spec.name, {}))

    def _open(self, spec: DatasetSpec) -> DataSource:
        source: DataSource
        source, changes = call_factory(dataset_name(spec), spec.factory, DataContext(root=self._root, dataset=spec))
        self._note(spec, changes)
        return source

    def _fingerprint(self, spec: DatasetSpec, source: DataSource) -> str:
        with Isolated(dataset_name(spec)) as read:
            found = source.fingerprint()
        self._note(spec, read.changes)
        return found

    def _note(self, spec: DatasetSpec, changes: str) -> None:
        if changes:
            self._changes.setdefault(spec.name, {})[changes] = None


def dataset_name(spec: DatasetSpec) -> str:
    """Return how to name a dataset whose code misbehaves."""
    return named("dataset", spec.name, spec.factory)


class Reading:
    """A split whose errors name its dataset, and which cannot end the process, in whatever thread it is read.

    Args:
        split: The split.
        who: Its dataset, from :func:`dataset_name`.
    """

    def __init__(self, split: Split, who: str) -> None:
        self._split = split
        self._who = who
        if hasattr(split, "__getitems__"):
            self.__getitems__ = self._many

    @property
    def ids(self) -> Sequence[str]:
        """The split's."""
        with Blamed(self._who):
            return self._split.ids

    def __len__(self) -> int:
        with Blamed(self._who):
            return len(self._split)

    def __getitem__(self, index: int) -> Sample:
        with Blamed(self._who):
            return self._split[index]

    def _many(self, indices: Sequence[int]) -> list[Sample]:
        with Blamed(self._who):
            samples: list[Sample] = self._split.__getitems__(indices)  # type: ignore[attr-defined]
            return samples

    def target(self, name: str) -> NDArray[Any]:
        """Return the split's target."""
        with Blamed(self._who):
            return self._split.target(name)

    def note(self) -> str:
        """Return what was done to the samples that were read; empty if nothing."""
        with Blamed(self._who):
            note: str = getattr(self._split, "note", str)()
            return note
