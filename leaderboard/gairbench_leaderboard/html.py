"""Result records as HTML tables, for notebooks."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from html import escape
from typing import TypeVar

from gairbench.results import Result
from gairbench_leaderboard import numbers
from gairbench_leaderboard.comparable import Setting, by_setting
from gairbench_leaderboard.layout import TRIVIAL, UNMEASURED, test_size, topics, unmeasured_tasks
from gairbench_leaderboard.markdown import arrow
from gairbench_leaderboard.ranking import Mark, RankingCell, RankingColumn, RankingTable, rank_models
from gairbench_leaderboard.trained import TrainedTable, trained_models, was_trained


def render_tables(results: Sequence[Result]) -> str:
    """Render the headline numbers of some records: one table for every setting, category and kind of data.

    Args:
        results: Records of one run.

    Returns:
        HTML without scripts or styles from elsewhere; whatever a record holds is escaped. Numbers are means over seeds.
        The best value of a column is bold, ``†`` marks those that are not shown to be worse, columns with too few test
        samples are grey, and cells without a number show their reason.
    """
    settings = by_setting([r for r in results if r.headline or (was_trained(r) and r.status != "skipped")])
    parts = []
    for setting, group in settings.items():
        for topic, title in topics(group):
            shown = [r for r in group if (r.category, r.synthetic) == topic]
            parts.append(f"<h4>{escape(_title(title, setting))}</h4>")
            if ranked := [result for result in shown if result.headline]:
                parts.append(_table(rank_models(ranked)))
            if (trained := trained_models(shown)).rows:
                parts.append(_trained(trained))
    return "\n".join(parts)


def _title(title: str, setting: Setting) -> str:
    limit = f", at most {setting.limit:,} samples a split" if setting.limit is not None else ""
    labels = f", labels {setting.labels}" if setting.labels != "all" else ""
    split = f", split {setting.split}" if setting.split != "published" else ""
    readout = f", readout {setting.readout}" if setting.readout != "default" else ""
    covered = f", samples covered by {setting.covered_by}" if setting.covered_by else ""
    selection = f", selection {setting.selection}" if setting.selection != "cv" else ""
    return f"{title}{limit}{covered}{split}{readout}{selection}{labels}"


def _table(table: RankingTable) -> str:
    seeds = {row: max((len(table.cells[row, c.task].seeds) for c in table.columns), default=0) for row in table.rows}
    several = max(seeds.values(), default=0) > 1
    rows = {row: [str(row), *([str(seeds.get(row, 0))] * several)] for row in [*table.rows, *table.absent]}
    shown = _grid(["model", *(["seeds"] * several)], rows, table.columns, table.cells, trivial=True)
    if not table.unmeasured:
        return shown
    lines = (f"<li>{escape(', '.join(tasks))}: {escape(reason)}</li>" for tasks, reason in unmeasured_tasks(table))
    return f"{shown}\n<p>{UNMEASURED}:</p>\n<ul>\n" + "\n".join(lines) + "\n</ul>"


def _trained(table: TrainedTable) -> str:
    rows = {row: [str(row[0]), row[1]] for row in table.rows}
    shown = _grid(["model", "trained by"], rows, table.columns, table.cells)
    return f"<p>Trained on the task, not ranked:</p>\n{shown}"


Row = TypeVar("Row", bound=Hashable)


def _grid(
    names: Sequence[str],
    rows: Mapping[Row, Sequence[str]],
    columns: Sequence[RankingColumn],
    cells: Mapping[tuple[Row, str], RankingCell],
    *,
    trivial: bool = False,
) -> str:
    """Return a table with the words of each row in its first columns, and a column a task; last the trivial row."""
    texts = {
        (row, column.task): text
        for column in columns
        for row, text in zip(rows, numbers.column([cells[row, column.task].value for row in rows]), strict=True)
    }
    head = _row("th", [*names, *map(_header, columns)])
    body = [
        "<tr>"
        + "".join(f"<th>{escape(word)}</th>" for word in words)
        + "".join(_cell(cells[row, c.task], texts[row, c.task], grey=bool(c.too_few)) for c in columns)
        + "</tr>"
        for row, words in rows.items()
    ]
    if trivial and any(column.trivial is not None for column in columns):
        levels = ("" if c.trivial is None else _grey(numbers.number(c.trivial), c.too_few) for c in columns)
        blank = "<th></th>" * (len(names) - 1)
        body.append(f"<tr><th>{TRIVIAL}</th>{blank}{''.join(f'<td>{level}</td>' for level in levels)}</tr>")
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n" + "\n".join(body) + "\n</tbody>\n</table>"


def _header(column: RankingColumn) -> str:
    part = f", {test_size(column)}" if column.n_whole or column.groups[1] else ""
    return f"{column.task} ({column.metric} {arrow(column.higher_is_better)}{part})"


def _row(tag: str, texts: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"


def _grey(text: str, few: object) -> str:
    return f'<span style="color:gray">{text}</span>' if few else text


def _cell(cell: RankingCell, text: str, *, grey: bool) -> str:
    if cell.value is None:
        word = "failed" if cell.failed else "skipped"
        return f'<td title="{escape(cell.reason)}">{word}: {escape(cell.reason)}</td>'
    shown = f"<b>{escape(text)}</b>" if cell.mark is Mark.BEST else escape(text)
    caveats = "".join(f" ({escape(caveat)})" for caveat in cell.caveats)
    shown = _grey(shown, grey)
    return f"<td>{shown}{' †' if cell.mark is Mark.TIED else ''}{caveats}</td>"
