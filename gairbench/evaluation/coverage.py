"""Which samples take part where a run is confined to those that models of existing embeddings have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.digests import digest
from gairbench.embedding import finite_rows
from gairbench.errors import InputMismatchError, NotCoveredError
from gairbench.evaluation.cells import Cell
from gairbench.evaluation.open_data import OpenData
from gairbench.evaluation.uncovered import uncovered_reason
from gairbench.kinds import WITH_CLASSES
from gairbench.limit import limited
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import Kind
from gairbench.targets import present_classes

Array = NDArray[Any]

FEWEST = 10
"""Samples that each split must keep, or half of a split that has fewer than twice as many: fewer show nothing."""

JOINED = " & "
"""What stands between the names of several models in records."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The samples that models of existing embeddings have.

    Args:
        by: Their names, joined.
        rows: By split, which of the embedded samples they all have, ``(samples,)`` bool.
    """

    by: str
    rows: Mapping[str, Array]

    def kept(self, name: str, kind: Kind, taking_part: Array, target: Array, classes: Sequence[str]) -> Array:
        """Return which samples of a split take part.

        Args:
            name: Name of the split.
            kind: What the task asks for.
            taking_part: Which samples would without the models, ``(samples,)`` bool.
            target: The target of all samples.
            classes: Names of its classes, where it has any.

        Raises:
            InputMismatchError: Too few are left, or train or test lacks a class that it had: the task would be another.
        """
        kept: Array = taking_part & self.rows[name]
        before, after = int(taking_part.sum()), int(kept.sum())
        fewest = min(FEWEST, (before + 1) // 2)
        if after < fewest:
            raise InputMismatchError(
                f"{self.by} covers {after:,} of {before:,} samples of split {name!r}, fewer than {fewest}", ""
            )
        lost: set[int] = set()
        if after < before and kind in WITH_CLASSES and name != "val":
            lost = _classes_of(kind, target, taking_part) - _classes_of(kind, target, kept)
        if lost:
            names = ", ".join(repr(classes[one]) for one in sorted(lost))
            raise InputMismatchError(
                f"{self.by} covers {after:,} of {before:,} samples of split {name!r}, and none of class {names}", ""
            )
        return kept

    def note(self, left_out: int) -> str:
        """Return why samples do not take part; empty if none is left out."""
        return f"{left_out:,} samples that {self.by} does not cover" if left_out else ""


def _classes_of(kind: Kind, target: Array, rows: Array) -> set[int]:
    """Return the classes of some samples; few masks are in memory at a time."""
    blocks = sample_blocks(target)
    return {one for block in blocks for one in present_classes(kind, target[block][rows[block]])}


def covered_rows(lookups: Sequence[tuple[str, Array]]) -> dict[str, Array]:
    """Return which samples of each split have all embeddings that were looked up.

    Args:
        lookups: Names of splits, each with the embeddings of its samples, not a number where there is none.
    """
    found: dict[str, Array] = {}
    for split, values in lookups:
        there = finite_rows(values)
        found[split] = found[split] & there if split in found else there
    return found


def subset_digest(covered: Covered, cell: Cell, data: OpenData) -> str:
    """Return a digest of the identifiers of the samples that are covered, by published split.

    Args:
        covered: The samples.
        cell: What is evaluated.
        data: Open datasets.
    """
    ids = {}
    for name, rows in covered.rows.items():
        split = data.split(cell.task.dataset, cell.fingerprint, name)
        ids[name] = [split.ids[i] for i in limited(len(split), cell.record.limit)[rows]]
    return digest(ids=ids)


def check_covers(features: Mapping[str, Array], ids: Mapping[str, Sequence[str]], holds: str) -> None:
    """Refuse a model of existing embeddings that lacks samples which take part.

    Args:
        features: Its embeddings of the samples that take part, by split.
        ids: Their identifiers.
        holds: What it has, in words.

    Raises:
        InputMismatchError: It lacks some.
    """
    errors = {}
    for name, values in features.items():
        lacking = np.flatnonzero(~finite_rows(values)).tolist()
        if lacking:
            errors[name] = NotCoveredError(tuple(ids[name][row] for row in lacking), len(values), holds)
    if errors:
        raise InputMismatchError(uncovered_reason(errors), "")
