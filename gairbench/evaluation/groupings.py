"""Which samples are not independent: the groups of every split, by what drew the splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.cell_groupings import cell_width, cells_grouping
from gairbench.errors import DataError
from gairbench.evaluation.sample_pool import places_of
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import DatasetSpec, TaskSpec
from gairbench.split_choice import SplitChoice
from gairbench.splitting import block_names

if TYPE_CHECKING:
    from gairbench.data import Split

Array = NDArray[Any]


def groups_of(
    task: TaskSpec, split: SplitChoice, splits: Mapping[str, Split], rows: Mapping[str, Array]
) -> tuple[str, dict[str, Array | None]]:
    """Return the grouping whose groups are independent of each other, and the groups of all samples that take part.

    What the split policy drew comes first; else the task names a grouping, else the dataset does. A policy that tests
    on one group alone asks about that group: its samples are not one unit, and the task's or dataset's grouping holds.

    Args:
        task: What is evaluated.
        split: How its samples are divided.
        splits: The splits by name, ``"test"`` among them.
        rows: By split, where the samples that take part stand in it.

    Returns:
        The grouping's name, and by split the group of every sample; an empty name and ``None`` where each sample is
        independent.

    Raises:
        DataError: A split does not have the grouping, or not one group a sample.
    """
    dataset = task.dataset
    drawn = _drawn(split)
    if drawn is not None:
        found = {name: _groups(dataset, name, splits[name], drawn)[rows[name]] for name in splits} if drawn else {}
        if not drawn or len(np.unique(found["test"])) > 1:
            return drawn, {name: found.get(name) for name in splits}
    wanted = task.group or dataset.group
    if not wanted:
        return "", dict.fromkeys(splits)
    return wanted, {name: _groups(dataset, name, splits[name], wanted)[rows[name]] for name in splits}


def counted(groups: Mapping[str, Array | None]) -> dict[str, int]:
    """Return how many groups there are in each split."""
    return {name: len(np.unique(one)) for name, one in groups.items() if one is not None}


def samples_digest(ids: Sequence[str], target: Array, groups: Array | None) -> str:
    """Return a digest of test samples: numbers of the same samples can be compared in pairs.

    Args:
        ids: Identifiers, in order.
        target: Targets, samples along the first axis.
        groups: The group of every sample, or ``None``.
    """
    whole = hashlib.sha256()
    for part in _stated(ids, target, groups):
        whole.update(part)
    return whole.hexdigest()


def _stated(ids: Sequence[str], target: Array, groups: Array | None) -> Iterator[bytes]:
    # Lengths go first, so that no two lists give the same bytes.
    for words in (ids, () if groups is None else groups.tolist()):
        yield f"{len(words)};".encode()
        yield from (f"{len(word)}:{word}".encode("utf-8", "surrogateescape") for word in map(str, words))
    yield f"{target.shape}".encode()
    kind = {"f": "<f8", "b": "?"}.get(target.dtype.kind, "<i8")
    yield from (np.ascontiguousarray(target[block], dtype=kind).tobytes() for block in sample_blocks(target))


def _drawn(split: SplitChoice) -> str | None:
    """Return the grouping that a split policy drew; empty: single samples; ``None``: it does not say."""
    draws = "" if split.published else split.policy.draws
    if draws == "samples":
        return ""
    if draws == "cells":
        return cells_grouping(float(split.parameter))
    return split.groupings[0] if draws == "groups" else None


def _groups(dataset: DatasetSpec, name: str, split: Split, wanted: str) -> Array:
    what = f"split {name!r} of dataset {dataset.name!r} has"
    degrees = cell_width(wanted)
    if degrees is not None:
        lonlat = places_of(dataset, split)
        if lonlat is None:
            raise DataError(f"{what} no places to make {wanted} of", "correct the group of the dataset or task")
        return block_names(lonlat, degrees)
    find = getattr(split, "groups", None)
    try:
        groups = None if find is None else np.asarray(find(wanted))
    except KeyError:
        groups = None
    if groups is None:
        of = "dataset" if wanted == dataset.group else "task"
        raise DataError(f"{what} no grouping {wanted!r}", f"correct the {of}'s group")
    if groups.shape != (len(split),):
        raise DataError(f"{what} groups of shape {groups.shape} for {len(split)} samples", "correct the dataset")
    return groups
