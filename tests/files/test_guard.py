"""A broken file is one line, whatever a library raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.errors import DataError, UsageError
from gairbench.files.guard import reading


class StrangeError(Exception):
    pass


@pytest.mark.parametrize("error", [StrangeError("odd"), RuntimeError("odd"), KeyError("odd"), OSError(5, "odd")])
def test_any_exception_is_an_error_of_the_file(error: Exception) -> None:
    with (
        pytest.raises(DataError, match=r"cannot read table t\.csv: '?odd'?; fix it"),
        reading(Path("t.csv"), "table", "fix it"),
    ):
        raise error


@pytest.mark.parametrize("error", [UsageError("a", "b"), MemoryError(), KeyboardInterrupt()])
def test_what_is_no_fault_of_the_file_passes(error: BaseException) -> None:
    with pytest.raises(type(error)), reading(Path("t.csv"), "table", "fix it"):
        raise error
