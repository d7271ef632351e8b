"""A sample whose place is in its file's header, which is read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class PlacedSample(Mapping[str, "Tensor"]):
    """A sample that looks up its place late: a model of images alone never does.

    Args:
        ready: What the sample holds.
        names: What ``place`` returns beside it.
        place: Returns these.

    Example:
        >>> sample = PlacedSample({"image": 1}, ("lonlat",), lambda: print("read") or {"lonlat": 2})
        >>> list(sample), sample["image"], sample["lonlat"]
        read
        (['image', 'lonlat'], 1, 2)
    """

    def __init__(
        self, ready: Mapping[str, Tensor], names: tuple[str, ...], place: Callable[[], Mapping[str, Tensor]]
    ) -> None:
        self._ready = dict(ready)
        self._names = tuple(name for name in names if name not in ready)
        self._place = place

    def __getitem__(self, key: str) -> Tensor:
        """Return an entry."""
        if key in self._names and key not in self._ready:
            self._ready |= self._place()
        return self._ready[key]

    def __contains__(self, key: object) -> bool:
        """Return whether there is such an entry; that alone reads nothing."""
        return key in self._ready or key in self._names

    def __iter__(self) -> Iterator[str]:
        """Return its keys."""
        return iter(dict.fromkeys((*self._ready, *self._names)))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(list(iter(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker process of a loader sends plain values."""
        return dict, (dict(self),)
