"""The published tables: what is compared, what is not, and that nothing is hidden."""

from __future__ import annotations

import csv
import io
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import make_result, measured_result
from scipy import stats

from gairbench.backbone import TRAINED
from gairbench.errors import StorageError, UsageError
from gairbench.results import MetricValue, Result
from gairbench_leaderboard import numbers
from gairbench_leaderboard.comparable import split_stale
from gairbench_leaderboard.comparison import compare_models
from gairbench_leaderboard.export import leaderboard_csv
from gairbench_leaderboard.layout import column_header
from gairbench_leaderboard.leaderboard_page import outdated_files, render_leaderboard, write_leaderboard
from gairbench_leaderboard.markdown import escape
from gairbench_leaderboard.ranking import Mark, RankingColumn, RankingRow, rank_models

GAIR, STATS, LONLAT, RANDOM = (RankingRow(name, "default", "") for name in ("gair", "pixel-stats", "lonlat", "random"))


def section(text: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level."""
    level = heading.split(" ")[0]
    after = text.split(f"\n{heading}\n", 1)[1]
    return after.split(f"\n{level} ", 1)[0]


def line(text: str, start: str) -> list[str]:
    """Return the cells of the first table line whose first cell is ``start``."""
    rows = [[cell.strip() for cell in row.strip("|").split(" |")] for row in text.splitlines() if row.startswith("|")]
    return next(row for row in rows if row[0] == start)


def ranks(results: Sequence[Result]) -> dict[RankingRow, float]:
    """Return the mean ranks of a table."""
    table = rank_models(results)
    assert table.across is not None
    assert table.block is not None
    return dict(zip(table.block.rows, (rank.value for rank in table.across.mean_rank), strict=True))


def lopsided(value: float, below: float, above: float, *, higher: bool = True) -> MetricValue:
    return MetricValue(value=value, low=value - below, high=value + above, higher_is_better=higher)


def test_best_is_bold_ties_are_marked_and_the_rest_is_plain() -> None:
    text = render_leaderboard(
        [
            measured_result("gair", scores=0.45),
            measured_result("tied", scores=0.4499),
            measured_result("worse", scores=0.4),
        ]
    )
    assert line(text, "gair")[2].startswith("**0.450\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.0")
    assert line(text, "tied")[2].endswith("\N{NO-BREAK SPACE}†")
    assert "†" not in line(text, "worse")[2]
    assert "**" not in line(text, "worse")[2]


def test_ties_are_settled_by_the_paired_test_and_not_by_intervals_that_overlap() -> None:
    apart = [0.5 + 0.2 * math.sin(i) for i in range(60)]
    best = measured_result("gair", scores=apart)
    close = measured_result("random", scores=[score - 0.01 + 0.001 * math.sin(3 * i) for i, score in enumerate(apart)])
    assert best.metrics["accuracy"].low < close.metrics["accuracy"].high
    cells = rank_models([best, close]).cells
    assert [cell.mark for cell in cells.values()] == [Mark.BEST, Mark.NONE]


DIFFERENCES = (-0.003, 0.0015)


def test_tests_are_adjusted_for_the_number_of_rows() -> None:
    def marks(others: int) -> set[Mark]:
        rng = np.random.default_rng(1)
        best = rng.normal(0.5, 0.01, 60)
        worse = [best + rng.permuted(np.repeat(DIFFERENCES, 30)) for _ in range(others)]
        rows = [measured_result("gair", scores=best.tolist())]
        rows += [measured_result(f"m{i}", scores=scores.tolist()) for i, scores in enumerate(worse)]
        return {cell.mark for row, cell in rank_models(rows).cells.items() if row[0] != GAIR}

    assert 0.005 < stats.ttest_1samp(np.repeat(DIFFERENCES, 30), 0).pvalue < 0.02
    assert marks(1) == {Mark.NONE}
    assert marks(20) == {Mark.TIED}


def test_of_equal_models_few_are_said_to_be_worse_than_the_best_of_them() -> None:
    """The data choose the best: adjusted for the nine pairs with it alone, one in ten tables or more is wrong."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(500):
        common = rng.normal(0.5, 0.05, 40)
        scores = common + rng.normal(0, 0.02, (10, 40))
        rows = [measured_result(f"m{number}", scores=row.tolist()) for number, row in enumerate(scores)]
        wrong += any(cell.mark is Mark.NONE for cell in rank_models(rows).cells.values())
    assert wrong / 500 <= 0.06


@pytest.mark.parametrize(
    "changes",
    [
        {"constant": True},
        {"trivial": 0.499},
        {"trivial": 0.498 - 1e-9},
        {"weights": "ab" * 32, "checkpoint": "init:c0"},
    ],
)
def test_what_shows_nothing_is_not_called_as_good_as_the_best(changes: dict[str, Any]) -> None:
    noise = [0.1 * math.sin(i * i) for i in range(60)]
    noise = [one - sum(noise) / 60 for one in noise]
    best = measured_result("gair", scores=[0.5 - one for one in noise])
    close = [0.498 + one for one in noise]
    assert rank_models([best, measured_result("random", scores=close)]).cells[RANDOM, best.task].mark is Mark.TIED
    rows = [best, measured_result("pixel-stats", scores=0.3), measured_result("random", scores=close, **changes)]
    if "trivial" in changes:
        rows[:2] = [measured_result("gair", scores=[0.5 - one for one in noise], **changes), *rows[1:2]]
    cells = rank_models(rows).cells
    assert cells[GAIR, best.task].mark is Mark.BEST
    assert cells[RANDOM, best.task].mark is Mark.NONE


def test_a_number_of_too_few_seeds_is_never_bold_and_the_best_is_chosen_among_the_others() -> None:
    fixed = [measured_result("gair", scores=0.5), measured_result("pixel-stats", scores=0.3)]

    def marks(seeds: int) -> dict[str, Mark]:
        drawn = [measured_result("random", scores=0.6 + 0.001 * s, seed=s, **RANDOM_WEIGHTS) for s in range(seeds)]
        return {row.model: cell.mark for (row, _), cell in rank_models([*fixed, *drawn]).cells.items()}

    assert marks(1) == {"gair": Mark.BEST, "pixel-stats": Mark.NONE, "random": Mark.NONE}
    assert marks(2) == marks(1)
    assert marks(3) == {"gair": Mark.NONE, "pixel-stats": Mark.NONE, "random": Mark.BEST}


def test_lower_is_better_reverses_best_and_arrow() -> None:
    def error(model: str, value: float) -> Result:
        return measured_result(model, scores=value, metric="median_km", higher_is_better=False, trivial=90.0, most=None)

    table = rank_models([error("gair", 10.0), error("pixel-stats", 20.0)])
    assert table.cells[GAIR, "earth-rs-koeppen"].mark is Mark.BEST
    assert table.cells[STATS, "earth-rs-koeppen"].mark is Mark.NONE
    assert "median_km ↓" in render_leaderboard([error("gair", 10.0)])
    assert rank_models([error("gair", 91.0), error("pixel-stats", 95.0)]).cells[GAIR, "earth-rs-koeppen"].mark is (
        Mark.NONE
    )


def test_a_lone_number_is_not_called_best() -> None:
    assert "**0." not in render_leaderboard([measured_result()])


def test_equal_best_values_are_both_best() -> None:
    scores = [0.4, 0.6] * 20
    cells = rank_models([measured_result("gair", scores=scores), measured_result("pixel-stats", scores=scores)]).cells
    assert {cell.mark for cell in cells.values()} == {Mark.BEST}


@pytest.mark.parametrize(
    "changes",
    [{"trivial": 0.55}, {"constant": True}, {"jackknife": ()}, {"samples": "others"}, {"n": {"test": 29}}, {
        "n": {"test": 2500}, "grouping": "city", "groups": {"test": 9}
    }],
)  # fmt: skip
def test_best_is_what_can_be_tested_differs_beats_the_trivial_predictor_and_has_enough_samples(
    changes: dict[str, Any],
) -> None:
    shown = [measured_result("gair", scores=0.5), measured_result("random", scores=0.4)]
    assert rank_models(shown).cells[GAIR, "earth-rs-koeppen"].mark is Mark.BEST
    shown[0] = measured_result("gair", scores=0.5, **changes)
    if "n" in changes or "trivial" in changes:
        shown[1] = measured_result("random", scores=0.4, **changes)
    assert {cell.mark for cell in rank_models(shown).cells.values()} == {Mark.NONE}


def test_columns_below_the_floor_are_in_small_print_and_ranked_by_nothing() -> None:
    few = {"n": {"test": 2500}, "grouping": "city", "groups": {"test": 9}}
    results = [measured_result(m, t, v, family=t) for m, v in (("gair", 0.5), ("random", 0.4)) for t in "ab"]
    results += [measured_result(m, "c", v, **few) for m, v in (("gair", 0.4), ("random", 0.5))]
    text = render_leaderboard(results)
    assert "c<br>accuracy ↑<br>n = 2,500 in 9 cities" in text
    assert line(text, "gair")[4].startswith("<sub>0.400")
    assert line(text, "trivial predictor")[1:] == ["", "0.100", "0.100", "<sub>0.100</sub>"]
    assert "not ranked, with fewer than 30 test samples or 10 groups: c (9 groups)." in text
    table = rank_models(results)
    assert [column.task for column in table.ranked] == ["a", "b"]
    assert ranks(results) == {GAIR: 1.0, RANDOM: 2.0}


def test_every_column_has_its_trivial_predictor_the_mean_over_seeds() -> None:
    results = [measured_result("gair", trivial=0.2, seed=0), measured_result("gair", trivial=0.3, seed=1)]
    assert line(render_leaderboard([*results, make_result("gair", "old")]), "trivial predictor") == [
        "trivial predictor", "", "0.250", ""
    ]  # fmt: skip
    assert "| trivial predictor" not in render_leaderboard([make_result()])


def test_lopsided_intervals_show_both_ends_for_the_whole_column() -> None:
    text = render_leaderboard(
        [
            make_result("gair", metrics={"accuracy": lopsided(0.453, 0.02, 0.013)}),
            make_result("pixel-stats", value=0.3, half=0.01),
        ]
    )
    assert "0.453 [0.433, 0.466]" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "0.300 [0.290, 0.310]" in text.replace("\N{NO-BREAK SPACE}", " ")


def test_half_width_never_understates_the_interval() -> None:
    text = render_leaderboard([make_result(metrics={"accuracy": lopsided(0.45, 0.0101, 0.0112)})])
    assert "0.450\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.011" in text


def test_real_and_synthetic_are_never_in_one_table() -> None:
    text = render_leaderboard([make_result(task="real-task"), make_result(task="rendered-task", synthetic=True)])
    real = section(text, "## Remote sensing, real data")
    synthetic = section(text, "## Remote sensing, synthetic data")
    assert "real-task" in real
    assert "rendered-task" not in real
    assert "rendered-task" in synthetic
    assert "real-task<br>" not in synthetic
    assert "say nothing about real photos" in synthetic


def test_categories_have_tables_of_their_own_in_a_fixed_order() -> None:
    text = render_leaderboard(
        [make_result(category=c, task=f"t-{c}") for c in ("zzz", "location", "rs", "cross-modal", "sv")]
    )
    titles = [title for title in text.splitlines() if title.startswith("## ") and title.endswith("data")]
    assert titles == [
        "## Remote sensing, real data",
        "## Street view, real data",
        "## Location, real data",
        "## Cross-modal, real data",
        "## zzz, real data",
    ]


def test_header_has_metric_direction_and_test_size() -> None:
    assert "earth-rs-koeppen<br>accuracy ↑<br>n = 2,500" in render_leaderboard([make_result()])


def test_different_test_sizes_are_pointed_out() -> None:
    text = render_leaderboard(
        [make_result("gair"), make_result("pixel-stats", n={"train": 6000, "val": 1200, "test": 2480})]
    )
    assert "n = 2,480 to 2,500" in text
    assert "compare with care: earth-rs-koeppen" in text


def test_very_few_test_samples_are_pointed_out() -> None:
    few = make_result("gair", "a", 1.0, half=0.0, n={"train": 12, "val": 6, "test": 7})
    assert "with fewer than 30 test samples or 10 groups: a (7 test samples)." in render_leaderboard([few])
    assert "In small print" not in render_leaderboard([make_result()])


def test_every_empty_cell_has_its_reason() -> None:
    results = [
        make_result("gair", "a"),
        make_result("gair", "b"),
        make_result("gair", "c"),
        make_result("pixel-stats", "a"),
        make_result("pixel-stats", "b", status="skipped", reason="no token | grid"),
        make_result("random", "a", status="failed", reason="OSError: disk"),
        make_result("random", "b"),
        make_result("random", "c"),
    ]
    text = section(render_leaderboard(results), "## Remote sensing, real data").replace("\N{NO-BREAK SPACE}", " ")
    assert line(text, "pixel-stats")[3:5] == ["— [1]", "— [2]"]
    assert line(text, "random")[2] == "failed [3]"
    assert "- [1] no token \\| grid\n- [2] not run\n- [3] OSError: disk" in text


def test_equal_reasons_share_one_note() -> None:
    results = [make_result("gair", task) for task in "ab"] + [make_result("pixel-stats", "c")]
    results += [make_result("pixel-stats", task, status="skipped", reason="same") for task in "ab"]
    assert render_leaderboard(results).count("] same") == 1


def test_rows_without_any_number_are_named_with_their_reasons() -> None:
    text = render_leaderboard(
        [make_result("gair"), make_result("lonlat", status="skipped", reason="takes no overhead images")]
    )
    assert "- lonlat: takes no overhead images" in text
    assert "| lonlat" not in section(text, "## Remote sensing, real data")


def test_rows_without_a_number_for_one_reason_share_a_line() -> None:
    reasons = {
        "lonlat": "lonlat has no rs encoder",
        "xyz": "xyz has no rs encoder",
        "presto": "its weights are missing",
    }
    skipped = [make_result(model, status="skipped", reason=reason) for model, reason in reasons.items()]
    lines = render_leaderboard([make_result("gair"), *skipped]).splitlines()
    assert "- lonlat, xyz: no rs encoder" in lines
    assert "- presto: its weights are missing" in lines


def test_a_task_that_nothing_was_computed_for_is_no_column_and_takes_no_means() -> None:
    results = [measured_result(m, task, v) for m, v in (("gair", 0.4), ("lonlat", 0.3)) for task in "ab"]
    results += [make_result(m, "c", status="skipped", reason="no folder c") for m in ("gair", "lonlat")]
    table = rank_models(results)
    assert [column.task for column in table.columns] == ["a", "b"]
    assert ranks(results) == {GAIR: 1.0, LONLAT: 2.0}
    assert "Tasks without any number:\n\n- c: no folder c\n" in render_leaderboard(results)
    failed = make_result("lonlat", "c", status="failed", reason="out of memory")
    assert [column.task for column in rank_models([*results, failed]).columns] == ["a", "b", "c"]


def test_tasks_are_columns_where_no_model_has_any_number() -> None:
    table = rank_models([make_result("gair", status="skipped", reason="no folder")])
    assert (len(table.columns), table.unmeasured) == (1, {})


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_number_that_is_none_is_a_failure_not_a_best(broken: float) -> None:
    bad = make_result("pixel-stats", metrics={"accuracy": lopsided(broken, 0.1, 0.1)})
    table = rank_models([measured_result("gair"), measured_result("random", scores=0.2), bad])
    assert STATS in table.absent
    assert table.cells[GAIR, "earth-rs-koeppen"].mark is Mark.BEST


def test_ranks_cover_only_rows_that_ran_every_task() -> None:
    results = [measured_result("gair", task, value) for task, value in [("a", 0.4), ("b", 0.6)]]
    results += [measured_result("pixel-stats", task, value) for task, value in [("a", 0.2), ("b", 0.3)]]
    results += [measured_result("lonlat", "a", 0.9)]
    assert ranks(results) == {GAIR: 1.0, STATS: 2.0}
    text = render_leaderboard(results)
    assert "2 of 3 rows on 2 of 2 tasks, of 1 family: a, b." in text
    assert "lonlat" not in text.partition("| Over tasks")[2].partition("##")[0]
    # It is no lower for that.
    assert list(rank_models(results).rows) == [GAIR, LONLAT, STATS]


def test_rows_are_in_the_order_of_mean_ranks_where_all_have_one() -> None:
    results = [measured_result(m, t, v) for m, v in (("gair", 0.3), ("random", 0.4)) for t in "ab"]
    assert list(rank_models(results).rows) == [RANDOM, GAIR]


def test_controls_that_have_every_task_do_not_shut_out_the_models_that_have_most() -> None:
    """Ten rows, of which three can do all of seven tasks, and five more the same four."""
    tasks = {**{f"control-{i}": "abcdefg" for i in range(3)}, **{f"model-{i}": "abcd" for i in range(5)}}
    tasks |= {"small-0": "a", "small-1": "ef"}
    results = [measured_result(model, task, 0.5, family=task) for model, some in tasks.items() for task in some]
    table = rank_models(results)
    assert table.block is not None
    assert [column.task for column in table.block.columns] == [*"abcd"]
    assert [row.model for row in table.block.rows] == [name for name in tasks if not name.startswith("small")]
    assert "8 of 10 rows on 4 of 7 tasks, of 4 families: a, b, c, d." in render_leaderboard(results)
    assert list(table.rows) == sorted(table.rows)


def test_of_equally_large_blocks_the_one_of_more_tasks_is_summarized() -> None:
    tasks = {"a-0": "ab", "a-1": "abc", "a-2": "abc"}  # three rows on two tasks, or two rows on three
    table = rank_models([measured_result(model, task, 0.5) for model, some in tasks.items() for task in some])
    assert table.block is not None
    assert (len(table.block.rows), len(table.block.columns)) == (2, 3)


def test_rows_that_were_tested_on_other_samples_take_no_part_in_ranks() -> None:
    results = [measured_result(m, t, v) for m, v in (("gair", 0.4), ("random", 0.3), ("lonlat", 0.2)) for t in "ab"]
    assert ranks(results) == {GAIR: 1.0, RANDOM: 2.0, LONLAT: 3.0}
    results[-1] = measured_result("lonlat", "b", 0.9, samples="others")
    assert ranks(results) == {GAIR: 1.0, RANDOM: 2.0}


def test_records_without_units_are_shown_and_neither_marked_nor_ranked() -> None:
    results = [make_result(model, task, value) for model, value in (("gair", 0.9), ("random", 0.1)) for task in "ab"]
    text = render_leaderboard(results)
    assert "0.900\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.010" in text
    table = text.partition("## How to read")[0].partition("## Remote")[2]
    assert "**" not in table
    assert "†" not in table
    assert rank_models(results).across is None
    assert "Not ranked by any task" in text


def test_ranks_are_over_tasks_of_different_metrics_in_each_ones_direction() -> None:
    results = [measured_result("gair", "a", 0.9), measured_result("pixel-stats", "a", 0.1)]
    for model, error in (("gair", 1.0), ("pixel-stats", 9.0)):
        results.append(measured_result(model, "b", error, metric="km", higher_is_better=False, trivial=10.0, most=None))
    assert ranks(results) == {GAIR: 1.0, STATS: 2.0}
    across = rank_models(results).across
    assert across is not None
    # Of one family, whose two tasks are one vote: (0.9 - 0.1) / (1 - 0.1), and (10 - 1) / (10 - 0).
    assert across.normalized[0].value == pytest.approx((0.8 / 0.9 + 0.9) / 2)


def test_other_probes_and_metrics_are_shown_but_not_ranked() -> None:
    both = {"accuracy": lopsided(0.4, 0.01, 0.01), "macro_f1": lopsided(0.3, 0.01, 0.01)}
    results = [make_result("gair", metrics=both), make_result("pixel-stats", value=0.2)]
    results += [
        make_result("gair", value=0.77, probe="knn", headline=False),
        make_result("pixel-stats", probe="knn", headline=False, status="failed", reason="k too large"),
    ]
    text = render_leaderboard(results).replace("\N{NO-BREAK SPACE}", " ")
    ranking, details = section(text, "## Remote sensing, real data").split("<details>")
    assert "0.770" not in ranking
    assert "| knn     | accuracy ↑ | 0.770 ± 0.010 |" in details
    assert "failed [1] |" in details
    assert "- [1] k too large" in details
    assert "| linear  | macro_f1 ↑ | 0.300 ± 0.010 |" in details


@pytest.mark.parametrize(
    ("old", "why"),
    [
        ({"task_version": 0}, "task earth-rs-koeppen version 0, now 1"),
        ({"dataset_version": 0}, "dataset earth version 0, now 1"),
        ({"probe_version": 0}, "probe linear version 0, now 1"),
        (
            {"metrics": {"accuracy": MetricValue(value=0.9, low=0.8, high=1, higher_is_better=True, version=0)}},
            "metric accuracy version 0, now 1",
        ),
        ({"dataset_fingerprint": "a" * 64, "created": "2025"}, "had fingerprint aaaaaaaaaaaa, now d0d0d0d0d0d0"),
        ({"probe": "knn", "created": "2025"}, "ranked by knn accuracy, now by linear accuracy"),
    ],
)
def test_overtaken_results_are_not_compared(old: dict[str, Any], why: str) -> None:
    stale = make_result("pixel-stats", value=0.9, **old)
    text = render_leaderboard([measured_result("gair", scores=0.4), measured_result("random", scores=0.3), stale])
    assert "| pixel-stats" not in section(text, "## Remote sensing, real data")
    assert "**0.400" in text
    assert why in section(text, "## Out of date")


@pytest.mark.parametrize(
    ("old", "why"),
    [
        ({"model_version": "0"}, "model gair version 0, now 1"),
        ({"weights": "b" * 64, "checkpoint": "pretrained:x"}, "had weights bbbbbbbbbbbb"),
    ],
)
def test_a_row_never_mixes_versions_or_weights_of_a_model(old: dict[str, Any], why: str) -> None:
    results = [make_result("gair", "a"), make_result("gair", "b", created="2025", **old), make_result("random", "b")]
    current, stale = split_stale(results)
    assert [(r.model, r.task) for r in current] == [("gair", "a"), ("random", "b")]
    assert why in stale[0].why
    assert "only an out-of-date result" in render_leaderboard(results)


def test_a_skip_overtakes_no_number() -> None:
    skipped = make_result("lonlat", probe="ridge", metric="r2", status="skipped", reason="no images", created="2027")
    current, stale = split_stale([make_result("gair"), skipped])
    assert len(current) == 2
    assert not stale


def test_variants_of_a_model_are_rows_of_their_own() -> None:
    results = [
        make_result("gair", preset="tiny"),
        make_result("gair", preset="small", value=0.6),
        make_result("gair", preset="small", checkpoint="file:0123456789abcdef", weights="c" * 64),
    ]
    text = render_leaderboard(results)
    for name in ("gair (tiny)", "gair (small)", "gair (small, checkpoint 01234567)"):
        assert line(text, name)


def test_published_weights_are_the_model_itself_and_a_user_s_checkpoint_is_a_row_of_its_own() -> None:
    own = make_result("presto", checkpoint="file:559c9d76aa", weights="a" * 64, published_weights=True)
    others = make_result("presto", checkpoint="file:0123456789", weights="b" * 64, value=0.6)
    text = render_leaderboard([own, others])
    assert line(text, "presto")
    assert line(text, "presto (checkpoint 01234567)")
    assert "checkpoint 559c9d76)" not in text


def test_published_weights_that_were_replaced_are_superseded() -> None:
    old = make_result("presto", checkpoint="file:559c9d76aa", weights="a" * 64, published_weights=True)
    new = make_result(
        "presto", checkpoint="file:0123456789", weights="b" * 64, published_weights=True, created="2026-02-01T00:00:00Z"
    )
    current, stale = split_stale([new, old])
    assert current == [new]
    assert stale[0].why.startswith("model presto had weights aaaaaaaaaaaa (file:559c9d76aa), now bbbbbbbbbbbb")


RANDOM_WEIGHTS = {"weights": "ab" * 32, "checkpoint": "init:c0ffee"}


def test_a_number_is_the_mean_over_seeds_with_an_interval_for_other_seeds_too() -> None:
    runs = [measured_result("gair", scores=value, seed=seed) for seed, value in enumerate((0.4, 0.5, 0.6))]
    one, three = (line(render_leaderboard(some), "gair") for some in (runs[1:2], runs))
    assert [cells[1] for cells in (one, three)] == ["1", "3"]
    assert [cells[2][:5] for cells in (one, three)] == ["0.500", "0.500"]
    low, high = (rank_models(some).cells[GAIR, "earth-rs-koeppen"].value for some in (runs[1:2], runs))
    assert low is not None
    assert high is not None
    # Student's t of three seeds alone: 4.3 * 0.1 / sqrt(3).
    assert high.high - high.low > 2 * 0.2 > low.high - low.low


def test_other_metrics_have_intervals_for_other_seeds_too() -> None:
    def more(value: float) -> dict[str, MetricValue]:
        first = measured_result(scores=0.5).metrics["accuracy"]
        return {"accuracy": first, "macro_f1": replace(first, value=value, low=value - 0.02, high=value + 0.02)}

    runs = [make_result(metrics=more(value), seed=seed) for seed, value in enumerate((0.3, 0.4, 0.5))]
    text = render_leaderboard(runs).replace("\N{NO-BREAK SPACE}", " ")
    shown = re.search(r"macro_f1 ↑ *\| *(0\.\d+) \[(0\.\d+), (0\.\d+)\]", text) or pytest.fail(text)
    value, low, high = map(float, shown.groups())
    # Student's t of three seeds: 4.3 * 0.1 / sqrt(3).
    assert value == 0.4
    assert low < 0.2 < 0.6 < high


@pytest.mark.parametrize(
    ("changes", "noted"),
    [
        ({"weights": "", "checkpoint": "init:c0ffee"}, False),
        ({"weights": "ab" * 32, "checkpoint": "file:c0ffee"}, False),
        (RANDOM_WEIGHTS, True),
        ({"weights": "ab" * 32, "checkpoint": "pretrained:c0ffee"}, True),
        ({"weights": "ab" * 32, "checkpoint": "parts:c0", "parts": {"rs": {"checkpoint": "init:c0ffee"}}}, True),
        ({"labels": "10%"}, True),
        ({"kind": "segmentation"}, True),
        ({"caveats": (TRAINED,)}, True),
    ],
)
def test_what_has_a_random_part_and_fewer_than_three_seeds_is_noted(changes: dict[str, Any], noted: bool) -> None:
    def page(*values: float) -> str:
        return render_leaderboard([measured_result(scores=v, seed=s, **changes) for s, v in enumerate(values)])

    assert ("a random part and fewer than three seeds" in page(0.5)) is noted
    # Numbers of several seeds say themselves whether they matter.
    assert "a random part and fewer than three seeds" in page(0.5, 0.6)
    assert "a random part and fewer than three seeds" not in page(0.5, 0.5)
    assert "a random part and fewer than three seeds" not in page(0.5, 0.6, 0.5)


def test_the_note_is_at_the_row_or_where_some_of_its_numbers_have_a_random_part_at_these() -> None:
    mixed = [measured_result("gair", "a"), measured_result("gair", "b", kind="segmentation")]
    row = line(render_leaderboard(mixed), "gair")
    assert [cell.endswith("[1]") for cell in row[1:]] == [False, False, True]
    row = line(render_leaderboard([measured_result("gair", task, **RANDOM_WEIGHTS) for task in "ab"]), "gair")
    assert [cell.endswith("[1]") for cell in row[1:]] == [True, False, False]


def test_a_seed_without_a_number_is_a_note_and_no_part_of_the_mean() -> None:
    runs = [measured_result(scores=0.5), make_result(seed=1, status="failed", reason="out of memory")]
    text = render_leaderboard(runs)
    assert line(text, "gair")[2].startswith("0.500")
    assert "- [1] without seed 1: out of memory" in text


def test_seeds_on_other_samples_of_published_splits_are_shown_and_not_tested() -> None:
    results = [
        measured_result(model, scores=value, seed=seed, samples=f"{seed}")
        for model, value in (("gair", 0.5), ("random", 0.3))
        for seed in (0, 1)
    ]
    assert {cell.mark for cell in rank_models(results).cells.values()} == {Mark.NONE}
    assert line(render_leaderboard(results), "gair")[2].startswith("0.500")


def test_an_interval_without_an_end_is_shown_and_nothing_is_claimed_of_it() -> None:
    open_ended = {"r2": MetricValue(value=0.3, low=-math.inf, high=1.0, higher_is_better=True)}
    results = [make_result("gair", metric="r2", metrics=open_ended, seed=seed) for seed in (0, 1)]
    for some in (results[:1], results):
        text = render_leaderboard([*some, make_result("random", value=0.2, metric="r2")])
        assert line(text, "gair")[2] == "0.300 [-∞,\N{NO-BREAK SPACE}1.000]".replace(" ", "\N{NO-BREAK SPACE}")


def test_splits_that_seeds_draw_are_compared_over_the_draws() -> None:
    def drawn(model: str, *values: float) -> list[Result]:
        return [
            measured_result(model, scores=value, seed=seed, split="blocks:5", samples=f"draw {seed}")
            for seed, value in enumerate(values)
        ]

    marks = [
        cell.mark
        for cell in rank_models([*drawn("gair", 0.50, 0.60, 0.55), *drawn("random", 0.40, 0.49, 0.46)]).cells.values()
    ]
    assert marks == [Mark.BEST, Mark.NONE]
    # One draw says nothing of others.
    one = rank_models([*drawn("gair", 0.5), *drawn("random", 0.4)])
    assert {cell.mark for cell in one.cells.values()} == {Mark.NONE}
    overlapping = [*drawn("gair", 0.50, 0.60, 0.55), *drawn("random", 0.60, 0.48, 0.56)]
    assert [cell.mark for cell in rank_models(overlapping).cells.values()] == [Mark.BEST, Mark.TIED]


def test_the_page_says_that_models_are_frozen_unless_one_was_trained() -> None:
    frozen = make_result("gair")
    trained = make_result("gair", probe="finetune", caveats=(TRAINED,))
    assert "\nEvery model is frozen, and the same probe" in render_leaderboard([frozen])
    assert "\nEvery model is frozen, but where a note says that it was trained" in render_leaderboard([frozen, trained])


def test_what_was_trained_on_the_task_has_a_table_of_its_own_and_no_rank() -> None:
    tasks = ("earth-rs-koeppen", "earth-rs-land-cover")
    frozen = [measured_result(model, task, 0.5) for model in ("gair", "random") for task in tasks]
    trained = {"probe": "end_to_end", "caveats": (TRAINED,), "headline": False}
    supervised = [make_result("cnn", task, 0.9, **trained) for task in tasks]
    tuned = make_result("gair", tasks[0], 0.8, probe="finetune", caveats=(TRAINED,), headline=False)
    without = render_leaderboard(frozen)
    page = render_leaderboard([*frozen, *supervised, tuned])
    # The ranking is to the letter what it is without them.
    ranking = without.partition("## Remote sensing, real data")[2].partition("## How to read")[0].strip()
    assert ranking in page
    section = page.partition("**Trained on the task, not ranked.**")[2].partition("## Tasks")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if "0." in line]
    assert [row[:2] for row in rows] == [["cnn", "end_to_end"], ["gair", "finetune"]]
    assert [[cell.split("\N{NO-BREAK SPACE}")[0] for cell in row[2:]] for row in rows] == [
        ["0.900"] * 2,
        ["0.800", "—"],
    ]
    assert f"- [1] {TRAINED}" in section
    assert "**0.9" not in page


