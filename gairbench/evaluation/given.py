"""What an evaluator is given of a cell's embeddings: the samples that take part, divided and standardized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.embedding import dim_axis
from gairbench.errors import InputMismatchError
from gairbench.evaluation.cells import Cell, Embedding
from gairbench.evaluation.coverage import Covered, check_covers
from gairbench.evaluation.dense_store import DenseStore
from gairbench.evaluation.divisions import Divisions
from gairbench.evaluation.groupings import groups_of
from gairbench.evaluation.open_data import OpenData
from gairbench.evaluation.sample_pool import places_of
from gairbench.evaluation.samples import Selection, select
from gairbench.limit import limited
from gairbench.split_policy import SPLITS

if TYPE_CHECKING:
    from gairbench.data import Split

Array = NDArray[Any]

Embedded = list[tuple[Embedding, Array, dict[str, Any]]]
"""Embeddings with their values and what the cache says about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What an evaluator is given, and what its output is compared with.

    Args:
        features: By split, as the evaluator takes them.
        targets: Of train and val.
        class_names: Of the target.
        groups: By split, as the evaluator takes them.
        grouping: What they are groups of; empty: each sample is independent.
        test_groups: Of the test samples; ``None`` without a grouping.
        target: Of test.
        ids: Of the test samples.
        n: Samples by split.
        n_whole: Samples by split that would take part without models that say which do, and with all labels.
        dropped: Why others did not take part, by split.
        splits: What the samples come from, by split.
        positions: By split, where the samples stand in it.
        scale: Mean and deviation by which features were standardized.
        parts: The columns of the features that come from each input.
        lonlat: Places by split, where the evaluator asks for them.
        notes: What else was done to the samples, for the record.
        changes: What a split policy changed in the process, which was undone; empty if nothing.
    """

    features: dict[str, Array]
    targets: dict[str, Array]
    class_names: tuple[str, ...]
    groups: dict[str, Array | None]
    grouping: str
    test_groups: Array | None
    target: Array
    ids: Sequence[str]
    n: dict[str, int]
    dropped: dict[str, str]
    splits: Mapping[str, Split]
    positions: dict[str, Array]
    scale: tuple[Array, Array]
    n_whole: dict[str, int] = field(default_factory=dict)
    parts: dict[str, slice] = field(default_factory=dict)
    lonlat: dict[str, Array] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    changes: str = ""


def pairs_of(cell: Cell, embedded: Embedded, data: OpenData) -> Given:
    """Return what retrieval is given: queries and the gallery, as they are."""
    query, gallery = (array for _, array, _ in embedded)
    split = data.split(cell.task.dataset, cell.fingerprint, "test")
    rows = limited(len(split), cell.record.limit)
    grouping, groups = groups_of(cell.task, cell.split, {"test": split}, {"test": rows})
    return Given(
        features={"query": query, "gallery": gallery},
        targets={},
        class_names=(),
        groups={"query": groups["test"], "gallery": groups["test"]},
        grouping=grouping,
        test_groups=groups["test"],
        target=np.arange(len(query)),
        ids=[split.ids[i] for i in rows],
        n={"test": len(query)},
        dropped={},
        splits={"test": split},
        positions={"test": rows},
        scale=(np.zeros(1), np.ones(1)),
    )


def samples_of(
    cell: Cell,
    embedded: Embedded,
    data: OpenData,
    divisions: Divisions,
    dense: DenseStore,
    covered: Covered | None = None,
) -> Given:
    """Return what other tasks are given: the samples that take part, features standardized.

    Raises:
        DataError: Nothing can be learned from the samples, or a grouping is missing.
        InputMismatchError: The evaluator needs places, and the dataset has none; or the samples that models of existing
            embeddings cover do not make the task, or are lacking here.
        Exception: Whatever a third-party dataset or split policy raises.
    """
    names, limit, seed = SPLITS, cell.record.limit, cell.record.seed
    source = data.source(cell.task.dataset, cell.fingerprint)
    splits: Mapping[str, Split]
    policy, divided = "", None
    if cell.split.published:
        splits = {name: data.split(cell.task.dataset, cell.fingerprint, name) for name in names}
    else:
        policy = str(cell.split)
        divided = divisions.divide(cell.task, cell.fingerprint, cell.split, seed=seed, limit=limit)
        splits = divided.splits
    # What is published does not depend on the seed.
    dense = dense.of(cell.task.dataset.name, cell.fingerprint, str(limit), policy, str(seed) if policy else "")
    if covered is not None and divided is not None:
        covered = replace(covered, rows=divided.features(covered.rows, limit))
    chosen: dict[str, Selection] = select(
        cell.task, source, splits, limit, cell.labels, seed, policy, dense, covered=covered
    )
    if divided is None:
        features = {name: _features(embedded, name)[chosen[name].rows] for name in names}
    else:
        whole = divided.features({name: _features(embedded, name) for name in names}, limit)
        features = {name: whole[name][chosen[name].rows] for name in names}
    if any(e.partial for e, _, _ in embedded):
        holds = next(str(about.get("holds", "others")) for e, _, about in embedded if e.partial)
        check_covers(features, {name: chosen[name].ids for name in names}, holds)
    scale = _standardize(features)
    rows = {name: limited(len(splits[name]), limit)[chosen[name].rows] for name in names}
    grouping, groups = groups_of(cell.task, cell.split, splits, rows)
    return Given(
        features=features,
        targets={name: chosen[name].target for name in ("train", "val")},
        class_names=tuple(source.classes(cell.task.target)),
        groups=groups,
        grouping=grouping,
        test_groups=groups["test"],
        target=chosen["test"].target,
        ids=chosen["test"].ids,
        n={name: len(chosen[name].rows) for name in names},
        n_whole={} if covered is None else {name: chosen[name].whole for name in names},
        dropped={name: chosen[name].dropped for name in names if chosen[name].dropped},
        splits=splits,
        positions=rows,
        scale=scale,
        parts=_parts(cell, embedded),
        lonlat={name: _places(cell, name, splits[name], rows[name]) for name in names} if _asks_places(cell) else {},
        notes={"split": divided.note} if divided is not None and divided.note else {},
        changes="" if divided is None else divided.changes,
    )


def _features(embedded: Embedded, split: str) -> Array:
    """Return the features of a published split, those of several inputs beside each other."""
    arrays = [array for e, array, _ in embedded if e.split == split]
    return np.concatenate(arrays, axis=dim_axis(arrays[0].ndim))


def _parts(cell: Cell, embedded: Embedded) -> dict[str, slice]:
    """Return the columns that each of the task's inputs has in the features, by its name."""
    arrays = [array for e, array, _ in embedded if e.split == "train"]
    ends = np.cumsum([array.shape[dim_axis(array.ndim)] for array in arrays]).tolist()
    return {name: slice(start, end) for name, start, end in zip(cell.task.inputs, [0, *ends], ends, strict=False)}


