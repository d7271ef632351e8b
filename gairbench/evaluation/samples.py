"""Which samples of each split take part in a task, and the checks that make a number mean something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import DataSource, Split
from gairbench.dense_targets import reads_dense
from gairbench.errors import DataError, InputMismatchError
from gairbench.evaluation.coverage import Covered
from gairbench.evaluation.dense_store import DenseStore
from gairbench.kinds import DENSE, ONE_CLASS, WITH_CLASSES, WITH_NAMES
from gairbench.label_budget import LabelBudget
from gairbench.limit import limited
from gairbench.spec import Kind, TaskSpec
from gairbench.targets import degenerate, target_problem

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The samples of one split that take part.

    Args:
        rows: Positions among the embedded samples.
        ids: Their identifiers.
        target: Their targets.
        dropped: How many were left out and why; empty if none.
        whole: How many there would be without a model that says which take part, and with all labels.
    """

    rows: Array
    ids: Sequence[str]
    target: Array
    dropped: str = ""
    whole: int = 0


_ALL_LABELS = LabelBudget()


def select(
    task: TaskSpec,
    source: DataSource,
    splits: Mapping[str, Split],
    limit: int | None,
    labels: LabelBudget = _ALL_LABELS,
    draw: int = 0,
    policy: str = "",
    dense: DenseStore | None = None,
    covered: Covered | None = None,
) -> dict[str, Selection]:
    """Choose the samples of every split that take part, and refuse targets that cannot be learned or scored.

    Args:
        task: The task.
        source: Its data.
        splits: Its splits by name; ``"train"`` among them.
        limit: The run's ``--limit``.
        labels: The part of train to learn from.
        draw: Which such part.
        policy: The split policy that made the splits; empty: they are the published ones.
        dense: Where dense targets are kept that are read sample by sample; ``None``: in memory.
        covered: Which samples models of existing embeddings have; ``None``: all samples take part.

    Returns:
        One selection per split.

    Raises:
        InputMismatchError: The samples that these models have are too few, lack a class, or teach nothing.
        DataError: A split is empty, a target does not fit the kind of task or is not finite, a class occurs outside
            train but not in it, or there is nothing to learn, as where all samples are of one class. Under ``--limit``,
            and where a policy made the splits, samples of classes that train lacks are dropped instead, which is
            recorded.
    """
    classes = source.classes(task.target) if covered is not None and task.kind in WITH_CLASSES else ()
    chosen = {
        name: _select(task, name, split, limit, policy, dense, covered, classes) for name, split in splits.items()
    }
    _check_targets(task, source, chosen)
    if task.kind in ONE_CLASS:
        known = set(np.unique(chosen["train"].target).tolist())
        for name, selection in chosen.items():
            unseen = set(np.unique(selection.target).tolist()) - known
            if unseen:
                chosen[name] = _without(task, source, name, selection, unseen, limit, policy)
    chosen["train"] = _within(labels, task.kind, chosen["train"], draw, dense)
    _check_something_to_learn(task, source, chosen, limit, labels, covered)
    return chosen


def _within(labels: LabelBudget, kind: Kind, train: Selection, draw: int, dense: DenseStore | None) -> Selection:
    """Return the part of train whose labels are learned from."""
    kept = labels.chosen(kind, train.ids, train.target, draw)
    if len(kept) == len(train.rows):
        return train
    note = f"{len(train.rows) - len(kept)} samples outside {labels} of the labels"
    return Selection(
        rows=train.rows[kept],
        ids=[train.ids[i] for i in kept],
        target=dense.chosen(train.target, kept) if kind in DENSE and dense else train.target[kept],
        dropped="; ".join(filter(None, [train.dropped, note])),
        whole=train.whole,
    )


def _select(
    task: TaskSpec,
    name: str,
    split: Split,
    limit: int | None,
    policy: str,
    dense: DenseStore | None,
    covered: Covered | None,
    classes: Sequence[str],
) -> Selection:
    rows = limited(len(split), limit)
    try:
        target = _target(task, name, split, rows, dense)
    except KeyError:
        raise DataError(
            f"dataset {task.dataset.name!r} has no target {task.target!r}", "correct the task's target"
        ) from None
    if task.kind is not Kind.MULTILABEL and target.dtype.kind not in "fiu":
        raise DataError(
            f"target {task.target!r} in split {name!r} of task {task.name!r} is not a number (type {target.dtype})",
            "correct the dataset, or the task's kind",
        )
    labelled = keep = target >= 0 if task.kind in ONE_CLASS else np.ones(len(target), dtype=bool)
    if covered is not None and labelled.any():
        keep = covered.kept(name, task.kind, labelled, target, classes)
    position = np.arange(len(rows))[keep]
    ids = [split.ids[i] for i in rows[keep]]
    if not ids:
        raise _empty(task, name, limit, policy, unlabelled=len(rows))
    if not keep.all():
        target = dense.chosen(target, position) if task.kind in DENSE and dense else target[keep]
    numbers = task.kind in {Kind.REGRESSION, Kind.MULTI_REGRESSION, Kind.GEOLOCALIZATION}
    if numbers and not np.isfinite(target).all():
        bad = ids[int(np.flatnonzero(~np.isfinite(target).reshape(len(target), -1).all(axis=1))[0])]
        raise DataError(
            f"target {task.target!r} of sample {bad!r} in split {name!r} is not a number", "fix or remove that sample"
        )
    left_out = int((~labelled).sum())
    why = getattr(split, "left_out", None)
    said = why(task.target) if why else ""
    counted = f"{left_out} samples without this label" if left_out else ""
    dropped = said or counted
    if policy and task.kind in ONE_CLASS:
        # What is said counts samples of the published splits.
        dropped = f"{counted} ({said})" if counted and said else counted
    uncovered = covered.note(int(labelled.sum() - keep.sum())) if covered is not None else ""
    dropped = "; ".join(filter(None, [dropped, uncovered]))
    return Selection(rows=position, ids=ids, target=target, dropped=dropped, whole=int(labelled.sum()))


