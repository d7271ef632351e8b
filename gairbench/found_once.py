"""What an object finds out once, when it is first needed, in whatever thread that is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

Found = TypeVar("Found")


class FoundOnce(Generic[Found]):
    """A property that is computed once for each object, whichever threads ask for it.

    ``functools.cached_property`` has no lock from Python 3.12 on: threads that ask at the same time would all compute.
    An object's properties share a lock, so that one may need another. An error is not kept.

    Args:
        find: The method that computes the value.

    Example:
        >>> class Table:
        ...     @FoundOnce
        ...     def rows(self) -> int:
        ...         print("counted")
        ...         return 3
        >>> table = Table()
        >>> table.rows + table.rows
        counted
        6
    """

    def __init__(self, find: Callable[[Any], Found]) -> None:
        self._find = find
        self._name = find.__name__
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> FoundOnce[Found]: ...

    @overload
    def __get__(self, owner: object, kind: type) -> Found: ...

    def __get__(self, owner: object, kind: type) -> FoundOnce[Found] | Found:
        """Return the value, computed now if it is not known."""
        if owner is None:
            return self
        # Setting a key that is missing is one step of the interpreter: all threads get the same lock.
        with vars(owner).setdefault("_finding_once", threading.RLock()):
            if self._name not in vars(owner):
                vars(owner)[self._name] = self._find(owner)
        found: Found = vars(owner)[self._name]
        return found
