"""Arrange comparable results in one table: rows are models, columns tasks; find the best, its ties, and the ranks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from gairbench.results import MetricValue, Result
from gairbench_leaderboard.across_tasks import AcrossTasks, TaskScores, across_tasks
from gairbench_leaderboard.over_seeds import ENOUGH, Tested, depends_on_seed, mean_value, paired, tested
from gairbench_leaderboard.uncertainty import Runs, holm

Array = NDArray[np.float64]

FEW_SAMPLES = 30
"""Test samples below which a column is shown, and ranks nothing."""

FEW_GROUPS = 10
"""Groups of test samples below which a column is shown, and ranks nothing: with so few of them a standard error is a
guess (Cameron and Miller, J. Hum. Resour. 50, 2015)."""

SIGNIFICANT = 0.05
"""Adjusted p-value below which a difference counts."""

_ROUNDING = 1e-6
"""Share of what there is to gain over the trivial predictor that is rounding and no gain."""


@dataclass(frozen=True, slots=True, order=True)
class RankingRow:
    """What distinguishes the rows of one setting.

    Args:
        model: Registered name.
        preset: The model's preset.
        checkpoint: First digits of the hash of a user's checkpoint; empty for the model's own weights.
    """

    model: str
    preset: str
    checkpoint: str

    @classmethod
    def of(cls, result: Result) -> RankingRow:
        """Return the row a result belongs to."""
        foreign = result.checkpoint.startswith("file:") and not result.published_weights
        return cls(result.model, result.preset, result.checkpoint.removeprefix("file:")[:8] if foreign else "")

    def __str__(self) -> str:
        parts = [] if self.preset == "default" else [self.preset]
        if self.checkpoint:
            parts.append(f"checkpoint {self.checkpoint}")
        return f"{self.model} ({', '.join(parts)})" if parts else self.model


class Mark(StrEnum):
    """How a number compares with the others of its column."""

    NONE = ""
    BEST = "best"
    TIED = "tied"


@dataclass(frozen=True, slots=True)
class RankingCell:
    """One number, or the reason why there is none.

    Args:
        value: The metric, the mean over seeds, and its interval.
        mark: Its standing in the column.
        failed: It was tried and broke.
        reason: Why there is no value.
        caveats: Why the value does not show what the model can.
        seeds: Of the runs that it is the mean of.
        random: Something about it depends on the seed.
        constant: A run predicts the same for every test sample.
        tested: What a paired test needs; ``None`` where the records do not hold it.
    """

    value: MetricValue | None
    mark: Mark = Mark.NONE
    failed: bool = False
    reason: str = ""
    caveats: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    random: bool = False
    constant: bool = False
    tested: Tested | None = field(default=None, compare=False)

    @property
    def few_seeds(self) -> bool:
        """Whether it has a random part and fewer than three seeds."""
        return self.random and len(self.seeds) < ENOUGH


@dataclass(frozen=True, slots=True)
class RankingColumn:
    """One task.

    Args:
        task: Registered name.
        family: The paper's task family.
        metric: Headline metric.
        probe: Headline probe.
        higher_is_better: Direction of the metric.
        n: Smallest and largest number of test samples among the rows; 0, 0 where unknown.
        n_whole: Test samples of the whole task, where a product says which of them take part; 0: it is the whole task.
        grouping: What the test samples are grouped by; empty: they are independent.
        groups: Smallest and largest number of groups of test samples; 0, 0 without a grouping.
        trivial: The metric of the trivial predictor, the mean over seeds; ``None``: unknown.
    """

    task: str
    family: str
    metric: str
    probe: str
    higher_is_better: bool
    n: tuple[int, int]
    n_whole: int = 0
    grouping: str = ""
    groups: tuple[int, int] = (0, 0)
    trivial: float | None = None

    @property
    def too_few(self) -> str:
        """Of what there is too little to rank by, as ``"7 test samples"``; empty where there is enough."""
        if 0 < self.n[0] < FEW_SAMPLES:
            return f"{self.n[0]} test samples"
        return f"{self.groups[0]} groups" if 0 < self.groups[0] < FEW_GROUPS else ""

    def beats_trivial(self, value: MetricValue) -> bool:
        """Whether a value is better than the trivial predictor's by more than rounding; so is all where it is unknown.

        Rounding is a share of the way from the trivial predictor to the best value that there can be, or of the trivial
        predictor's own value where there is no such value.
        """
        if self.trivial is None:
            return True
        perfect = value.most if self.higher_is_better else value.least
        scale = abs(self.trivial if perfect is None else perfect - self.trivial)
        gain = value.value - self.trivial if self.higher_is_better else self.trivial - value.value
        return gain > _ROUNDING * scale


@dataclass(frozen=True, slots=True)
class RankingBlock:
    """Rows that all have a number for all of some tasks, on the same test samples.

    Args:
        rows: Two or more, by name.
        columns: Two or more of the ranked ones.
    """

    rows: Sequence[RankingRow]
    columns: Sequence[RankingColumn]


@dataclass(frozen=True, slots=True)
class RankingTable:
    """One ranking.

    Args:
        columns: Tasks that a row has a number for, or failed at, ordered by family and name.
        rows: Models that have a number: by mean rank where the block has all of them, else by name.
        cells: For every row and column.
        ranked: Columns that models can be ranked by.
        block: What is summarized over tasks; ``None`` where there is no such block.
        across: What the block's columns say of its rows together, in their order; ``None`` without a block.
        absent: Rows without any number, and the reasons.
        unmeasured: Tasks that nothing was computed for, and the reasons.
    """

    columns: Sequence[RankingColumn]
    rows: Sequence[RankingRow]
    cells: Mapping[tuple[RankingRow, str], RankingCell]
    ranked: Sequence[RankingColumn]
    block: RankingBlock | None
    across: AcrossTasks | None
    absent: Mapping[RankingRow, Sequence[str]]
    unmeasured: Mapping[str, Sequence[str]]


def rank_models(results: Iterable[Result], superseded: Iterable[Result] = ()) -> RankingTable:
    """Rank the headline results of one setting, category and kind of data, over all seeds.

    Args:
        results: Current results that may be compared.
        superseded: Stale results of the same setting; they only explain empty cells.

    Returns:
        The table. The best number of a column is marked where it can be tested against others, is better than the
        trivial predictor's, and the column has enough test samples and groups; tied with it are those for which the
        test, paired over the units of the test samples and adjusted for all pairs of rows (Holm), decides nothing.
    """
    headline: dict[tuple[RankingRow, str], list[Result]] = {}
    for result in results:
        if result.headline:
            headline.setdefault((RankingRow.of(result), result.task), []).append(result)
    stale = {(RankingRow.of(r), r.task) for r in superseded if r.headline}
    all_rows = sorted({row for row, _ in headline})
    columns = all_columns = columns_of(r for found in headline.values() for r in found)
    cells: dict[tuple[RankingRow, str], RankingCell] = {}
    for column in columns:
        found = {
            row: cell_of(
                headline.get((row, column.task), ()),
                column.metric,
                missing="only an out-of-date result, listed below" if (row, column.task) in stale else "not run",
            )
            for row in all_rows
        }
        cells |= {(row, column.task): cell for row, cell in _marked(found, column).items()}

    # A task whose data are not here says nothing of any model: no column of dashes, and no reason to have no ranks.
    if measured := [
        c for c in columns if any(cells[row, c.task].value or cells[row, c.task].failed for row in all_rows)
    ]:
        columns = measured
    rows = [row for row in all_rows if any(cells[row, column.task].value for column in columns)]
    alike = {c.task: _most_alike([cells[row, c.task] for row in rows]) for c in columns if not c.too_few}
    ranked = [c for c in columns if alike.get(c.task) is not None]
    block = _largest_block({row: [c for c in ranked if _samples(cells[row, c.task]) == alike[c.task]] for row in rows})
    across, mean_rank = None, {}
    if block:
        across = across_tasks([_scores(c, [cells[row, c.task] for row in block.rows]) for c in block.columns])
        if len(block.rows) == len(rows):
            mean_rank = {row: rank.value for row, rank in zip(rows, across.mean_rank, strict=True)}
    return RankingTable(
        columns=columns,
        rows=sorted(rows, key=lambda row: (mean_rank.get(row, 0.0), row)),
        cells=cells,
        ranked=ranked,
        block=block,
        across=across,
        absent={
            row: _reasons(r for c in columns for r in headline.get((row, c.task), ()))
            for row in all_rows
            if row not in rows
        },
        unmeasured={
            c.task: tuple(
                dict.fromkeys(cells[row, c.task].reason.removeprefix(f"{row.model} has ") for row in all_rows)
            )
            for c in all_columns
            if c not in columns
        },
    )


def usable(value: MetricValue) -> bool:
    """Return whether a metric is a number, and its interval one that may be without an end."""
    return math.isfinite(value.value) and not (math.isnan(value.low) or math.isnan(value.high))


def cell_of(records: Sequence[Result], metric: str, *, missing: str = "not run") -> RankingCell:
    """Return the mean over seeds of a metric of the records of one cell, or the reason why there is none.

    Args:
        records: Of one model, task and probe in one setting, one a seed; of two of one seed the last one counts.
        metric: Name of the metric.
        missing: The reason where there is no record.
    """
    by_seed = {record.seed: record for record in records}
    reasons = {seed: _why_not(record, metric) for seed, record in by_seed.items()}
    found = [by_seed[seed] for seed in sorted(by_seed) if not reasons[seed]]
    if not found:
        failed = any(record.status != "skipped" for record in by_seed.values())
        return RankingCell(None, failed=failed, reason="; ".join(dict.fromkeys(reasons.values())) or missing)
    caveats = dict.fromkeys(caveat for record in found for caveat in record.caveats)
    caveats |= dict.fromkeys(f"without seed {seed}: {why}" for seed, why in sorted(reasons.items()) if why)
    return RankingCell(
        mean_value(found, metric),
        caveats=tuple(caveats),
        seeds=tuple(record.seed for record in found),
        random=depends_on_seed(found),
        constant=any(record.constant for record in found),
        tested=tested(found),
    )


def _why_not(result: Result, metric: str) -> str:
    """Return why a record has no usable number; empty if it has one."""
    if result.status != "ok":
        return result.reason or f"{result.status}, no reason given"
    value = result.metrics.get(metric)
    if value is None:
        return f"the record has no metric {metric}"
    return "" if usable(value) else f"{metric} or its interval is not a finite number"


def _reasons(results: Iterable[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_why_not(r, r.metric) for r in results))


def columns_of(results: Iterable[Result]) -> list[RankingColumn]:
    """Return the tasks of headline results, ordered by family and name."""
    tasks: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        tasks.setdefault((result.family, result.task), []).append(result)
    return [_column(tasks[key]) for key in sorted(tasks)]


def _column(results: Sequence[Result]) -> RankingColumn:
    measured = [r for r in results if r.headline_value]
    first = (measured or results)[0]
    values = [v for r in measured if (v := r.headline_value)]
    # Of one seed all records have the same: each seed counts once, however many models were run with it.
    trivial = {r.seed: v.trivial for r in measured if (v := r.headline_value) and v.trivial is not None}
    return RankingColumn(
        first.task,
        first.family,
        first.metric,
        first.probe,
        values[0].higher_is_better if values else True,
        _span([r.n["test"] for r in measured if "test" in r.n]),
        max((r.n_whole.get("test", 0) for r in measured), default=0),
        first.grouping,
        _span([r.groups["test"] for r in measured if "test" in r.groups]),
        sum(trivial.values()) / len(trivial) if trivial else None,
    )


def _span(sizes: Sequence[int]) -> tuple[int, int]:
    return (min(sizes), max(sizes)) if sizes else (0, 0)


def _marked(cells: Mapping[RankingRow, RankingCell], column: RankingColumn) -> dict[RankingRow, RankingCell]:
    """Return cells with their standing in a column.

    A number with a random part and too few seeds has no interval for other seeds: it is not the best and tests nothing.
    """
    measured = {row: cell for row, cell in cells.items() if cell.value and not cell.few_seeds}
    marked = dict(cells)
    if len(measured) < 2 or column.too_few:
        return marked
    contenders = {row for row, cell in measured.items() if _shows_something(cell, column)}
    values = {row: cell.value.value for row, cell in measured.items() if cell.value}
    best = (max if column.higher_is_better else min)(values.values())
    leaders = [row for row, value in values.items() if value == best and row in contenders and cells[row].tested]
    if not leaders:
        return marked
    decided = {
        row: p for pair, p in _pairs(measured).items() if leaders[0] in pair for row in pair if row != leaders[0]
    }
    if not decided:  # nothing to be better than
        return marked
    for row, p in decided.items():
        # Written this way round, NaN as a p-value decides nothing.
        tied = row in contenders and not p < SIGNIFICANT
        marked[row] = replace(cells[row], mark=Mark.TIED if tied else Mark.NONE)
    return marked | {row: replace(cells[row], mark=Mark.BEST) for row in leaders}


def _shows_something(cell: RankingCell, column: RankingColumn) -> bool:
    return cell.value is not None and not cell.constant and column.beats_trivial(cell.value)


def _pairs(cells: Mapping[RankingRow, RankingCell]) -> dict[tuple[RankingRow, RankingRow], float]:
    """Return the p-values of all pairs of rows that can be tested, adjusted together.

    Only pairs with the best are asked for, but the same data choose the best: any pair could have been one of these.
    """
    tests = {pair: paired(*(cells[row].tested for row in pair)) for pair in combinations(cells, 2)}
    found = {pair: test.p for pair, test in tests.items() if test}
    return dict(zip(found, holm(list(found.values())), strict=True))


def _samples(cell: RankingCell) -> Hashable | None:
    """Return what must be equal for two cells to be compared unit by unit; ``None`` where they cannot be."""
    if cell.tested is None:
        return None
    if isinstance(cell.tested, Runs):
        return cell.tested.samples, cell.tested.jackknife.shape[1]
    return cell.tested.seeds, cell.tested.samples


def _most_alike(cells: Sequence[RankingCell]) -> Hashable | None:
    """Return the test samples that most cells have, and two at least; ``None`` without such."""
    counts = Counter(found for cell in cells if (found := _samples(cell)) is not None)
    (samples, number), *_ = counts.most_common(1) or [(None, 0)]
    return samples if number > 1 else None


def _largest_block(columns_of_row: Mapping[RankingRow, Sequence[RankingColumn]]) -> RankingBlock | None:
    """Return the block of most numbers, two rows and two columns at least; of equally large ones that of more columns.

    Rows that have numbers for few tasks alone would leave few tasks for all, tasks that few rows have few rows.

    Args:
        columns_of_row: By row, the columns that it has a number for.
    """
    blocks = [
        RankingBlock([row for row, has in columns_of_row.items() if all(c in has for c in columns)], columns)
        for columns in columns_of_row.values()
    ]
    large = [block for block in blocks if len(block.rows) > 1 and len(block.columns) > 1]
    return max(large, key=lambda block: (len(block.rows) * len(block.columns), len(block.columns)), default=None)


def _scores(column: RankingColumn, cells: Sequence[RankingCell]) -> TaskScores:
    runs = [_runs(cell) for cell in cells]
    value = cells[0].value
    assert value is not None  # noqa: S101  (rows of a block have numbers)
    return TaskScores(
        family=column.family,
        higher_is_better=column.higher_is_better,
        values=[values for values, _ in runs],
        jackknife=[without_each for _, without_each in runs],
        trivial=column.trivial,
        perfect=value.most if column.higher_is_better else value.least,
    )


def _runs(cell: RankingCell) -> tuple[Array, Array]:
    """Return the metric of each run and without each unit; of splits that are drawn, each draw is a unit."""
    found = cell.tested
    assert found is not None  # noqa: S101
    if isinstance(found, Runs):
        return found.values, found.jackknife
    others = (found.values.sum() - found.values) / (len(found.values) - 1)
    return np.array([found.values.mean()]), others[None, :]
