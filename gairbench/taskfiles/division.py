"""Divide the samples of a task file as its rule says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.names import plain_name
from gairbench.splitting import Names, block_split, group_split, random_split
from gairbench.taskfiles.declaration import FileDataset
from gairbench.taskfiles.given_splits import given_split, listed_split
from gairbench.taskfiles.labels import SampleLabels
from gairbench.taskfiles.rows import SampleRows


def divide(
    declared: FileDataset,
    ids: tuple[str, ...],
    rows: SampleRows,
    labels: SampleLabels,
    lonlat: NDArray[np.float64] | None,
) -> Names:
    """Return the split of each sample.

    Args:
        declared: The dataset.
        ids: Identifiers of the samples.
        rows: Its rows and files.
        labels: Their labels.
        lonlat: Their places, if they are known.

    Raises:
        DataError: What the rule needs is missing or broken, or a sample is in no split.
    """
    rule = declared.split
    if rule.by == "test_only":
        return np.full(len(ids), "test", dtype="<U5")
    strata = labels.values(rule.stratify) if rule.stratify else None
    if rule.by == "random":
        return random_split(len(ids), rule.shares, rule.seed, strata)
    if rule.by == "blocks":
        if lonlat is None:
            raise DataError(f"dataset {declared.name!r} has no coordinates to make blocks of", "declare them")
        return block_split(lonlat, rule.degrees, rule.shares, rule.seed)
    if rule.by == "group":
        return group_split(labels.values(rule.column).astype(np.str_), rule.shares, rule.seed)
    names = _given(declared, ids, rows, labels)
    if rule.val_share:
        train = names == "train"
        shares = (1 - rule.val_share, rule.val_share, 0.0)
        names[train] = random_split(int(train.sum()), shares, rule.seed, None if strata is None else strata[train])
    return names


def _given(declared: FileDataset, ids: tuple[str, ...], rows: SampleRows, labels: SampleLabels) -> Names:
    rule, main = declared.split, declared.main
    if rule.by == "files":
        return listed_split(ids, [[rows.inside(path) for path in paths] for paths in rule.given])
    if rule.by == "column":
        return given_split(ids, labels.values(rule.column).tolist(), rule.given, f"column {rule.column!r}")
    folder = rows.root / main.folder if main else rows.root
    first = [plain_name(path.relative_to(folder).parts[0]) for path in rows.images or ()]
    return given_split(ids, first, rule.given, "its first folder")
