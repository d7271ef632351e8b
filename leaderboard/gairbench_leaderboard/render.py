"""Publish result records as Markdown and CSV; the same records always give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tabulate import tabulate

from gairbench.errors import UsageError
from gairbench.results import Result
from gairbench.spec import Category
from gairbench.storage import write_atomically
from gairbench_leaderboard import numbers
from gairbench_leaderboard.export import to_csv
from gairbench_leaderboard.ranking import Cell, Column, Mark, Row, Table, cell_of, rank, usable
from gairbench_leaderboard.selection import Setting, Stale, by_setting, split_stale

MARKDOWN, CSV = "LEADERBOARD.md", "leaderboard.csv"

WIDEST = 8
"""Columns of numbers that one table may have; more are split, tasks of one family together."""

FEW = 30
"""Test samples below which percentile bootstrap intervals are clearly too narrow (Hesterberg, Am. Stat. 69, 2015)."""

_TITLES = {
    Category.RS: "Remote sensing",
    Category.SV: "Street view",
    Category.LOCATION: "Location",
    Category.CROSS_MODAL: "Cross-modal",
}

_LEGEND = """\
Every model is frozen, and the same probe is fitted on the embeddings of each. ↑ more is better, ↓ less is. Numbers are
on the test split, with a 95 % bootstrap interval: `± half width`, or `[low, high]` in columns where one is lopsided.
**Bold**: best of the column. †: its interval overlaps the best's, so the order of the two is not settled (a cautious
criterion: it ignores that both models saw the same samples). Every dash has its reason below the table. Real data and
rendered or simulated data are never in one table."""

_MEANS = """\
Means: only rows with a number for every task of the table. A metric is averaged only with itself. Ranks have no unit
and are averaged over all tasks (place among those rows, 1 is best, equal values share it). Means have no interval, so
none is marked."""

_SYNTHETIC = (
    "Inputs or targets are rendered or simulated: these numbers compare models on that simulation and say nothing about"
    " real photos."
)

_LIMITED = """\
> [!WARNING]
> Trial runs on part of the data (`--limit`). Not comparable with anything above."""


def render(results: Sequence[Result], *, commands: Sequence[str] = ()) -> str:
    """Render every result as one Markdown document without times or dates.

    Args:
        results: Records, as :func:`gairbench.results.load_all` yields them.
        commands: Command lines to print; empty: those in the records.

    Returns:
        The document: one table a category, real and synthetic data apart; other seeds and limited runs in sections of
        their own; overtaken results listed last; then tasks, models, commands and versions.

    Raises:
        UsageError: There are no results.
    """
    if not results:
        raise UsageError(
            "there are no results to publish", "run 'gairbench run' first, or name a folder with --results"
        )
    results = sorted(results, key=lambda r: (r.task, r.probe, r.model, r.variant))
    current, stale = split_stale(results)
    parts = ["# Leaderboard", _LEGEND]
    settings = by_setting(current)
    published = next(iter(settings), None)
    for setting, everything in settings.items():
        group = [result for result in everything if not result.diagnostic]
        # The published seed needs no heading of its own; everything else is set apart by one.
        main = setting == published and setting.limit is None
        if not main:
            parts += _setting_heading(setting)
        overtaken = [s.result for s in stale if Setting(s.result.limit, s.result.seed) == setting]
        parts += _categories(group, overtaken, level="##" if main else "###")
        parts += _diagnostics([r for r in everything if r.diagnostic], level="##" if main else "###")
    parts += _stale_section(stale)
    parts += ["## Tasks", _tasks(current), "## Models", _models(current)]
    parts += ["## How to regenerate", *_provenance(results, commands)]
    return "\n\n".join(parts) + "\n"


def _diagnostics(results: Sequence[Result], level: str) -> list[str]:
    """Return the table of tasks that explain models and rank none."""
    found = [(r, value) for r in results if r.headline and (value := r.headline_value) is not None]
    if not found:
        return []
    cells = {(r.task, Row.of(r)): numbers.with_interval(value, symmetric=False) for r, value in found}
    metrics = {r.task: f"{escape(r.metric)} {_arrow(value.higher_is_better)}" for r, value in found}
    rows = sorted({row for _, row in cells})
    body = [[escape(task), metrics[task], *(cells.get((task, row), "") for row in rows)] for task in sorted(metrics)]
    return [
        f"{level} Diagnostics, not ranked",
        _markdown(["Task", "Metric", *(escape(str(row)) for row in rows)], body),
    ]


def write(results: Sequence[Result], out: Path, *, commands: Sequence[str] = ()) -> tuple[Path, Path]:
    """Write ``LEADERBOARD.md`` and ``leaderboard.csv``.

    Args:
        results: Records.
        out: Folder; made if missing.
        commands: Command lines to print; empty: those in the records.

    Returns:
        The two files.

    Raises:
        UsageError: There are no results.
        StorageError: The folder cannot be written.
    """
    contents = _contents(results, commands)
    for name, content in contents.items():
        write_atomically(out / name, content)
    return out / MARKDOWN, out / CSV


def check(results: Sequence[Result], out: Path, *, commands: Sequence[str] = ()) -> tuple[Path, ...]:
    """Tell which published files are missing or not what the results would give now.

    Args:
        results: Records.
        out: Folder that :func:`write` wrote to.
        commands: As given to :func:`write`.

    Returns:
        The outdated files; none if the leaderboard is current.

    Raises:
        UsageError: There are no results.
    """
    contents = _contents(results, commands)
    paths = {out / name: content for name, content in contents.items()}
    return tuple(path for path, content in paths.items() if not path.is_file() or path.read_bytes() != content)


def _contents(results: Sequence[Result], commands: Sequence[str]) -> dict[str, bytes]:
    return {MARKDOWN: render(results, commands=commands).encode(), CSV: to_csv(results).encode()}


def _setting_heading(setting: Setting) -> list[str]:
    if setting.limit is None:
        return [f"## Seed {setting.seed}"]
    return [f"## Trial: at most {setting.limit:,} samples a split, seed {setting.seed}", _LIMITED]


def _categories(results: Sequence[Result], overtaken: Sequence[Result], level: str) -> list[str]:
    parts: list[str] = []
    known = {str(category): title for category, title in _TITLES.items()}
    order = [*known, *sorted({r.category for r in results} - known.keys())]
    for category in order:
        for synthetic in (False, True):
            group = [r for r in results if r.category == category and r.synthetic == synthetic]
            old = [r for r in overtaken if r.category == category and r.synthetic == synthetic]
            if any(r.headline for r in group):
                title = f"{known.get(category, category)}, {'synthetic' if synthetic else 'real'} data"
                parts += [f"{level} {title}", *([_SYNTHETIC] if synthetic else []), *_ranking(group, old)]
    return parts


def _ranking(results: Sequence[Result], overtaken: Sequence[Result]) -> list[str]:
    table = rank(results, overtaken)
    notes = _Notes()
    parts = []
    if table.rows:
        for number, columns in enumerate(_chunks(table.columns)):
            parts.append(_main_table(table, columns, notes, with_means=number == 0))
        parts += notes.lines()
        if table.mean_rank or table.means:
            parts.append(_MEANS)
        uneven = [c.task for c in table.columns if c.n[0] != c.n[1]]
        if uneven:
            parts.append(
                f"Not the same test samples for every row, compare with care: {_names(uneven)}."
                " The records say what was left out."
            )
        few = [c.task for c in table.columns if 0 < c.n[0] < FEW]
        if few:
            parts.append(f"Fewer than {FEW} test samples, so that the interval itself is a guess: {_names(few)}.")
    if table.absent:
        lines = [f"- {escape(str(row))}: {escape('; '.join(reasons))}" for row, reasons in table.absent.items()]
        parts.append("Without a number here:\n\n" + "\n".join(lines))
    if table.rows and (more := _secondary(results, table.rows)):
        parts.append(f"<details><summary>Other probes and metrics, not ranked</summary>\n\n{more}\n\n</details>")
    return parts


def _main_table(table: Table, columns: Sequence[Column], notes: _Notes, *, with_means: bool) -> str:
    headers = ["Model"]
    body: list[list[str]] = [[escape(str(row)) for row in table.rows]]
    if with_means and table.mean_rank:
        headers.append(f"mean rank ↓<br>of {len(table.complete)} rows")
        body.append([f"{table.mean_rank[row]:.2f}" if row in table.mean_rank else "" for row in table.rows])
    for metric, means in table.means.items() if with_means else ():
        tasks = [c for c in table.columns if c.metric == metric]
        headers.append(f"mean {escape(metric)} {_arrow(tasks[0].higher_is_better)}<br>over {len(tasks)} tasks")
        body.append([numbers.number(means[row]) if row in means else "" for row in table.rows])
    notes.announce(table.cells[row, column.task] for row in table.rows for column in columns)
    for column in columns:
        headers.append(_header(column))
        cells = [table.cells[row, column.task] for row in table.rows]
        body.append(_texts(cells, notes))
    return _markdown(headers, zip(*body, strict=True))


def _header(column: Column) -> str:
    low, high = column.n
    n = f"<br>n = {low:,}" if low == high else f"<br>n = {low:,} to {high:,}"
    return f"{escape(column.task)}<br>{escape(column.metric)} {_arrow(column.higher_is_better)}{n if high else ''}"


def _arrow(higher_is_better: bool) -> str:
    return "↑" if higher_is_better else "↓"


def _texts(cells: Sequence[Cell], notes: _Notes) -> list[str]:
    texts = numbers.column([cell.value for cell in cells])
    return [_text(cell, text, notes) for cell, text in zip(cells, texts, strict=True)]


def _text(cell: Cell, text: str, notes: _Notes) -> str:
    if cell.value is None:
        return f"{'failed' if cell.failed else '—'}{numbers.NBSP}{notes.number(cell.reason)}"
    if cell.mark is Mark.BEST:
        return f"**{text}**"
    return f"{text}{numbers.NBSP}†" if cell.mark is Mark.TIED else text


def _chunks(columns: Sequence[Column]) -> list[list[Column]]:
    """Split columns into tables of bearable width, keeping families together where they fit."""
    families: dict[str, list[Column]] = {}
    for column in columns:
        families.setdefault(column.family, []).append(column)
    chunks: list[list[Column]] = [[]]
    for family in families.values():
        if chunks[-1] and len(chunks[-1]) + len(family) > WIDEST:
            chunks.append([])
        for column in family:
            if len(chunks[-1]) == WIDEST:
                chunks.append([])
            chunks[-1].append(column)
    return chunks


class _Notes:
    """Numbered reasons below one table; equal ones share a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def announce(self, cells: Iterable[Cell]) -> None:
        """Give reasons their numbers in the order of reading, though tables are built column by column."""
        for cell in cells:
            if cell.value is None:
                self.number(cell.reason)

    def number(self, reason: str) -> str:
        return f"[{self._numbers.setdefault(reason, len(self._numbers) + 1)}]"

    def lines(self) -> list[str]:
        if not self._numbers:
            return []
        # Written as [1] and not as a Markdown footnote: those all end up at the foot of the page.
        return ["\n".join(f"- [{number}] {escape(reason)}" for reason, number in self._numbers.items())]


