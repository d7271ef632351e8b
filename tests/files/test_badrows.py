"""One report of bad rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gairbench.errors import DataError
from gairbench.files.badrows import SHOWN, BadRow, ProblemKind, RowError, RowReport, counted_as


def report(*kinds: ProblemKind) -> RowReport:
    found = RowReport(Path("t.csv"), "line", 10)
    # As threads may find them: in no order.
    found.bad = [BadRow(9 - i, f"r{i}", kind, f"reason {i}") for i, kind in enumerate(kinds)]
    return found


def test_counts_are_by_kind_and_examples_few_and_in_order() -> None:
    many = report(*[ProblemKind.BROKEN] * (SHOWN + 2), ProblemKind.MISSING)
    assert many.counts() == {"missing value or file": 1, "broken file": SHOWN + 2}
    assert many.render().splitlines() == [
        "t.csv: 6 of 10 rows cannot be used (1 x missing value or file, 5 x broken file)",
        "  missing value or file: line 4: reason 5",
        "  broken file: line 5: reason 4",
        "  broken file: line 6: reason 3",
        "  broken file: line 7: reason 2",
        "  broken file: and 2 more",
    ]
    assert many.first() == "line 4: reason 5"


def test_a_report_refuses_if_any_row_is_bad() -> None:
    report().refuse()
    with pytest.raises(
        DataError, match=r"t\.csv: 1 of 10 rows cannot be used \(1 x duplicate\); the first: line 9: rea"
    ):
        report(ProblemKind.DUPLICATE).refuse()


def test_errors_of_a_block_get_a_kind_and_those_that_have_one_keep_it() -> None:
    with pytest.raises(RowError) as found, counted_as(ProblemKind.UNIT):
        raise DataError("what", "hint")
    assert (found.value.kind, found.value.what, found.value.hint) == (ProblemKind.UNIT, "what", "hint")
    with pytest.raises(RowError) as found, counted_as(ProblemKind.UNIT):
        raise RowError("what", "hint", ProblemKind.HOLE)
    assert found.value.kind is ProblemKind.HOLE