def test_a_category_of_trained_models_alone_is_shown_and_skips_are_not() -> None:
    trained = {"probe": "end_to_end", "caveats": (TRAINED,), "headline": False}
    skipped = make_result("cnn", "places", category="location", status="skipped", reason="no encoder", **trained)
    failed = make_result("vit", status="failed", reason="it broke", **trained)
    page = render_leaderboard([make_result("cnn", **trained), skipped, failed])
    assert "## Remote sensing, real data\n\n**Trained on the task" in page
    assert "## Location" not in page
    assert "failed" in page
    assert "it broke" in page


def test_the_table_for_programs_has_caveats_and_the_version_of_the_split() -> None:
    text = leaderboard_csv([make_result(caveats=("one", "two"), split="blocks:5", split_version=3), make_result("b")])
    plain, noted = csv.DictReader(io.StringIO(text))
    assert (plain["caveats"], plain["split_version"]) == ("", "1")
    assert (noted["caveats"], noted["split_version"]) == ("one; two", "3")


@pytest.mark.parametrize(
    ("split", "samples", "said", "unsaid"),
    [
        ("blocks:5", ("one", "other"), "for other draws", "the same for every seed"),
        ("leave:country=Chad", ("one", "one"), "the same for every seed", "for other draws"),
    ],
)
def test_sections_of_other_splits_say_what_their_intervals_are_for(
    split: str, samples: Sequence[str], said: str, unsaid: str
) -> None:
    results = [measured_result(seed=seed, split=split, samples=drawn) for seed, drawn in enumerate(samples)]
    text = section(render_leaderboard([make_result(), *results]), f"## Split {split}")
    assert said in text
    assert unsaid not in text
    # One seed does not say whether another one has other samples.
    one = section(render_leaderboard([make_result(), results[0]]), f"## Split {split}")
    assert said not in one
    assert unsaid not in one


