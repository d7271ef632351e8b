"""Publish result records as Markdown and CSV; the same records always give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gairbench.errors import UsageError
from gairbench.results import Result
from gairbench.storage import write_atomically
from gairbench_leaderboard import numbers
from gairbench_leaderboard.comparable import Setting, Stale, by_setting, split_stale
from gairbench_leaderboard.export import leaderboard_csv
from gairbench_leaderboard.layout import (
    FROZEN,
    SYNTHETIC,
    UNMEASURED,
    WIDEST,
    chunks,
    column_header,
    frozen_or_trained,
    topics,
    unmeasured_tasks,
)
from gairbench_leaderboard.markdown import arrow, escape, folded, joined_names, joined_texts, pipe_table
from gairbench_leaderboard.notes import Notes
from gairbench_leaderboard.provenance import provenance
from gairbench_leaderboard.ranking import (
    Mark,
    RankingCell,
    RankingColumn,
    RankingRow,
    RankingTable,
    cell_of,
    rank_models,
    usable,
)
from gairbench_leaderboard.trained import TrainedTable, trained_models, was_trained

MARKDOWN, CSV = "LEADERBOARD.md", "leaderboard.csv"

FEW = 30
"""Test samples below which percentile bootstrap intervals are clearly too narrow (Hesterberg, Am. Stat. 69, 2015)."""

_LEGEND = f"""\
{FROZEN} and the same probe is fitted on the embeddings of each. ↑ more is better, ↓ less is. Numbers are
on the test split, with a 95 % bootstrap interval: `± half width`, or `[low, high]` in columns where one is lopsided.
**Bold**: best of the column. †: its interval overlaps the best's, so the order of the two is not settled (a cautious
criterion: it ignores that both models saw the same samples). Every dash has its reason below the table, and so has a
number that does not show what its model can, for instance with images of another ground sample distance than it was
trained with. Real data and rendered or simulated data are never in one table."""

_MEANS = """\
Means: only rows with a number for every task of the table. A metric is averaged only with itself. Ranks have no unit
and are averaged over all tasks (place among those rows, 1 is best, equal values share it). Means have no interval, so
none is marked."""

_TRAINED = """\
**Trained on the task, not ranked.** These models were not frozen: the evaluator trained the model itself on the task's
train split, and val selected. They show what the task gives without frozen embeddings, and stand in no rank or mean."""

_LIMITED = """\
> [!WARNING]
> Trial runs on part of the data (`--limit`). Not comparable with anything above."""

_PART = """\
Probes learned from this part of train's labels (`--labels`), drawn by the seed, smaller parts within larger ones; val
and test are whole."""

_READOUT = """\
Every model is read out with this pooling and these layers (`--readout`), where it offers them."""

_SELECTED = """\
Hyper-parameters were chosen on the published val split, with a fit on train alone (`--selection val`)."""

_COVERED = """\
All models, those that encode every sample as well, learned from and were tested on the samples alone that this model of
existing embeddings has (`--covered-by`); columns name how many of all test samples these are. Not comparable with
numbers over all samples."""

_DIVIDED = """\
The samples of train, val and test were divided anew by this split policy (`--split`), drawn by the seed. Intervals are
over single test samples: where whole blocks or groups were drawn, whose samples are alike, they are too narrow."""


def render_leaderboard(results: Sequence[Result], *, commands: Sequence[str] = ()) -> str:
    """Render every result as one Markdown document without times or dates.

    Args:
        results: Records, as :func:`gairbench.results.read_results` yields them.
        commands: Command lines to print; empty: those in the records.

    Returns:
        The document: one table a category, real and synthetic data apart; other seeds, readouts and limited runs in
        sections of their own; superseded results listed last; then tasks, models, commands and versions.

    Raises:
        UsageError: There are no results.
    """
    if not results:
        raise UsageError(
            "there are no results to publish", "run 'gairbench run' first, or name a folder with --results"
        )
    results = sorted(results, key=lambda r: (r.task, r.probe, r.model, r.variant))
    current, stale = split_stale(results)
    parts = ["# Leaderboard", frozen_or_trained(_LEGEND, (result.caveats for result in results))]
    settings = by_setting(current)
    published = next(iter(settings), None)
    for setting, everything in settings.items():
        group = [result for result in everything if not result.diagnostic]
        # The published seed needs no heading of its own; everything else is set apart by one.
        main = setting == published and setting.whole
        if not main:
            parts += _setting_heading(setting)
        superseded = [s.result for s in stale if Setting.of(s.result) == setting]
        parts += _categories(group, superseded, level="##" if main else "###")
        parts += _diagnostics([r for r in everything if r.diagnostic], level="##" if main else "###")
    parts += _stale_section(stale)
    parts += ["## Tasks", _tasks(current), "## Models", _models(current)]
    parts += ["## How to regenerate", *provenance(results, commands)]
    return "\n\n".join(parts) + "\n"


def _diagnostics(results: Sequence[Result], level: str) -> list[str]:
    """Return the table of tasks that explain models and rank none."""
    found = [(r, value) for r in results if r.headline and (value := r.headline_value) is not None]
    if not found:
        return []
    cells = {(r.task, RankingRow.of(r)): numbers.with_interval(value, symmetric=False) for r, value in found}
    metrics = {r.task: f"{escape(r.metric)} {arrow(value.higher_is_better)}" for r, value in found}
    rows = sorted({row for _, row in cells})
    body = [[escape(task), metrics[task], *(cells.get((task, row), "") for row in rows)] for task in sorted(metrics)]
    return [
        f"{level} Diagnostics, not ranked",
        pipe_table(["Task", "Metric", *(escape(str(row)) for row in rows)], body),
    ]


def write_leaderboard(results: Sequence[Result], out: Path, *, commands: Sequence[str] = ()) -> tuple[Path, Path]:
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


def outdated_files(results: Sequence[Result], out: Path, *, commands: Sequence[str] = ()) -> tuple[Path, ...]:
    """Return which published files are missing or differ from what the results give now.

    Args:
        results: Records.
        out: Folder that :func:`write_leaderboard` wrote to.
        commands: As given to :func:`write_leaderboard`.

    Returns:
        The outdated files; none if the leaderboard is current.

    Raises:
        UsageError: There are no results.
    """
    contents = _contents(results, commands)
    paths = {out / name: content for name, content in contents.items()}
    return tuple(path for path, content in paths.items() if not path.is_file() or path.read_bytes() != content)


def _contents(results: Sequence[Result], commands: Sequence[str]) -> dict[str, bytes]:
    return {MARKDOWN: render_leaderboard(results, commands=commands).encode(), CSV: leaderboard_csv(results).encode()}


def _setting_heading(setting: Setting) -> list[str]:
    special = {
        f"samples covered by {escape(setting.covered_by)}": (bool(setting.covered_by), _COVERED),
        f"split {escape(setting.split)}": (setting.split != "published", _DIVIDED),
        f"readout {setting.readout}": (setting.readout != "default", _READOUT),
        f"selection on {setting.selection}": (setting.selection != "cv", _SELECTED),
        f"labels {setting.labels}": (setting.labels != "all", _PART),
    }
    notes = {name: note for name, (differs, note) in special.items() if differs}
    title = ", ".join([*notes, f"seed {setting.seed}"])
    if setting.limit is None:
        return [f"## {title[0].upper()}{title[1:]}", *notes.values()]
    return [f"## Trial: at most {setting.limit:,} samples a split, {title}", _LIMITED, *notes.values()]


def _categories(results: Sequence[Result], superseded: Sequence[Result], level: str) -> list[str]:
    parts: list[str] = []
    for topic, title in topics(r for r in results if r.headline or (was_trained(r) and r.status != "skipped")):
        group, old = ([r for r in some if (r.category, r.synthetic) == topic] for some in (results, superseded))
        _, synthetic = topic
        parts += [f"{level} {title}", *([SYNTHETIC] if synthetic else []), *_ranking(group, old)]
    return parts


def _ranking(results: Sequence[Result], superseded: Sequence[Result]) -> list[str]:
    table = rank_models(results, superseded)
    notes = Notes()
    parts = []
    if table.rows:
        for number, columns in enumerate(chunks(table.columns)):
            parts.append(_main_table(table, columns, notes, with_means=number == 0))
        parts += notes.lines()
        if table.mean_rank or table.means:
            parts.append(_MEANS)
        uneven = [c.task for c in table.columns if c.n[0] != c.n[1]]
        if uneven:
            parts.append(
                f"Not the same test samples for every row, compare with care: {joined_names(uneven)}."
                " The records say what was left out."
            )
        few = [c.task for c in table.columns if 0 < c.n[0] < FEW]
        if few:
            parts.append(f"Fewer than {FEW} test samples, so that the interval itself is a guess: {joined_names(few)}.")
    if table.absent:
        parts.append("Without a number here:\n\n" + "\n".join(_absent(table.absent)))
    if table.unmeasured:
        lines = (f"- {joined_names(tasks)}: {escape(reason)}" for tasks, reason in unmeasured_tasks(table))
        parts.append(f"{UNMEASURED}:\n\n" + "\n".join(lines))
    trained = trained_models(results)
    parts += _trained(trained)
    rows = list(dict.fromkeys([*table.rows, *(row for row, _ in trained.rows)]))
    if rows and (more := _secondary(results, rows)):
        parts.append(folded("Other probes and metrics, not ranked", more))
    return parts


def _trained(table: TrainedTable) -> list[str]:
    """Return the tables of models that were trained on the task."""
    if not table.rows:
        return []
    notes = Notes()
    parts = [_TRAINED]
    for columns in chunks(table.columns):
        headers = ["Model", "Trained by", *map(column_header, columns)]
        body = [[escape(str(row)) for row, _ in table.rows], [escape(probe) for _, probe in table.rows]]
        notes.announce(_noted(table.cells[row, column.task]) for row in table.rows for column in columns)
        body += [_texts([table.cells[row, column.task] for row in table.rows], notes) for column in columns]
        parts.append(pipe_table(headers, zip(*body, strict=True), text_columns=2))
    return [*parts, *notes.lines()]


def _absent(reasons_of: Mapping[RankingRow, Sequence[str]]) -> Iterator[str]:
    """Yield a line for each row that has no number; rows whose reasons differ in their own name alone share one."""
    alike: dict[str, list[RankingRow]] = {}
    for row, reasons in reasons_of.items():
        alike.setdefault("; ".join(reason.removeprefix(f"{row.model} has ") for reason in reasons), []).append(row)
    for said, rows in alike.items():
        if len(rows) == 1:
            yield f"- {escape(str(rows[0]))}: {escape('; '.join(reasons_of[rows[0]]))}"
        else:
            yield f"- {joined_names(map(str, rows))}: {escape(said)}"


def _main_table(table: RankingTable, columns: Sequence[RankingColumn], notes: Notes, *, with_means: bool) -> str:
    headers = ["Model"]
    body: list[list[str]] = [[escape(str(row)) for row in table.rows]]
    if with_means and table.mean_rank:
        headers.append(f"mean rank ↓<br>of {len(table.complete)} rows")
        body.append([f"{table.mean_rank[row]:.2f}" if row in table.mean_rank else "" for row in table.rows])
    for metric, means in table.means.items() if with_means else ():
        tasks = [c for c in table.columns if c.metric == metric]
        headers.append(f"mean {escape(metric)} {arrow(tasks[0].higher_is_better)}<br>over {len(tasks)} tasks")
        body.append([numbers.number(means[row]) if row in means else "" for row in table.rows])
    notes.announce(_noted(table.cells[row, column.task]) for row in table.rows for column in columns)
    for column in columns:
        headers.append(column_header(column))
        cells = [table.cells[row, column.task] for row in table.rows]
        body.append(_texts(cells, notes))
    return pipe_table(headers, zip(*body, strict=True))


def _texts(cells: Sequence[RankingCell], notes: Notes) -> list[str]:
    texts = numbers.column([cell.value for cell in cells])
    return [_text(cell, text, notes) for cell, text in zip(cells, texts, strict=True)]


def _noted(cell: RankingCell) -> Sequence[str]:
    return [cell.reason] if cell.value is None else cell.caveats


def _text(cell: RankingCell, text: str, notes: Notes) -> str:
    if cell.value is None:
        return f"{'failed' if cell.failed else '—'}{numbers.NBSP}{notes.number(cell.reason)}"
    if cell.mark is Mark.BEST:
        text = f"**{text}**"
    elif cell.mark is Mark.TIED:
        text = f"{text}{numbers.NBSP}†"
    return "".join([text, *(f"{numbers.NBSP}{notes.number(caveat)}" for caveat in cell.caveats)])


def _secondary(results: Sequence[Result], rows: Sequence[RankingRow]) -> str:
    """Tabulate what the ranking does not show; lines are task, probe and metric, columns the ranking's rows."""
    records = {(r.task, r.probe, RankingRow.of(r)): r for r in results}
    lines = sorted(
        {
            (r.task, r.probe, metric, value.higher_is_better)
            for r in results
            for metric, value in r.metrics.items()
            if not (metric == r.metric and (r.headline or was_trained(r)))
        }
    )
    if not lines:
        return ""
    parts = []
    notes = Notes()
    for start in range(0, len(rows), WIDEST):
        shown = rows[start : start + WIDEST]
        columns = [
            [escape(task) for task, *_ in lines],
            [escape(probe) for _, probe, *_ in lines],
            [f"{escape(metric)} {arrow(higher)}" for *_, metric, higher in lines],
        ]
        cells = [
            [cell_of(records.get((task, probe, row)), metric) for row in shown] for task, probe, metric, _ in lines
        ]
        notes.announce(_noted(cell) for line in cells for cell in line)
        columns += [_texts(column, notes) for column in zip(*cells, strict=True)]
        headers = ["Task", "Probe", "Metric", *(escape(str(row)) for row in shown)]
        parts.append(pipe_table(headers, zip(*columns, strict=True), text_columns=3))
    return "\n\n".join([*parts, *notes.lines()])


