"""The samples of a dataset's train, val and test in one pool, and splits that are made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import Sample, Split
from gairbench.dense_targets import reads_dense
from gairbench.errors import DataError, InputMismatchError
from gairbench.files.coordinates import check_coordinates
from gairbench.inputs import LocationInput
from gairbench.kinds import DENSE
from gairbench.limit import limited
from gairbench.selection import unknown
from gairbench.spec import DatasetSpec, TaskSpec
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS, SplitInput

Array = NDArray[Any]


class SamplePool:
    """The samples of train, val and test, one after the other.

    Args:
        dataset: The dataset.
        parts: Its published splits by name.
    """

    def __init__(self, dataset: DatasetSpec, parts: Mapping[str, Split]) -> None:
        self._dataset = dataset
        self._parts = [parts[name] for name in SPLITS]
        self._starts = np.cumsum([0, *map(len, self._parts)])
        self._targets: dict[str, Array] = {}

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def ids(self) -> list[str]:
        """Identifiers of all samples."""
        return [identifier for part in self._parts for identifier in part.ids]

    def sample(self, position: int) -> Sample:
        """Return one sample."""
        part, index = self._found(position)
        return part[index]

    def _found(self, position: int) -> tuple[Split, int]:
        part = int(np.searchsorted(self._starts, position, side="right")) - 1
        return self._parts[part], position - int(self._starts[part])

    def split(self, rows: Array) -> PooledSplit:
        """Return some samples as a split, which reads dense targets sample by sample where all published ones do.

        Args:
            rows: Positions of the samples.
        """
        return (DensePooledSplit if all(map(reads_dense, self._parts)) else PooledSplit)(self, rows)

    def target_at(self, name: str, position: int) -> Array:
        """Return a dense target of one sample.

        Raises:
            KeyError: The dataset has no such target.
            TypeError: Its published split does not read sample by sample.
        """
        part, index = self._found(position)
        if not reads_dense(part):
            raise TypeError("the published split does not read dense targets sample by sample")
        return part.target_at(name, index)

    def target(self, name: str) -> Array:
        """Return a target of all samples.

        Raises:
            KeyError: The dataset has no such target.
        """
        if name not in self._targets:
            self._targets[name] = np.concatenate([part.target(name) for part in self._parts])
        return self._targets[name]

    def groups(self, name: str) -> Array:
        """Return the group of every sample in a grouping.

        Raises:
            KeyError: There is no such grouping.
            DataError: The number of groups is not the number of samples.
        """
        found = []
        for part in self._parts:
            find = getattr(part, "groups", None)
            if find is None:
                raise KeyError(name)
            found.append(_aligned(self._dataset, np.asarray(find(name)), len(part), f"grouping {name!r}", ()))
        return np.concatenate(found)

    def left_out(self, target: str, rows: Array) -> str:
        """Return the published splits' notes on excluded samples; empty if there are none.

        Args:
            target: The task's target.
            rows: Positions of the samples.
        """
        said: dict[str, list[str]] = {}
        for part in np.unique(np.searchsorted(self._starts, rows, side="right")) - 1:
            why = getattr(self._parts[part], "left_out", None)
            if why is not None and (text := why(target)):
                said.setdefault(text, []).append(SPLITS[part])
        return "; ".join(f"published {', '.join(names)}: {text}" for text, names in said.items())

    def places(self) -> Array | None:
        """Return the places of all samples as the dataset has them, ``(samples, 2)``, or ``None``.

        Raises:
            DataError: The number of places is not the number of samples.
        """
        found = []
        for part in self._parts:
            places = getattr(part, "places", lambda: None)()
            if places is None:
                return None
            found.append(_aligned(self._dataset, np.asarray(places, dtype=np.float64), len(part), "places", (2,)))
        return np.concatenate(found)

    def embedded(self, limit: int | None) -> Array:
        """Return the positions of the samples that are embedded: of each published split what ``--limit`` keeps."""
        kept = [start + limited(len(part), limit) for start, part in zip(self._starts, self._parts, strict=False)]
        return np.concatenate(kept)

    def given_to(self, choice: SplitChoice, task: TaskSpec, seed: int) -> SplitInput:
        """Return what a split policy is given.

        Raises:
            InputMismatchError: The dataset lacks what the policy needs.
            DataError: It has no such target, or no group or place for a sample.
        """
        lonlat = places_of(self._dataset, self) if choice.needs_places else None
        if choice.needs_places and lonlat is None:
            what = f"split {choice} divides by places, and dataset {self._dataset.name!r} has none"
            raise InputMismatchError(what, "")
        groups = {}
        for name in choice.groupings:
            try:
                groups[name] = self.groups(name)
            except KeyError:
                raise self._lacking(choice, name) from None
        try:
            target = None if task.kind in DENSE else self.target(task.target)
        except KeyError:
            raise DataError(
                f"dataset {self._dataset.name!r} has no target {task.target!r}", "correct the task's target"
            ) from None
        return SplitInput(
            ids=self.ids,
            published=np.repeat(SPLITS, np.diff(self._starts)),
            kind=task.kind,
            target=target,
            lonlat=lonlat,
            groups=groups,
            parameter=choice.parameter,
            seed=seed,
        )

    def _lacking(self, choice: SplitChoice, grouping: str) -> InputMismatchError:
        """Return the error for an unknown grouping, listing the known ones."""
        listed = [getattr(part, "groupings", None) for part in self._parts]
        names = set[str]().union(*(ask() for ask in listed if ask is not None))
        return InputMismatchError(
            f"split {choice} divides by grouping {grouping!r}, which dataset {self._dataset.name!r} does not have",
            unknown("grouping", grouping, names).hint if names else "",
        )


def places_of(dataset: DatasetSpec, split: Split | SamplePool) -> Array | None:
    """Return longitude and latitude of every sample of a split in degrees, ``(samples, 2)``, or ``None``.

    Raises:
        DataError: A sample has no valid place.
    """
    places = getattr(split, "places", lambda: None)()
    if places is None:
        return None
    lonlat = _aligned(dataset, np.asarray(places, dtype=np.float64), len(split), "places", (2,))
    orders = {one.order for one in dataset.delivers if isinstance(one, LocationInput)}
    if orders == {"latlon"}:
        lonlat = lonlat[:, ::-1]
    return check_coordinates(lonlat, lambda row: f"sample {split.ids[row]!r} of dataset {dataset.name!r}")


def _aligned(dataset: DatasetSpec, values: Array, samples: int, what: str, more: tuple[int, ...]) -> Array:
    if values.shape != (samples, *more):
        raise DataError(
            f"{what} of dataset {dataset.name!r} have shape {values.shape} for {samples} samples", "correct the dataset"
        )
    return values


class PooledSplit:
    """A new split; a :class:`gairbench.data.Split`.

    Args:
        pool: All samples.
        rows: Positions in it.
    """

    def __init__(self, pool: SamplePool, rows: Array) -> None:
        self._pool = pool
        self._rows = rows
        self.ids: Sequence[str] = [pool.ids[row] for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        return self._pool.sample(int(self._rows[index]))

    def target(self, name: str) -> Array:
        """Return a target, aligned with :attr:`ids`.

        Raises:
            KeyError: The dataset has no such target.
        """
        values: Array = self._pool.target(name)[self._rows]
        return values

    def left_out(self, target: str) -> str:
        """Return the published splits' notes on excluded samples."""
        return self._pool.left_out(target, self._rows)

    def groups(self, name: str) -> Array:
        """Return the group of every sample in a grouping.

        Raises:
            KeyError: There is no such grouping.
        """
        groups: Array = self._pool.groups(name)[self._rows]
        return groups

    def places(self) -> Array | None:
        """Return the places of the samples as the dataset has them, ``(samples, 2)``, or ``None``."""
        places = self._pool.places()
        return None if places is None else places[self._rows]


class DensePooledSplit(PooledSplit):
    """A new split that reads its dense targets sample by sample."""

    def target_at(self, name: str, index: int) -> Array:
        """Return the mask or map of a sample.

        Raises:
            KeyError: The dataset has no such target.
        """
        return self._pool.target_at(name, int(self._rows[index]))