def _asks_places(cell: Cell) -> bool:
    return cell.evaluator is not None and cell.evaluator.places


def _places(cell: Cell, name: str, split: Split, rows: Array) -> Array:
    """Return longitude and latitude of some samples of a split.

    Raises:
        InputMismatchError: The dataset does not say where its samples are.
    """
    places = places_of(cell.task.dataset, split)
    if places is None:
        of = f"split {name!r} of dataset {cell.task.dataset.name!r}"
        raise InputMismatchError(f"evaluator {cell.record.probe!r} needs places, and {of} has none", "")
    return places[rows]


def _standardize(features: dict[str, Array]) -> tuple[Array, Array]:
    """Standardize every feature by its mean and deviation on train, over positions too for token grids.

    Returns:
        Mean and deviation.
    """
    several = dim_axis(features["train"].ndim)
    # Of several layers each has its own: the last axis before the positions, and the one of the layers.
    axes = tuple(axis for axis in range(features["train"].ndim) if not 1 <= axis <= several)
    mean = features["train"].mean(axis=axes, keepdims=True, dtype=np.float64)
    std = features["train"].std(axis=axes, keepdims=True, dtype=np.float64)
    std[std < 1e-12] = 1.0
    for name, values in features.items():
        scaled = (values - mean) / std
        features[name] = scaled.astype(np.float32) if values.ndim > 2 else scaled
    return mean, std
