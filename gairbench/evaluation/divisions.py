"""A dataset's samples, divided anew by a split policy, and the features of the new splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError, PluginError
from gairbench.evaluation.open_data import OpenData, dataset_name
from gairbench.evaluation.sample_pool import PooledSplit, SamplePool
from gairbench.isolation import Isolated, named
from gairbench.limit import limited
from gairbench.spec import TaskSpec, resolve
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS, SplitInput
from gairbench.splitting import Names, division_problem

Array = NDArray[Any]


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
            splits = {name: pool.split(embedded[rows]) for name, rows in positions.items()}
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