def test_records_whose_groups_leave_test_out_are_of_single_samples() -> None:
    results = [measured_result("gair", groups={"train": 9}, seed=seed) for seed in (0, 1)]
    results += [measured_result("random", scores=0.3, seed=seed) for seed in (0, 1)]
    assert rank_models(results).cells[GAIR, "earth-rs-koeppen"].mark is Mark.BEST
    assert compare_models(results, "gair")[0].runs[GAIR, "earth-rs-koeppen"].units == 60


def test_ends_of_an_interval_that_are_no_ends_are_infinite() -> None:
    shown = numbers.ends(MetricValue(value=-3.0, low=-3.2e9, high=math.inf, higher_is_better=True))
    assert shown == "[-∞,\N{NO-BREAK SPACE}∞]"
    # Large numbers have large ends.
    shown = numbers.ends(MetricValue(value=4e6, low=3e6, high=5e6, higher_is_better=True))
    assert shown == "[3e+06,\N{NO-BREAK SPACE}5e+06]"


MISSING = {"status": "skipped", "reason": "its weights are not here; run again with --download"}


def test_a_skip_for_missing_weights_is_gone_when_they_have_given_a_newer_number() -> None:
    arrived = make_result("geoclip", checkpoint="file:0123456789", created="2026-02", value=0.4)
    skipped = make_result("geoclip", created="2026-01", **MISSING)
    elsewhere = make_result("geoclip", "another-task", created="2026-01", **MISSING)
    assert split_stale([skipped, arrived, elsewhere]) == ([arrived, elsewhere], [])
    text = render_leaderboard([skipped, arrived, make_result("gair")])
    assert "weights are not here" not in text
    assert "## Out of date" not in text