def _secondary(results: Sequence[Result], rows: Sequence[Row]) -> str:
    """Tabulate what the ranking does not show; lines are task, probe and metric, columns the ranking's rows."""
    records = {(r.task, r.probe, Row.of(r)): r for r in results}
    lines = sorted(
        {
            (r.task, r.probe, metric, value.higher_is_better)
            for r in results
            for metric, value in r.metrics.items()
            if not (r.headline and metric == r.metric)
        }
    )
    if not lines:
        return ""
    parts = []
    notes = _Notes()
    for start in range(0, len(rows), WIDEST):
        shown = rows[start : start + WIDEST]
        columns = [
            [escape(task) for task, *_ in lines],
            [escape(probe) for _, probe, *_ in lines],
            [f"{escape(metric)} {_arrow(higher)}" for *_, metric, higher in lines],
        ]
        cells = [
            [cell_of(records.get((task, probe, row)), metric) for row in shown] for task, probe, metric, _ in lines
        ]
        notes.announce(cell for line in cells for cell in line)
        columns += [_texts(column, notes) for column in zip(*cells, strict=True)]
        headers = ["Task", "Probe", "Metric", *(escape(str(row)) for row in shown)]
        parts.append(_markdown(headers, zip(*columns, strict=True), text_columns=3))
    return "\n\n".join([*parts, *notes.lines()])


