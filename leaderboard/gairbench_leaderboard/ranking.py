"""Arrange comparable results in one table: rows are models, columns tasks; find the best, its ties, and the means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import pandas as pd

from gairbench.results import MetricValue, Result


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
        value: The metric and its interval.
        mark: Its standing in the column.
        failed: It was tried and broke.
        reason: Why there is no value.
        caveats: Why the value does not show what the model can.
    """

    value: MetricValue | None
    mark: Mark = Mark.NONE
    failed: bool = False
    reason: str = ""
    caveats: tuple[str, ...] = ()


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
    """

    task: str
    family: str
    metric: str
    probe: str
    higher_is_better: bool
    n: tuple[int, int]
    n_whole: int = 0


@dataclass(frozen=True, slots=True)
class RankingTable:
    """One ranking.

    Args:
        columns: Tasks that a row has a number for, or failed at, ordered by family and name.
        rows: Models that have a number: complete ones by mean rank, then the others by name.
        cells: For every row and column.
        complete: Rows with a number for every task.
        mean_rank: Of the complete rows; empty if there are fewer than two of them or of the tasks.
        means: By metric with at least two tasks: the complete rows' plain means.
        absent: Rows without any number, and the reasons.
        unmeasured: Tasks that nothing was computed for, and the reasons.
    """

    columns: Sequence[RankingColumn]
    rows: Sequence[RankingRow]
    cells: Mapping[tuple[RankingRow, str], RankingCell]
    complete: Sequence[RankingRow]
    mean_rank: Mapping[RankingRow, float]
    means: Mapping[str, Mapping[RankingRow, float]]
    absent: Mapping[RankingRow, Sequence[str]]
    unmeasured: Mapping[str, Sequence[str]]


def rank_models(results: Iterable[Result], superseded: Iterable[Result] = ()) -> RankingTable:
    """Rank the headline results of one setting, category and kind of data.

    Args:
        results: Current results that may be compared.
        superseded: Stale results of the same setting; they only explain empty cells.

    Returns:
        The table. A tie is a 95 % interval that overlaps the best one's. A mean covers only rows that have a number
        for every task, and is never taken across metrics; the mean rank is taken across them, as ranks have no unit
        (Demsar, JMLR 7, 2006, section 3.2.2).
    """
    headline = {(RankingRow.of(r), r.task): r for r in results if r.headline}
    stale = {(RankingRow.of(r), r.task) for r in superseded if r.headline}
    all_rows = sorted({row for row, _ in headline})
    columns = all_columns = columns_of(headline.values())
    cells: dict[tuple[RankingRow, str], RankingCell] = {}
    for column in columns:
        found = {
            row: cell_of(
                headline.get((row, column.task)),
                column.metric,
                missing="only an out-of-date result, listed below" if (row, column.task) in stale else "not run",
            )
            for row in all_rows
        }
        cells |= {(row, column.task): cell for row, cell in _marked(found).items()}

    # A task whose data are not here says nothing of any model: no column of dashes, and no reason to have no means.
    if measured := [
        c for c in columns if any(cells[row, c.task].value or cells[row, c.task].failed for row in all_rows)
    ]:
        columns = measured

    def complete_row(row: RankingRow) -> bool:
        return all(cells[row, column.task].value for column in columns)

    rows = [row for row in all_rows if any(cells[row, column.task].value for column in columns)]
    complete = [row for row in rows if complete_row(row)]
    values = pd.DataFrame(
        {c.task: [_value(cells[row, c.task]) for row in complete] for c in columns}, index=range(len(complete))
    )
    mean_rank = _mean_rank(values, columns, complete)
    return RankingTable(
        columns=columns,
        rows=sorted(rows, key=lambda row: (row not in complete, mean_rank.get(row, 0.0), row)),
        cells=cells,
        complete=complete,
        mean_rank=mean_rank,
        means=_means(values, columns, complete),
        absent={
            row: _reasons(headline[row, c.task] for c in columns if (row, c.task) in headline)
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
    """Return whether a metric and its interval are numbers at all."""
    return all(map(math.isfinite, (value.value, value.low, value.high)))


def cell_of(result: Result | None, metric: str, *, missing: str = "not run") -> RankingCell:
    """Return a metric of a record, or the reason why there is none.

    Args:
        result: The record, if there is one.
        metric: Name of the metric.
        missing: The reason where there is no record.
    """
    if result is None:
        return RankingCell(None, reason=missing)
    if result.status != "ok":
        return RankingCell(
            None, failed=result.status == "failed", reason=result.reason or f"{result.status}, no reason given"
        )
    value = result.metrics.get(metric)
    if value is None:
        return RankingCell(None, failed=True, reason=f"the record has no metric {metric}")
    if not usable(value):
        return RankingCell(None, failed=True, reason=f"{metric} or its interval is not a finite number")
    return RankingCell(value, caveats=tuple(result.caveats))


def _reasons(results: Iterable[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(cell_of(r, r.metric).reason for r in results))


def columns_of(results: Iterable[Result]) -> list[RankingColumn]:
    """Return the tasks of headline results, ordered by family and name."""
    tasks: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        tasks.setdefault((result.family, result.task), []).append(result)
    return [_column(tasks[key]) for key in sorted(tasks)]


def _column(results: Sequence[Result]) -> RankingColumn:
    measured = [r for r in results if r.headline_value]
    first = (measured or results)[0]
    sizes = [r.n["test"] for r in measured if "test" in r.n]
    higher = next((v.higher_is_better for r in measured if (v := r.headline_value)), True)
    span = (min(sizes), max(sizes)) if sizes else (0, 0)
    whole = max((r.n_whole.get("test", 0) for r in measured), default=0)
    return RankingColumn(first.task, first.family, first.metric, first.probe, higher, span, whole)


def _marked(column: Mapping[RankingRow, RankingCell]) -> dict[RankingRow, RankingCell]:
    values = [cell.value for cell in column.values() if cell.value]
    if len(values) < 2:  # nothing to be better than
        return dict(column)
    best = max(v.value for v in values) if values[0].higher_is_better else min(v.value for v in values)
    leaders = [v for v in values if v.value == best]

    def mark(value: MetricValue | None) -> Mark:
        if value is None:
            return Mark.NONE
        if value.value == best:
            return Mark.BEST
        return Mark.TIED if any(v.low <= value.high and value.low <= v.high for v in leaders) else Mark.NONE

    return {row: replace(cell, mark=mark(cell.value)) for row, cell in column.items()}


def _value(cell: RankingCell) -> float:
    return cell.value.value if cell.value else math.nan


def _mean_rank(
    values: pd.DataFrame, columns: Sequence[RankingColumn], complete: Sequence[RankingRow]
) -> dict[RankingRow, float]:
    if len(complete) < 2 or len(columns) < 2:
        return {}
    ranks = pd.DataFrame({c.task: values[c.task].rank(ascending=not c.higher_is_better) for c in columns})
    return dict(zip(complete, ranks.mean(axis=1).tolist(), strict=True))


def _means(
    values: pd.DataFrame, columns: Sequence[RankingColumn], complete: Sequence[RankingRow]
) -> dict[str, dict[RankingRow, float]]:
    tasks: dict[str, list[str]] = {}
    for column in columns:
        tasks.setdefault(column.metric, []).append(column.task)
    return {
        metric: dict(zip(complete, values[names].mean(axis=1).tolist(), strict=True))
        for metric, names in sorted(tasks.items())
        if len(names) > 1 and complete
    }