@pytest.mark.parametrize(
    "other",
    [
        {"created": "2026-03"},
        {"seed": 1},
        {"preset": "small"},
        {"labels": "10%"},
        {"probe": "knn"},
        {"status": "failed"},
        {"checkpoint": "file:9876"},
    ],
)
def test_other_skips_stay(other: dict[str, Any]) -> None:
    arrived = make_result("geoclip", checkpoint="file:0123456789", created="2026-02")
    skipped = make_result("geoclip", **(MISSING | {"created": "2026-01"} | other))
    assert skipped in split_stale([skipped, arrived])[0]


def test_a_number_without_published_weights_leaves_the_skip_of_those_that_are_missing() -> None:
    untrained = make_result("geoclip", checkpoint="init:0123456789", created="2026-02")
    skipped = make_result("geoclip", created="2026-01", **MISSING)
    assert split_stale([skipped, untrained]) == ([skipped, untrained], [])
    # Nor does a number of before hide that published weights are missing now.
    arrived = make_result("geoclip", checkpoint="file:0123456789", created="2026-03")
    waiting = make_result("geoclip", created="2026-02", **MISSING | {"checkpoint": "init:0123456789"})
    assert split_stale([waiting, arrived]) == ([arrived], [])


def test_parts_of_the_labels_stand_below_all_of_them_the_largest_first_and_above_trials() -> None:
    parts = ["1-shot", "1%", "all", "50%", "20-shot"]
    results = [make_result("gair", value=0.1 * i, labels=part) for i, part in enumerate(parts)]
    text = render_leaderboard([*results, make_result("gair", value=0.9, limit=200, labels="1%")])
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    wanted = ["50%", "1%", "20-shot", "1-shot"]
    assert headings[1:6] == [
        *(f"## Labels {part}" for part in wanted),
        "## Trial: at most 200 samples a split, labels 1%",
    ]
    assert line(section(text, "## Labels 50%"), "gair")[2].startswith("0.300")
    assert "0.200" in text.split("## Labels")[0]
    assert "0.300" not in text.split("## Labels")[0]


