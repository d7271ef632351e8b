"""Datasets that a process has opened, so that the plan and the jobs of one process read tables once."""

from __future__ import annotations

import socket
from pathlib import Path

from gairbench.data import DataSource, Split
from gairbench.errors import DataError
from gairbench.spec import DataContext, DatasetSpec, resolve


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
        self._at_hand = ""

    def fingerprint(self, spec: DatasetSpec) -> str:
        """Open a dataset and return its fingerprint.

        Raises:
            Exception: Whatever a third-party dataset raises.
        """
        if spec.name not in self._fingerprints:
            source: DataSource = resolve(spec.factory)(DataContext(root=self._root, dataset=spec))
            self._fingerprints[spec.name] = source.fingerprint()
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
            source: DataSource = resolve(spec.factory)(DataContext(root=self._root, dataset=spec))
            if self._elsewhere and source.fingerprint() != fingerprint:
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
            self._splits[name] = source.split(name)
        return self._splits[name]
