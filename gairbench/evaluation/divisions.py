"""A dataset's samples, divided anew by a split policy: the pool of its train, val and test, embedded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import Sample, Split
from gairbench.dense_targets import reads_dense
from gairbench.errors import DataError, InputMismatchError, PluginError
from gairbench.evaluation.open_data import OpenData, dataset_name
from gairbench.files.coordinates import check_coordinates
from gairbench.inputs import LocationInput
from gairbench.isolation import Isolated, named
from gairbench.kinds import DENSE
from gairbench.limit import limited
from gairbench.selection import unknown
from gairbench.spec import DatasetSpec, TaskSpec, resolve
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS, SplitInput
from gairbench.splitting import Names, division_problem

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

    @property
    def reads_dense(self) -> bool:
        """Whether all published splits read dense targets sample by sample."""
        return all(map(reads_dense, self._parts))

    def target_at(self, name: str, position: int) -> Array:
        """Return a dense target of one sample, where the published splits read sample by sample.

        Raises:
            KeyError: The dataset has no such target.
        """
        part, index = self._found(position)
        values: Array = part.target_at(name, index)  # type: ignore[attr-defined]
        return values

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

    def lonlat(self) -> Array | None:
        """Return longitude and latitude of every sample in degrees, ``(samples, 2)``, or ``None``.

        Raises:
            DataError: A sample has no valid place.
        """
        found = []
        for part in self._parts:
            places = places_of(self._dataset, part)
            if places is None:
                return None
            found.append(places)
        lonlat: Array = np.concatenate(found)
        return lonlat

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
        lonlat = self.lonlat() if choice.needs_places else None
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
        """Return the error for a grouping that there is not, with those that there are where the dataset lists them."""
        listed = [getattr(part, "groupings", None) for part in self._parts]
        names = set[str]().union(*(ask() for ask in listed if ask is not None))
        return InputMismatchError(
            f"split {choice} divides by grouping {grouping!r}, and dataset {self._dataset.name!r} has none of that"
            " name",
            unknown("grouping", grouping, names).hint if names else "",
        )


def places_of(dataset: DatasetSpec, split: Split) -> Array | None:
    """Return longitude and latitude of every sample of a split in degrees, ``(samples, 2)``, or ``None``.

    Raises:
        DataError: A sample has no valid place.
    """
    if isinstance(split, PooledSplit):
        return split.lonlat()
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
        if pool.reads_dense:
            self.target_at = self._target_at

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

    def _target_at(self, name: str, index: int) -> Array:
        return self._pool.target_at(name, int(self._rows[index]))

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

    def lonlat(self) -> Array | None:
        """Return longitude and latitude of every sample in degrees, ``(samples, 2)``, or ``None``."""
        places = self._pool.lonlat()
        return None if places is None else places[self._rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """The embedded samples of a dataset, divided anew.

    Args:
        splits: The new splits by name.
        positions: Of the samples of each among the embedded ones of train, val and test, one after the other.
        note: How many samples the policy left out; empty if none.
        changes: What the policy changed in the process, which was undone; empty if nothing.
    """

    splits: Mapping[str, PooledSplit]
    positions: Mapping[str, Array]
    note: str
    changes: str

    def features(self, published: Mapping[str, Array], limit: int | None) -> dict[str, Array]:
        """Return the features of the new splits, of each as many as ``--limit`` keeps.

        Args:
            published: Of the published splits, by name.
            limit: The run's ``--limit``.
        """
        pool = np.concatenate([published[name] for name in SPLITS])
        return {name: pool[rows[limited(len(rows), limit)]] for name, rows in self.positions.items()}


class Divisions:
    """What split policies have made of datasets in this process; each policy is called once for a task and seed.

    Args:
        data: Open datasets.
    """

    def __init__(self, data: OpenData) -> None:
        self._data = data
        self._made: dict[tuple[str, ...], tuple[Names, str]] = {}

    def divide(self, task: TaskSpec, fingerprint: str, choice: SplitChoice, *, seed: int, limit: int | None) -> Divided:
        """Divide a dataset's samples anew.

        All samples are divided, and those that are embedded take part: a trial run tests on nothing that a whole run
        learns from.

        Args:
            task: What is evaluated.
            fingerprint: Of its dataset.
            choice: The split policy.
            seed: Of what it draws.
            limit: The run's ``--limit``.

        Raises:
            InputMismatchError: The dataset lacks what the policy needs.
            DataError: A new split is empty.
            PluginError: The policy returned something else than splits.
            Exception: Whatever a third-party dataset or policy raises.
        """
        parts = {name: self._data.split(task.dataset, fingerprint, name) for name in SPLITS}
        with Isolated(dataset_name(task.dataset)):
            pool = SamplePool(task.dataset, parts)
            which = (task.name, fingerprint, str(choice), str(seed))
            if which not in self._made:
                self._made[which] = _call(choice, pool.given_to(choice, task, seed))
            names, changes = self._made[which]
            embedded = pool.embedded(limit)
            positions = {name: np.flatnonzero(names[embedded] == name) for name in SPLITS}
            for name in SPLITS:
                if not len(positions[name]):
                    some = bool((names == name).any())
                    raise _empty(task, choice, name, limit, some=some, published=len(parts[name]))
            splits = {name: PooledSplit(pool, embedded[rows]) for name, rows in positions.items()}
        left_out = int((names == "").sum())
        note = f"{left_out} samples are in no split of {choice}" if left_out else ""
        return Divided(splits=splits, positions=positions, note=note, changes=changes)


def _call(choice: SplitChoice, given: SplitInput) -> tuple[Names, str]:
    policy = choice.policy
    with Isolated(named("split policy", policy.name, policy.factory), seed=given.seed) as call:
        names: Names = resolve(policy.factory)(given)
    if problem := division_problem(names, len(given.ids)):
        raise PluginError(f"split policy {policy.name!r}: {problem}", "correct the split policy")
    return names.astype(np.str_), call.changes


def _empty(
    task: TaskSpec, choice: SplitChoice, name: str, limit: int | None, *, some: bool, published: int
) -> DataError:
    if some and limit is not None:
        return DataError(
            f"--limit {limit} leaves split {name!r} of {choice} for dataset {task.dataset.name!r} empty", "raise it"
        )
    hint = "choose a split with more and smaller parts, or another --seed"
    if not published:
        hint = f"splits are drawn in the published sizes, and no sample is published in {name!r}"
    return DataError(f"split {name!r} of {choice} for dataset {task.dataset.name!r} is empty", hint)