def _stale_section(stale: Sequence[Stale]) -> list[str]:
    if not stale:
        return []
    headers = ["Model", "Task", "Probe", "Value", "Out of date because"]
    body = [
        [
            escape(f"{Row.of(s.result)}, seed {s.result.seed}"),
            escape(s.result.task),
            escape(s.result.probe),
            _plain(s.result),
            escape(s.why),
        ]
        for s in stale
    ]
    return [
        "## Out of date",
        "Left out of every table above; running them again mends it.",
        _markdown(headers, body, text_columns=len(headers)),
    ]


def _plain(result: Result) -> str:
    value = result.headline_value
    if result.status != "ok" or value is None or not usable(value):
        return result.status
    return f"{escape(result.metric)} {numbers.with_interval(value, symmetric=numbers.is_symmetric(value))}"


def _tasks(results: Sequence[Result]) -> str:
    headers = ["Task", "Family", "Kind", "Data", "Dataset", "Fingerprint", "Probes", "Train / val / test"]
    tasks: dict[str, list[Result]] = {}
    for result in results:
        tasks.setdefault(result.task, []).append(result)
    body = []
    for task, group in sorted(tasks.items()):
        first = group[0]
        full = [r for r in group if r.status == "ok" and r.limit is None]
        probes = {(not r.headline, f"{r.probe} {r.probe_version}") for r in group}
        body.append(
            [
                escape(f"{task} {first.task_version}"),
                escape(first.family),
                first.kind,
                "synthetic" if first.synthetic else "real",
                escape(f"{first.dataset} {first.dataset_version}"),
                _joined(r.dataset_fingerprint[:12] for r in group if r.status == "ok"),
                ", ".join(escape(probe) for _, probe in sorted(probes)),
                _joined(" / ".join(f"{r.n[s]:,}" for s in ("train", "val", "test") if s in r.n) for r in full),
            ]
        )
    note = "The number after a name is its version: results of different versions never share a table."
    return f"{_markdown(headers, body, text_columns=len(headers))}\n\n{note}"