def test_split_policies_stand_below_the_published_splits_and_above_trials() -> None:
    results = [
        make_result("gair", value=0.1),
        make_result("gair", value=0.2, labels="10%"),
        make_result("gair", value=0.3, split="random"),
        make_result("gair", value=0.4, split="leave:country=a*b"),
        make_result("gair", value=0.5, split="random", labels="10%"),
        make_result("gair", value=0.6, split="random", limit=200),
    ]
    text = render_leaderboard(results)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[1:6] == [
        "## Labels 10%",
        r"## Split leave:country=a\*b",
        "## Split random",
        "## Split random, labels 10%",
        "## Trial: at most 200 samples a split, split random",
    ]
    assert line(section(text, "## Split random"), "gair")[2].startswith("0.300")
    assert "divided anew by this split policy" in section(text, "## Split random")
    assert "0.100" in text.split("## Labels")[0]
    assert "0.300" not in text.split("## Labels")[0]


def test_an_older_version_of_a_split_policy_is_out_of_date_and_other_splits_are_not() -> None:
    results = [
        make_result("gair", value=0.31, split="blocks:5"),
        make_result("random", value=0.32, split="blocks:5", split_version=2),
        make_result("gair", value=0.33, split="random"),
    ]
    text = render_leaderboard(results)
    assert "split policy blocks version 1, now 2" in section(text, "## Out of date")
    assert "0.330" in section(text, "## Split random")
    assert "0.310" not in section(text, "## Split blocks:5")


