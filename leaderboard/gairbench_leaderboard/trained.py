"""Numbers of models that were trained on the task: a table beside the ranking, never in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gairbench.backbone import TRAINED
from gairbench.results import Result
from gairbench_leaderboard.ranking import RankingCell, RankingColumn, RankingRow, cell_of, columns_of


@dataclass(frozen=True, slots=True)
class TrainedTable:
    """Trained models by task.

    Args:
        columns: Tasks that a row has a number for, or failed at, ordered by family and name.
        rows: Models, each with the evaluator that trained it, by name.
        cells: For every row and column.
    """

    columns: Sequence[RankingColumn]
    rows: Sequence[tuple[RankingRow, str]]
    cells: Mapping[tuple[tuple[RankingRow, str], str], RankingCell]


def was_trained(result: Result) -> bool:
    """Whether a record is of a model that was trained on the task, by an evaluator that its task does not rank by."""
    return TRAINED in result.caveats and not result.headline


def trained_models(results: Iterable[Result]) -> TrainedTable:
    """Arrange what was trained on the task, of the records of one setting, category and kind of data.

    Args:
        results: Current results that may be compared.

    Returns:
        The table; without rows where nothing was trained.
    """
    # What is skipped says nothing that the ranking's own skips do not.
    tried = [result for result in results if was_trained(result) and result.status != "skipped"]
    columns = columns_of(tried)
    records: dict[tuple[tuple[RankingRow, str], str], list[Result]] = {}
    for result in tried:
        records.setdefault(((RankingRow.of(result), result.probe), result.task), []).append(result)
    rows = sorted({row for row, _ in records})
    return TrainedTable(
        columns=columns,
        rows=rows,
        cells={
            (row, column.task): cell_of(records.get((row, column.task), ()), column.metric)
            for row in rows
            for column in columns
        },
    )
