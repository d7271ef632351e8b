"""Whether a plugin writes to the arrays that it is given; one check for whatever is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from gairbench.testing.declarations import require

if TYPE_CHECKING:
    from numpy.typing import NDArray


def require_not_written_to(who: str, make: Callable[[], Any], use: Callable[[Any], object]) -> None:
    """Have a plugin use what it is given, and compare that with what it was.

    Args:
        who: The plugin, for the message.
        make: Makes what is given, equal and of new arrays at every call: a dataclass or a mapping of arrays, and of
            mappings of them.
        use: Gives it to the plugin.

    Raises:
        AssertionError: An array has changed.
    """
    import numpy as np

    given, before = make(), dict(_arrays(make()))
    now = dict(_arrays(given))
    # They are read-only in a run. Here the write goes through, so that it can be named.
    for array in now.values():
        array.setflags(write=True)
    use(given)
    for what, array in before.items():
        # Pixels that are not scored are not numbers.
        same = np.array_equal(array, now[what], equal_nan=array.dtype.kind == "f")
        require(same, f"{who}: it writes to {what}; copy it first")


def _arrays(given: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    import numpy as np

    held = {one.name: getattr(given, one.name) for one in fields(given)} if is_dataclass(given) else given
    for name, value in held.items():
        if isinstance(value, np.ndarray):
            yield name, value
        elif isinstance(value, Mapping):
            yield from ((f"{name}[{key!r}]", one) for key, one in value.items() if isinstance(one, np.ndarray))