def _empty(task: TaskSpec, name: str, limit: int | None, policy: str, *, unlabelled: int) -> DataError:
    if not unlabelled:
        return DataError(f"split {name!r} of task {task.name!r} is empty", "check how the dataset is split")
    split = f"split {name!r} of {policy} for" if policy else f"split {name!r} of"
    raised = [f"raise --limit {limit}"] if limit is not None else []
    other = ["choose another split, or another --seed" if policy else "check how the dataset is split, and its labels"]
    return DataError(
        f"none of the {unlabelled} samples in {split} task {task.name!r} has a label", ", or ".join([*raised, *other])
    )


def _target(task: TaskSpec, name: str, split: Split, rows: Array, dense: DenseStore | None) -> Array:
    """Return the target of some samples of a split; of maps nothing is copied that need not be."""
    if task.kind not in DENSE:
        return split.target(task.target)[rows]
    if dense is not None and reads_dense(split):
        what = f"target {task.target!r} in split {name!r} of task {task.name!r}"
        return dense.read(name, split, task.target, rows, what)
    values = split.target(task.target)
    return values if len(rows) == len(values) else values[rows]


def _check_targets(task: TaskSpec, source: DataSource, chosen: Mapping[str, Selection]) -> None:
    if task.kind is Kind.REGRESSION and all(selection.target.ndim == 1 for selection in chosen.values()):
        return
    classes = source.classes(task.target) if task.kind in WITH_NAMES else ()
    for name, selection in chosen.items():
        if problem := target_problem(task.kind, selection.target, classes):
            raise DataError(
                f"target {task.target!r} of split {name!r} of task {task.name!r} {problem}",
                "correct the dataset, or the task's kind",
            )


def _check_something_to_learn(
    task: TaskSpec,
    source: DataSource,
    chosen: Mapping[str, Selection],
    limit: int | None,
    labels: LabelBudget,
    covered: Covered | None,
) -> None:
    classes = source.classes(task.target) if task.kind in WITH_NAMES else ()
    test = chosen["test"].target if "test" in chosen else None
    problem, hint = degenerate(task.kind, chosen["train"].target, classes, test)
    if problem:
        raised = [f"raise --limit {limit}"] if limit is not None else []
        raised += [] if labels.whole else [f"learn from more than --labels {labels}"]
        if covered is not None:
            raise InputMismatchError(f"of the samples that {covered.by} covers, {problem}", ", or ".join(raised))
        raise DataError(f"task {task.name!r}: {problem}", ", or ".join([*raised, hint]))


def _without(
    task: TaskSpec,
    source: DataSource,
    name: str,
    selection: Selection,
    unseen: set[int],
    limit: int | None,
    policy: str,
) -> Selection:
    mask = np.isin(selection.target, list(unseen))
    names = ", ".join(repr(source.classes(task.target)[c]) for c in sorted(unseen))
    if limit is None and not policy:
        raise DataError(
            f"task {task.name!r}: class {names} is in split {name!r} ({int(mask.sum())} samples) but not in train",
            "split the data so that train has every class, or leave those samples out",
        )
    train = "limited train split" if limit is not None else f"train split of {policy}"
    note = f"{int(mask.sum())} samples of classes that the {train} lacks ({names})"
    kept = np.flatnonzero(~mask).tolist()
    if not kept:
        if limit is not None:
            raise DataError(f"--limit {limit} leaves split {name!r} of task {task.name!r} empty", "raise it")
        raise DataError(
            f"split {name!r} of {policy} for task {task.name!r} has only classes that train lacks ({names})",
            "choose another split, or another --seed",
        )
    return Selection(
        rows=selection.rows[kept],
        ids=[selection.ids[i] for i in kept],
        target=selection.target[kept],
        dropped="; ".join(filter(None, [selection.dropped, note])),
        whole=selection.whole - int(mask.sum()),
    )
