"""The published splits, splits of their sizes that are drawn by sample, block or group, and splits without test."""

from __future__ import annotations

import numpy as np

from gairbench.errors import UsageError
from gairbench.kinds import ONE_CLASS
from gairbench.names import plain_name
from gairbench.selection import unknown
from gairbench.split_policy import SplitInput
from gairbench.splitting import Names, block_split, group_split, random_split


def keep_published(data: SplitInput) -> Names:
    """Return the published splits."""
    return np.asarray(data.published, dtype=np.str_)


def draw_samples(data: SplitInput) -> Names:
    """Draw samples at random; of a task with classes, each is divided by the shares."""
    # Another file system lists the same files in another order.
    order = np.argsort(np.asarray(data.ids), kind="stable")
    strata = data.target[order] if data.kind in ONE_CLASS and data.target is not None else None
    names = np.empty(len(order), dtype="<U5")
    names[order] = random_split(len(order), data.shares, data.seed, strata)
    return names


def draw_blocks(data: SplitInput) -> Names:
    """Draw whole cells of a longitude-latitude grid."""
    assert data.lonlat is not None  # noqa: S101  (the spec needs it)
    return block_split(data.lonlat, float(data.parameter), data.shares, data.seed)


def draw_groups(data: SplitInput) -> Names:
    """Draw whole groups; with a group named, that one is test, and whole groups of the others are train and val.

    Raises:
        UsageError: There is no such group, or nothing is published in train and val, whose shares the others take.
    """
    grouping, equals, wanted = (part.strip() for part in data.parameter.partition("="))
    groups = np.array([plain_name(str(group)) for group in data.groups[grouping].tolist()], dtype=np.str_)
    if not equals:
        return group_split(groups, data.shares, data.seed)
    left = groups == plain_name(wanted)
    if not left.any():
        raise unknown("group", wanted, set(groups.tolist()), of=f"in grouping {grouping!r}")
    names = np.full(len(groups), "test", dtype="<U5")
    train, val, _ = data.shares
    if not train + val:
        raise UsageError(
            f"leave:{data.parameter} divides the other groups as the published train and val, and both are empty",
            "use data with a published train split",
        )
    names[~left] = group_split(groups[~left], (train / (train + val), val / (train + val), 0.0), data.seed)
    return names


def keep_test_unseen(data: SplitInput) -> Names:
    """Test on the published val, and draw train and val from the published train by whole groups; test has no part.

    Raises:
        UsageError: Nothing is published in train, or in val.
    """
    grouping, equals, _ = data.parameter.partition("=")
    if equals:
        raise UsageError(f"development:{data.parameter} names one group", f"write development:{grouping.strip()}")
    groups = data.groups[grouping.strip()]
    train, val, _ = data.shares
    if not train or not val:
        raise UsageError(
            f"development:{data.parameter} tests on the published val and learns from the published train, and"
            f" {'val' if train else 'train'} is empty",
            "use data with both splits",
        )
    names = np.full(len(groups), "", dtype="<U5")
    names[data.published == "val"] = "test"
    learned = data.published == "train"
    names[learned] = group_split(groups[learned], (train / (train + val), val / (train + val), 0.0), data.seed)
    return names
