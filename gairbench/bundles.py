"""What is left out together where a number is computed without each part of the test samples: groups, or samples."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 200
"""Parts at most: with more, Student's t hardly changes, and records stay small."""


def bundled(names: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """Return the part of each sample, whole numbers from 0 without a gap.

    Samples of one name are in one part. Up to 200 names are a part each, in their order as texts. More are put into 200
    parts of as many names each, as nearly as can be, in the order of a hash of the names: which samples are in a part
    does not depend on their order, on a model or on a seed.

    Args:
        names: What each sample belongs to, one a sample: its group, or its own identifier.

    Returns:
        ``(samples,)``.

    Example:
        >>> bundled(["b", "a", "b"]).tolist()
        [1, 0, 1]
    """
    import numpy as np

    found, member = np.unique(np.array([str(name) for name in np.asarray(names).tolist()]), return_inverse=True)
    member = member.reshape(-1).astype(np.int64)
    if len(found) <= MOST:
        return member
    hashes = [hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest() for name in found.tolist()]
    order = sorted(range(len(found)), key=hashes.__getitem__)
    part = np.empty(len(found), dtype=np.int64)
    part[order] = np.arange(len(found)) * MOST // len(found)
    bundles: NDArray[np.int64] = part[member]
    return bundles
