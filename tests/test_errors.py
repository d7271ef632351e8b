"""Errors are one line, and arrive from other processes as what they are."""

from __future__ import annotations

import pickle

import pytest

from gairbench.errors import BusyError, DataError, GairbenchError
from gairbench.files.badrows import ProblemKind, RowError


def test_an_error_is_one_line_of_what_is_wrong_and_what_to_do() -> None:
    assert str(DataError("a.csv\n line 3", "correct\tit")) == "a.csv line 3; correct it"


class TwoPlacesError(DataError):
    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second} differ", "make them equal")
        self.places = (first, second)


@pytest.mark.parametrize(
    "error", [BusyError("a", "b"), RowError("a", "b", ProblemKind.MISSING), TwoPlacesError("x", "y")]
)
def test_an_error_comes_back_from_another_process(error: GairbenchError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)