def test_what_was_chosen_on_val_stands_below_what_was_chosen_by_cross_validation() -> None:
    results = [make_result("gair", value=value, selection=way) for way, value in (("val", 0.9), ("cv", 0.1))]
    results.append(make_result("gair", value=0.5, selection="val", labels="10%"))
    text = render_leaderboard(results)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[1:3] == ["## Selection on val", "## Selection on val, labels 10%"]
    assert line(section(text, "## Selection on val"), "gair")[2].startswith("0.900")
    assert "on the published val split" in section(text, "## Selection on val")
    assert "0.900" not in text.split("## Selection")[0]


def test_readouts_stand_below_the_models_own_by_pooling_and_layer_and_above_trials() -> None:
    ways = ["mean@11", "default", "mean@2", "cls", "@3"]
    results = [make_result("gair", value=0.1 * i, readout=way) for i, way in enumerate(ways)]
    results += [make_result("random", status="skipped", reason="random offers no cls", readout="cls")]
    results += [make_result("gair", value=0.7, readout="cls", labels="10%")]
    text = render_leaderboard([*results, make_result("gair", value=0.9, limit=200, readout="cls")])
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[1:7] == [
        "## Readout @3",
        "## Readout cls",
        "## Readout cls, labels 10%",
        "## Readout mean@2",
        "## Readout mean@11",
        "## Trial: at most 200 samples a split, readout cls",
    ]
    assert line(section(text, "## Readout mean@2"), "gair")[2].startswith("0.200")
    assert "random: random offers no cls" in section(text, "## Readout cls")
    assert "with this pooling and these layers" in section(text, "## Readout cls, labels 10%")
    assert "this part of train's labels" in section(text, "## Readout cls, labels 10%")
    assert "0.100" in text.split("## Readout")[0]
    assert "0.200" not in text.split("## Readout")[0]


