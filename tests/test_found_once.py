"""What is found once, whichever threads ask."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gairbench.found_once import FoundOnce


class Counted:
    """Counts how often its values are computed."""

    def __init__(self) -> None:
        self.times = 0
        self.started = threading.Event()

    @FoundOnce
    def half(self) -> int:
        """Half of it."""
        self.times += 1
        # Whoever comes meanwhile would compute it, too.
        self.started.wait(0.2)
        return 21

    @FoundOnce
    def whole(self) -> int:
        """All of it."""
        return 2 * self.half

    @FoundOnce
    def broken(self) -> int:
        self.times += 1
        raise ValueError("broken")


def test_threads_that_ask_at_once_get_one_value() -> None:
    counted = Counted()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: counted.whole, range(8))) == {42}
    assert counted.times == 1
    assert Counted.half.__doc__ == "Half of it."


def test_objects_do_not_share_values_and_errors_are_not_kept() -> None:
    first, second = Counted(), Counted()
    first.started.set()
    second.started.set()
    assert (first.half, second.half, first.times, second.times) == (21, 21, 1, 1)
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            _ = first.broken
    assert first.times == 3
