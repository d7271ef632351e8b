"""Splits that are given: by a value of each sample, or by lists of identifiers in text files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gairbench.errors import DataError
from gairbench.names import plain_name
from gairbench.split_policy import SPLITS
from gairbench.splitting import Names


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