def _stale_section(stale: Sequence[Stale]) -> list[str]:
    if not stale:
        return []
    headers = ["Model", "Task", "Probe", "Value", "Out of date because"]
    body = [
        [
            escape(f"{RankingRow.of(s.result)}, seed {s.result.seed}"),
            escape(s.result.task),
            escape(s.result.probe),
            _plain(s.result),
            escape(s.why),
        ]
        for s in stale
    ]
    return [
        "## Out of date",
        "Left out of every table above; run them again to bring them back.",
        pipe_table(headers, body, text_columns=len(headers)),
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
        full = [r for r in group if r.status == "ok" and Setting.of(r).whole]
        probes = {(not r.headline, f"{r.probe} {r.probe_version}") for r in group}
        body.append(
            [
                escape(f"{task} {first.task_version}"),
                escape(first.family),
                first.kind,
                "synthetic" if first.synthetic else "real",
                escape(f"{first.dataset} {first.dataset_version}"),
                joined_texts(r.dataset_fingerprint[:12] for r in group if r.status == "ok"),
                ", ".join(escape(probe) for _, probe in sorted(probes)),
                joined_texts(" / ".join(f"{r.n[s]:,}" for s in ("train", "val", "test") if s in r.n) for r in full),
            ]
        )
    note = "The number after a name is its version: results of different versions never share a table."
    return f"{pipe_table(headers, body, text_columns=len(headers))}\n\n{note}"


def _models(results: Sequence[Result]) -> str:
    headers = ["Model", "Version", "Seed", "Origin", "Weights", "SHA-256", "Embedding widths"]
    rows: dict[tuple[RankingRow, int], list[Result]] = {}
    for result in results:
        rows.setdefault((RankingRow.of(result), result.seed), []).append(result)
    body = []
    for (row, seed), group in sorted(rows.items()):
        ok = [r for r in group if r.status == "ok"]
        body.append(
            [
                escape(str(row)),
                joined_texts(r.model_version for r in group),
                str(seed),
                joined_texts(r.model_origin for r in group),
                joined_texts(_weights(r) for r in ok),
                joined_texts(r.weights[:12] for r in ok),
                ", ".join(str(d) for d in sorted({r.embedding_dim for r in ok if r.embedding_dim is not None})),
            ]
        )
    return pipe_table(headers, body, text_columns=len(headers))


def _weights(result: Result) -> str:
    """Return how the weights of a model came about; those of a composition part by part."""
    parts = (f"{modality} {_short(part['checkpoint'])}" for modality, part in result.parts.items())
    return ", ".join(parts) or _short(result.checkpoint)


def _short(checkpoint: str) -> str:
    kind, colon, digest = checkpoint.partition(":")
    return f"{kind}{colon}{digest[:12]}"
