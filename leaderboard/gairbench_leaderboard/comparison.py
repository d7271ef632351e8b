"""Compare models with one of them, task by task, over all seeds: means, intervals, paired tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gairbench.errors import DataError, UsageError
from gairbench.results import Result
from gairbench_leaderboard.comparable import Setting, Stale, split_stale
from gairbench_leaderboard.layout import topics
from gairbench_leaderboard.ranking import SIGNIFICANT as SIGNIFICANT
from gairbench_leaderboard.ranking import RankingColumn, RankingRow, columns_of, usable
from gairbench_leaderboard.uncertainty import Estimate, Runs, difference, holm, mean, runs_of

Verdict = Literal["better", "worse", "undecided"]

_UNPAIRED = "the record does not hold its metric without each unit of the test samples: run it again, or test on more"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A model's difference to the reference on one task.

    Args:
        estimate: The model's metric minus the reference's, in the metric's unit; its ``p`` is of this test alone.
        adjusted_p: Adjusted for all tests of the table.
        verdict: Whether the model is better than the reference, by ``adjusted_p`` and the metric's direction.
        seeds: How many of the model and of the reference; with one, that side's variance over seeds is unknown.
    """

    estimate: Estimate
    adjusted_p: float
    verdict: Verdict
    seeds: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table.

    Args:
        title: Category and kind of data.
        synthetic: Its inputs or targets are rendered or simulated.
        diagnostic: Its tasks explain models rather than rank them.
        reference: What the others are compared with.
        rows: The reference first, if it has a number here, then the others by name.
        columns: Tasks.
        runs: What was measured, for the cells that have a number.
        contrasts: For the cells of all rows but the reference, where both have a number.
        caveats: Why a cell's number does not show what the model can, for the cells that have a number.
    """

    title: str
    synthetic: bool
    diagnostic: bool
    reference: RankingRow
    rows: Sequence[RankingRow]
    columns: Sequence[RankingColumn]
    runs: Mapping[tuple[RankingRow, str], Runs]
    contrasts: Mapping[tuple[RankingRow, str], Contrast]
    caveats: Mapping[tuple[RankingRow, str], tuple[str, ...]]

    def mean(self, row: RankingRow, task: str) -> Estimate | None:
        """Return a cell's mean over seeds, or ``None`` where there is no number."""
        runs = self.runs.get((row, task))
        return None if runs is None else mean(runs)


@dataclass(frozen=True, slots=True)
class Selected:
    """What of a results folder can be compared.

    Args:
        measured: Headline results of whole runs with a number.
        left_out: Headline results of whole runs that newer ones supersede, or that failed, and why.
    """

    measured: Sequence[Result]
    left_out: Sequence[Stale]


def select_comparable(results: Iterable[Result]) -> Selected:
    """Choose what can be compared: whole runs alone, no secondary probes, no skips, and numbers that can be paired."""
    current, superseded = split_stale([r for r in results if Setting.of(r).whole and r.headline])
    measured: list[Result] = []
    left_out = [stale for stale in superseded if stale.result.status == "ok"]
    for result in current:
        value = result.headline_value
        number = result.status == "ok" and value is not None and usable(value)
        if number and result.jackknife:
            measured.append(result)
        elif result.status != "skipped":
            why = _UNPAIRED if number else "its headline metric is not a finite number"
            left_out.append(Stale(result, result.reason or why))
    return Selected(measured, left_out)


def compare_models(results: Iterable[Result], reference: str) -> list[Comparison]:
    """Compare all models of a results folder with one of them by their headline metrics, from the records alone.

    Args:
        results: Records; :func:`select_comparable` says which take part.
        reference: A model's name, or a row's (``gair (small)``) where the model has several.

    Returns:
        One comparison a category, real and synthetic data apart, then the diagnostic ones. Within a table p-values are
        adjusted together (Holm): it makes as many claims as it has contrasts.

    Raises:
        UsageError: There is nothing to compare, or the reference is not among it.
        DataError: Two models were tested on different samples.
    """
    measured = select_comparable(results).measured
    rows = sorted({RankingRow.of(r) for r in measured})
    if len(rows) < 2:
        raise UsageError(
            f"there are results of whole splits for {len(rows)} model{'s' * (len(rows) != 1)}: nothing to compare",
            "run two or more into one folder, without --limit, --labels, --split, --readout and --covered-by",
        )
    chosen = _reference(reference, rows)
    runs = _runs(measured)
    made = []
    for diagnostic in (False, True):
        for topic, title in topics(r for r in measured if r.diagnostic is diagnostic):
            group = [r for r in measured if r.diagnostic is diagnostic and (r.category, r.synthetic) == topic]
            made.append(_table(title, group, rows, chosen, runs))
    return made


def _reference(name: str, rows: Sequence[RankingRow]) -> RankingRow:
    found = [row for row in rows if str(row) == name] or [row for row in rows if row.model == name]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(map(repr, map(str, found or rows)))
    if found:
        raise UsageError(f"model {name!r} has several rows", f"choose one with --reference: {listed}")
    raise UsageError(f"there is no {name!r} to compare with", f"choose with --reference among {listed}")


def _runs(measured: Sequence[Result]) -> dict[tuple[RankingRow, str], Runs]:
    cells: defaultdict[tuple[RankingRow, str], list[Result]] = defaultdict(list)
    first: dict[str, Result] = {}
    for result in measured:
        same = first.setdefault(result.task, result)
        if result.samples != same.samples:
            raise DataError(
                f"{result.path(Path())} was tested on other samples of {result.task} than {same.path(Path())}",
                "run them again on the same data",
            )
        cells[RankingRow.of(result), result.task].append(result)
    return {cell: runs_of(group) for cell, group in cells.items()}


def _table(
    title: str,
    group: Sequence[Result],
    rows: Sequence[RankingRow],
    reference: RankingRow,
    runs: Mapping[tuple[RankingRow, str], Runs],
) -> Comparison:
    columns = columns_of(group)
    present = [row for row in rows if any((row, c.task) in runs for c in columns)]
    others = [row for row in present if row != reference]
    found = {
        (row, c.task): difference(runs[row, c.task], runs[reference, c.task])
        for c in columns
        for row in others
        if (row, c.task) in runs and (reference, c.task) in runs
    }
    direction = {c.task: 1 if c.higher_is_better else -1 for c in columns}
    contrasts = {
        (row, task): Contrast(
            estimate,
            adjusted,
            _verdict(estimate.value * direction[task], adjusted),
            (len(runs[row, task].seeds), len(runs[reference, task].seeds)),
        )
        for ((row, task), estimate), adjusted in zip(
            found.items(), holm([estimate.p for estimate in found.values()]), strict=True
        )
    }
    caveats: defaultdict[tuple[RankingRow, str], dict[str, None]] = defaultdict(dict)
    for result in sorted(group, key=lambda r: r.seed):
        caveats[RankingRow.of(result), result.task] |= dict.fromkeys(result.caveats)
    return Comparison(
        title=title,
        synthetic=group[0].synthetic,
        diagnostic=group[0].diagnostic,
        reference=reference,
        rows=[*(row for row in present if row == reference), *others],
        columns=columns,
        runs={cell: r for cell, r in runs.items() if cell[1] in direction},
        contrasts=contrasts,
        caveats={cell: tuple(found_there) for cell, found_there in caveats.items()},
    )


def _verdict(gain: float, adjusted_p: float) -> Verdict:
    # Written this way round, NaN as a p-value decides nothing.
    if not adjusted_p < SIGNIFICANT:
        return "undecided"
    return "better" if gain > 0 else "worse"
