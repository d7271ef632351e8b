"""Divide samples into train, val and test: drawn at random, by spatial block or by group, or as given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.names import plain_name

SPLITS = ("train", "val", "test")

Names = NDArray[np.str_]


def random_split(
    n: int, shares: Sequence[float], seed: int, strata: Sequence[Any] | NDArray[Any] | None = None
) -> Names:
    """Assign samples at random.

    Args:
        n: Number of samples.
        shares: Shares of train, val and test; they sum to 1.
        seed: Seed of the assignment.
        strata: One value per sample; each value's samples are divided by the shares.

    Returns:
        The split's name of every sample.
    """
    rng = np.random.default_rng(seed)
    names = np.empty(n, dtype="<U5")
    values = np.zeros(n, dtype=np.int64) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    for value in np.unique(values):
        members = rng.permutation(np.flatnonzero(values == value))
        ends = np.round(np.cumsum(shares) * len(members)).astype(int)
        for name, part in zip(SPLITS, np.split(members, ends[:-1]), strict=True):
            names[part] = name
    return names


def group_split(groups: Sequence[Any] | NDArray[Any], shares: Sequence[float], seed: int) -> Names:
    """Assign whole groups, each to the split that lacks most of its share.

    Args:
        groups: One value per sample; samples of equal value stay together.
        shares: Shares of train, val and test; they sum to 1.
        seed: Seed of the groups' order.

    Returns:
        The split's name of every sample.
    """
    values, member = np.unique(np.asarray(groups), return_inverse=True)
    sizes = np.bincount(member)
    wanted = np.asarray(shares) * len(member)
    filled = np.zeros(len(SPLITS))
    chosen = np.empty(len(values), dtype=np.int64)
    for group in np.random.default_rng(seed).permutation(len(values)):
        chosen[group] = int(np.argmax((wanted - filled) / np.maximum(wanted, 1e-9)))
        filled[chosen[group]] += sizes[group]
    return np.asarray(SPLITS)[chosen[member]]


def block_split(lonlat: NDArray[np.float64], degrees: float, shares: Sequence[float], seed: int) -> Names:
    """Assign whole cells of a longitude-latitude grid, so that test samples have no neighbours in train's cells.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        degrees: Edge of a cell.
        shares: Shares of train, val and test; they sum to 1.
        seed: Seed of the cells' order.

    Returns:
        The split's name of every sample.
    """
    cells = np.floor((lonlat + np.array([180.0, 90.0])) / degrees).astype(np.int64)
    return group_split(cells[:, 0] * 10**6 + cells[:, 1], shares, seed)


def given_split(ids: Sequence[str], words: Sequence[str], given: Sequence[Sequence[str]], what: str) -> Names:
    """Assign samples as they say themselves.

    Args:
        ids: Identifiers, for messages.
        words: What each sample says.
        given: The words that mean train, val and test.
        what: What the words are, for messages.

    Returns:
        The split's name of every sample.

    Raises:
        DataError: A sample says something else.
    """
    split_of = {plain_name(word): split for split, meanings in zip(SPLITS, given, strict=True) for word in meanings}
    words = [plain_name(word) for word in words]
    for identifier, word in zip(ids, words, strict=True):
        if word not in split_of:
            raise DataError(
                f"sample {identifier!r} is in no split: {what} is {word!r}, which means none of {', '.join(SPLITS)}",
                "name the value under 'train', 'val' or 'test' of the dataset's split",
            )
    return np.array([split_of[word] for word in words], dtype="<U5")


def listed_split(ids: Sequence[str], lists: Sequence[Sequence[Path]]) -> Names:
    """Assign samples as text files list them, one identifier a line.

    Args:
        ids: Identifiers of all samples.
        lists: The files of train, val and test.

    Returns:
        The split's name of every sample.

    Raises:
        DataError: A file cannot be read, names an unknown sample or one of another split, or a sample is in none.
    """
    known = {plain_name(identifier) for identifier in ids}
    split_of: dict[str, str] = {}
    for split, paths in zip(SPLITS, lists, strict=True):
        for path in paths:
            try:
                lines = path.read_text(encoding="utf-8-sig").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"cannot read the list {path}: {error}", "correct the path or the file") from error
            for number, identifier in enumerate(map(plain_name, lines), 1):
                if not identifier:
                    continue
                if identifier not in known:
                    raise DataError(
                        f"{path}, line {number}: there is no sample {identifier!r}",
                        f"write identifiers like {ids[0]!r}",
                    )
                if split_of.setdefault(identifier, split) != split:
                    raise DataError(
                        f"{path}, line {number}: sample {identifier!r} is in {split_of[identifier]} too", "list it once"
                    )
    names = [plain_name(identifier) for identifier in ids]
    for identifier in names:
        if identifier not in split_of:
            raise DataError(f"sample {identifier!r} is in none of the lists", "add it to one of them")
    return np.array([split_of[identifier] for identifier in names], dtype="<U5")
