"""Arrays that several plugins are given: none of them can change what the next one sees, or what is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """Return a view of an array that cannot be written to; the array itself is as it was.

    Example:
        >>> import numpy as np
        >>> read_only(np.zeros(3)).sort()
        Traceback (most recent call last):
        ValueError: sort array is read-only
    """
    view = array.view()
    view.setflags(write=False)
    return view