def covered(model: str, value: float, **changes: Any) -> Result:
    some = {"covered_by": "raster:earth", "subset": "a1" * 32, "n": {"test": 1100}, "n_whole": {"test": 2500}}
    return measured_result(model, scores=value, **(some | changes))


def test_numbers_over_what_a_product_covers_stand_apart_with_how_many_of_how_many() -> None:
    results = [measured_result("gair", scores=0.4), covered("gair", 0.6), covered("raster:earth", 0.7)]
    results += [make_result("raster:earth", status="skipped", reason="no embedding of some samples")]
    text = render_leaderboard(results)
    whole, part = text.split("## Samples covered by raster:earth")
    assert "n = 1,100 of 2,500" in part
    assert "all test samples" in part
    assert line(part, "raster:earth")[2].startswith("**0.700")
    assert "0.600" in part
    assert "0.600" not in whole
    assert "0.700" not in whole
    assert "**" not in line(whole, "gair")[2], "nothing of a part marks what is whole"
    assert "of 2,500" not in whole
    trial = render_leaderboard([*results, covered("gair", 0.1, limit=9)])
    assert "## Trial: at most 9 samples a split, samples covered by raster:earth" in trial


def test_numbers_over_other_samples_of_the_same_product_are_out_of_date() -> None:
    older = covered("gair", 0.6, subset="b2" * 32, created="2025-01-01T00:00:00Z")
    text = render_leaderboard([older, covered("random", 0.5), covered("random", 0.8, limit=7, subset="c3" * 32)])
    assert "raster:earth covered samples b2b2b2b2b2b2 of earth, now a1a1a1a1a1a1" in section(text, "## Out of date")
    assert "0.600" not in text.split("## Out of date")[0]
    assert "0.800" in text.split("## Out of date")[0]


def test_csv_names_samples_that_a_product_covers_where_there_are_such(tmp_path: Path) -> None:
    _, path = write_leaderboard([make_result()], tmp_path)
    assert "covered_by" not in path.read_text(encoding="utf-8")
    _, path = write_leaderboard([make_result(), covered("gair", 0.5)], tmp_path)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [(r["covered_by"], r["subset"][:4], r["n_test"], r["n_whole"]) for r in rows] == [
        ("", "", "2500", ""),
        ("raster:earth", "a1a1", "1100", "2500"),
    ]


