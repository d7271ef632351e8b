"""Parts of train's labels: how they are written, and that they are nested, drawn by identifier and of every class."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gairbench.errors import UsageError
from gairbench.label_budget import LabelBudget
from gairbench.spec import Kind

PARTS = [LabelBudget.of(text) for text in ("0.5%", "1%", "10%", "33.3%", "99%", "all")]
SHOTS = [LabelBudget.of(text) for text in ("1-shot", "2-shot", "5-shot", "1000-shot")]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("all", "all"),
        ("100%", "all"),
        ("100.0%", "all"),
        ("10%", "10%"),
        ("10.0%", "10%"),
        ("0.5%", "0.5%"),
        ("5-shot", "5-shot"),
        ("05-shot", "5-shot"),
    ],
)
def test_a_part_is_written_in_one_way(text: str, written: str) -> None:
    assert str(LabelBudget.of(text)) == written
    assert LabelBudget.of(written) == LabelBudget.of(text)
    assert LabelBudget.of(text).whole == (written == "all")


@pytest.mark.parametrize(
    "text", ["", "10", "0.1", "0%", "100.1%", "-1%", "1e1%", "nan%", "0-shot", "-1-shot", "shot", "5"]
)
def test_other_texts_are_refused_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match="10% or 5-shot"):
        LabelBudget.of(text)


classes = st.lists(st.integers(0, 4), min_size=1, max_size=120)


@given(target=classes, draw=st.integers(0, 3))
def test_smaller_parts_lie_within_larger_ones_and_have_every_class(target: list[int], draw: int) -> None:
    ids, values = [f"sample {i}" for i in range(len(target))], np.array(target)
    for parts in (PARTS, SHOTS):
        inner: set[int] = set()
        for part in parts:
            chosen = part.chosen(Kind.CLASSIFICATION, ids, values, draw)
            assert chosen.tolist() == part.chosen(Kind.ORDINAL, ids, values, draw).tolist()
            assert chosen.tolist() == sorted(set(chosen.tolist()))
            assert inner <= set(chosen.tolist())
            assert set(values[chosen]) == set(values)
            inner = set(chosen.tolist())
        assert len(inner) == len(target)


@given(target=classes, order=st.randoms(use_true_random=False))
def test_the_draw_depends_on_identifiers_and_not_on_their_order(target: list[int], order: object) -> None:
    ids, values = np.array([f"sample {i}" for i in range(len(target))]), np.array(target)
    turned = np.arange(len(ids))
    order.shuffle(turned)  # type: ignore[attr-defined]
    for part in (*PARTS, *SHOTS):
        for kind in (Kind.CLASSIFICATION, Kind.REGRESSION):
            here = ids[part.chosen(kind, ids.tolist(), values, 0)]
            there = ids[turned][part.chosen(kind, ids[turned].tolist(), values[turned], 0)]
            assert set(here) == set(there)


def test_counts_are_exact_and_rounded_up() -> None:
    ids, values = [str(i) for i in range(100)], np.repeat([0, 1], [90, 10])

    def count(text: str, kind: Kind) -> int:
        return len(LabelBudget.of(text).chosen(kind, ids, values, 0))

    assert [count(f"{percent}%", Kind.REGRESSION) for percent in range(1, 101)] == [*range(1, 101)]
    assert count("0.1%", Kind.REGRESSION) == 1
    # As floats 7,000 times 1.1 % is a little more than 77.
    many = LabelBudget.of("1.1%").chosen(Kind.REGRESSION, [str(i) for i in range(7000)], np.zeros(7000), 0)
    assert len(many) == 77
    assert count("15%", Kind.CLASSIFICATION) == 14 + 2
    assert count("20-shot", Kind.CLASSIFICATION) == 20 + 10


def test_draws_differ() -> None:
    ids, values = [str(i) for i in range(1000)], np.zeros(1000)
    first, other = (set(LabelBudget.of("10%").chosen(Kind.REGRESSION, ids, values, draw).tolist()) for draw in (0, 1))
    # A tenth of a tenth in common by chance.
    assert len(first & other) < 30


def test_kinds_without_classes_have_no_shots_and_retrieval_learns_nothing() -> None:
    whole, share, shots = (LabelBudget.of(text) for text in ("all", "10%", "5-shot"))
    assert [bool(share.problem(kind)) for kind in Kind] == [kind is Kind.RETRIEVAL for kind in Kind]
    assert [bool(shots.problem(kind)) for kind in Kind] == [
        kind not in {Kind.CLASSIFICATION, Kind.ORDINAL} for kind in Kind
    ]
    assert not any(whole.problem(kind) for kind in Kind)