def _models(results: Sequence[Result]) -> str:
    headers = ["Model", "Version", "Seed", "Origin", "Weights", "SHA-256", "Embedding widths"]
    rows: dict[tuple[Row, int], list[Result]] = {}
    for result in results:
        rows.setdefault((Row.of(result), result.seed), []).append(result)
    body = []
    for (row, seed), group in sorted(rows.items()):
        ok = [r for r in group if r.status == "ok"]
        body.append(
            [
                escape(str(row)),
                _joined(r.model_version for r in group),
                str(seed),
                _joined(r.model_origin for r in group),
                _joined(_short(r.checkpoint) for r in ok),
                _joined(r.weights[:12] for r in ok),
                ", ".join(str(d) for d in sorted({r.embedding_dim for r in ok if r.embedding_dim is not None})),
            ]
        )
    return _markdown(headers, body, text_columns=len(headers))


def _short(checkpoint: str) -> str:
    kind, colon, digest = checkpoint.partition(":")
    return f"{kind}{colon}{digest[:12]}"


def _provenance(results: Sequence[Result], commands: Sequence[str]) -> list[str]:
    lines = list(commands) or sorted({r.command for r in results if r.command})
    parts = ["```console\n" + "\n".join(f"$ {' '.join(line.split())}" for line in lines) + "\n```"] if lines else []
    measured = [r for r in results if r.status == "ok"]
    versions: dict[str, set[str]] = {}
    for result in measured:
        for package, version in result.environment.items():
            # Records also name what no package is, as a task file is the origin of its tasks.
            if version != "not installed":
                versions.setdefault(package, set()).add(version)
    devices = {r.device for r in measured if r.device}
    body = [[escape(name), escape(", ".join(sorted(found)))] for name, found in sorted(versions.items())]
    if devices:
        body.append(["embeddings computed on", escape(", ".join(sorted(devices)))])
    if body:
        parts.append(_markdown(["Package", "Version"], body, text_columns=2))
    return parts


def _joined(texts: Iterable[str]) -> str:
    return escape(", ".join(sorted({text for text in texts if text})))


def _names(names: Iterable[str]) -> str:
    return ", ".join(escape(name) for name in names)


_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown would take for markup; an underscore inside a word is none."""


def escape(text: str) -> str:
    """Make free text safe inside a Markdown table cell or list: one line, no markup."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;").replace(">", "&gt;")


def _markdown(headers: Sequence[str], body: Iterable[Sequence[str]], *, text_columns: int = 1) -> str:
    """Tabulate ready-made strings: the first columns to the left, numbers to the right."""
    align = ["left" if i < text_columns else "right" for i in range(len(headers))]
    return tabulate(
        [list(row) for row in body], headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True
    )