def test_limited_runs_are_set_apart_and_marked() -> None:
    text = render_leaderboard([make_result("gair", value=0.4), make_result("random", value=0.9, limit=200)])
    assert "0.900" not in section(text, "## Remote sensing, real data")
    trial = section(text, "## Trial: at most 200 samples a split")
    assert "[!WARNING]" in trial
    assert "0.900" in trial


def test_wide_tables_are_split_without_losing_a_task() -> None:
    tasks = [(f"family-{i // 3}", f"task-{i:02}") for i in range(20)]
    results = [measured_result(m, task, family=family) for family, task in tasks for m in ("gair", "random")]
    text = section(render_leaderboard(results), "## Remote sensing, real data")
    headers = [row for row in text.splitlines() if row.startswith("| Model")]
    assert len(headers) > 1
    assert all(header.count("<br>n =") <= 8 for header in headers)
    assert sum(header.count("<br>n =") for header in headers) == 20
    assert sum(header.count("seeds") for header in headers) == 1
    assert all(sum(f"task-{i:02}" in h for h in headers) == 1 for i in range(20))
    # A family that fits into a table is not torn apart.
    assert any(all(f"task-{i:02}" in header for i in range(3, 6)) for header in headers)


def test_the_same_records_give_the_same_bytes_in_any_order() -> None:
    results = [make_result(m, t, 0.1 * i) for i, m in enumerate(["gair", "random", "lonlat"]) for t in "abc"]
    shuffled = random.Random(0).sample(results, len(results))
    assert render_leaderboard(results) == render_leaderboard(shuffled)


def test_times_and_dates_are_left_out(tmp_path: Path) -> None:
    first = make_result(created="2026-01-01T00:00:00Z", seconds={"embed": 1.0})
    second = make_result(created="2026-02-02T00:00:00Z", seconds={"embed": 2.0})
    write_leaderboard([first], tmp_path / "first")
    write_leaderboard([second], tmp_path / "second")
    for name in ("LEADERBOARD.md", "leaderboard.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_provenance_names_commands_versions_weights_and_data() -> None:
    text = render_leaderboard([make_result(weights="ab" * 32, checkpoint="pretrained:" + "f" * 64)])
    assert "$ gairbench run --model gair --task all" in text
    assert line(text, "gairbench") == ["gairbench", "0.1.0"]
    assert line(text, "earth-rs-koeppen 1")[4:7] == ["earth 1", "d0d0d0d0d0d0", "linear 1"]
    assert line(section(text, "## Models"), "gair")[1:6] == [
        "1",
        "0",
        "gairbench-models (gairbench 0.1.0)",
        "pretrained:ffffffffffff",
        "abababababab",
    ]
    without = render_leaderboard([make_result(environment={"gairbench": "0.1.0", "my.yaml": "not installed"})])
    assert "my.yaml" not in without
    given = render_leaderboard([make_result()], commands=["make leaderboard"])
    assert "$ make leaderboard" in given
    assert "--model gair" not in given


def test_no_results_is_an_error_with_the_hint() -> None:
    with pytest.raises(UsageError, match="no results to publish; run 'gairbench run' first"):
        render_leaderboard([])


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a|b", "a\\|b"),
        ("*x* [y](z) `q`", "\\*x\\* \\[y\\](z) \\`q\\`"),
        ("<img>\nnext", "&lt;img&gt; next"),
        ("macro_f1 _emphasis_", "macro_f1 \\_emphasis\\_"),
    ],
)
def test_free_text_cannot_break_a_table(text: str, safe: str) -> None:
    assert escape(text) == safe


def test_csv_has_one_line_a_result_with_full_precision(tmp_path: Path) -> None:
    results = [
        make_result("gair", value=1 / 3, half=0.01),
        make_result("gair", probe="knn", headline=False, value=0.25),
        make_result("lonlat", status="skipped", reason='takes "no", images', readout="cls@5"),
    ]
    _, path = write_leaderboard(results, tmp_path)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert [(r["model"], r["probe"], r["status"]) for r in rows] == [
        ("gair", "knn", "ok"),
        ("gair", "linear", "ok"),
        ("lonlat", "linear", "skipped"),
    ]
    assert [r["readout"] for r in rows] == ["default", "default", "cls@5"]
    assert float(rows[1]["value"]) == 1 / 3
    assert float(rows[1]["accuracy_low"]) == 1 / 3 - 0.01
    assert (rows[1]["n_train"], rows[1]["n_test"], rows[1]["limit"]) == ("6000", "2500", "")
    assert (rows[2]["value"], rows[2]["reason"]) == ("", 'takes "no", images')


@pytest.mark.parametrize("damage", ["missing", "edited", "none"])
def test_check_tells_which_file_is_outdated(tmp_path: Path, damage: str) -> None:
    results = [make_result()]
    markdown, _ = write_leaderboard(results, tmp_path)
    if damage == "missing":
        markdown.unlink()
    elif damage == "edited":
        markdown.write_text(markdown.read_text(encoding="utf-8").replace("0.500", "0.900"), encoding="utf-8")
    assert outdated_files(results, tmp_path) == (() if damage == "none" else (markdown,))


def test_check_notices_a_new_result(tmp_path: Path) -> None:
    paths: Sequence[Path] = write_leaderboard([make_result()], tmp_path)
    assert outdated_files([make_result(), make_result("random")], tmp_path) == tuple(paths)


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*LEADERBOARD\.md"):
        write_leaderboard([make_result()], tmp_path / "file")


@pytest.mark.parametrize(
    ("grouping", "said"),
    [("city", "in 12 cities"), ("block", "in 12 blocks"), ("blocks:0.1", "in 12 blocks of 0.1°"), ("", "in 12 groups")],
)
def test_a_column_names_its_groups_in_words(grouping: str, said: str) -> None:
    column = RankingColumn("t", "f", "accuracy", "linear", True, (40, 40), grouping=grouping, groups=(12, 12))
    assert said in column_header(column)
