"""Publish result records as Markdown and CSV; the same records always give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gairbench.errors import UsageError
from gairbench.results import Result
from gairbench.storage import write_atomically
from gairbench_leaderboard import numbers
from gairbench_leaderboard.across_tasks import DRAWS, FEWEST_FAMILIES, Spread
from gairbench_leaderboard.comparable import Setting, Stale, by_setting, split_stale
from gairbench_leaderboard.export import leaderboard_csv
from gairbench_leaderboard.layout import (
    FEW_SEEDS,
    FROZEN,
    SYNTHETIC,
    TRIVIAL,
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
from gairbench_leaderboard.over_seeds import ENOUGH
from gairbench_leaderboard.provenance import provenance
from gairbench_leaderboard.ranking import (
    FEW_GROUPS,
    FEW_SAMPLES,
    SIGNIFICANT,
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

_INTRODUCTION = f"""\
{FROZEN} and the same probe is fitted on the embeddings of each. Numbers are on the test split, means over
seeds, with a 95 % interval. ↑ more is better, ↓ less is. **Bold**: best of the column. †: not shown to be worse than
the best. [How to read the tables](#how-to-read-the-tables) has the statistics."""

_READING = f"""\
- **Interval**: for other test samples of the same kind and, of two seeds or more, for other seeds; `± half width`, or
  `[low, high]` in columns where one is lopsided; ∞ is an end beyond a million. Its units are what is independent: whole
  groups where a column says so (`n = 2,500 in 63 blocks`), else single samples. The standard error is a jackknife over
  units, to which the variance over seeds is added; Student's t is taken on a scale that the metric's bounds ask for.
  Numbers from before intervals by group have an interval for single samples: they are shown, and never marked or
  ranked.
- **Bold**: best of the column, if it is better than the trivial predictor by more than rounding and does not predict
  the same for every sample. **†**: as much holds for it, and the test against the best, paired over units and adjusted
  for all pairs of rows (Holm), does not reject at {SIGNIFICANT * 100:g} % that the two are equal. What has a random
  part and fewer than {ENOUGH} seeds has no mark, and the best is chosen among the others.
- <sub>Small print</sub>: fewer than {FEW_SAMPLES} test samples, or fewer than {FEW_GROUPS} groups where they are
  grouped. Such a column is never ranked, averaged or bold.
- **Trivial predictor**: what is predicted from the targets of train and val without looking at any input (the most
  frequent class, the mean, ranks drawn by lot). What is not better shows nothing.
- **Seeds**: how many runs a number is the mean of. One is all where nothing is random, as for published weights with a
  linear probe. A note marks what has a random part and fewer than {ENOUGH}.
- **Over tasks**: the largest block of rows and ranked tasks in which every row has a number for every task; the line
  above it names the tasks. Rows and tasks outside of it take no part. Rows of a table are in the order of mean ranks
  where the block has all of them, else of names. Tasks of one family have one vote together.
  Mean rank: 1 is best, equal numbers share a place. Better than the best row: the share of tasks, by votes, on which a
  run of the row is better than one of the row with the lowest mean rank. Normalized score: interquartile mean over
  families; 0 is the trivial predictor, 1 the best value that the metric can have, or the best row where there is no
  such value. Intervals: {DRAWS:,} bootstrap resamples of families, of test units within tasks and of seeds; of splits
  that seeds draw, of the draws. Of fewer than {FEWEST_FAMILIES} families there are means alone.
- Every dash has its reason below its table, and so has a number that does not show what its model can, for instance
  with images of another ground sample distance than it was trained with. Real data and rendered or simulated data are
  never in one table. Metrics are never averaged with each other as they are."""

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
The samples of train, val and test were divided anew by this split policy (`--split`)."""

_DRAWN = """\
Seeds draw other test samples: of two seeds or more, intervals and tests are for other draws (corrected resampled t-test
of Nadeau and Bengio, 2003)."""

_KEPT = """\
The test samples are the same for every seed: intervals and tests are for other test units and other seeds."""


def render_leaderboard(results: Sequence[Result], *, commands: Sequence[str] = ()) -> str:
    """Render every result as one Markdown document without times or dates.

    Args:
        results: Records, as :func:`gairbench.results.read_results` yields them.
        commands: Command lines to print; empty: those in the records.

    Returns:
        The document: one table a category, real and synthetic data apart; readouts and limited runs in sections of
        their own; superseded results listed last; then how to read it, tasks, models, commands and versions.

    Raises:
        UsageError: There are no results.
    """
    if not results:
        raise UsageError(
            "there are no results to publish", "run 'gairbench run' first, or name a folder with --results"
        )
    results = sorted(results, key=lambda r: (r.task, r.probe, r.model, r.variant))
    current, stale = split_stale(results)
    parts = ["# Leaderboard", frozen_or_trained(_INTRODUCTION, (result.caveats for result in results))]
    settings = by_setting(current)
    published = next(iter(settings), None)
    for setting, everything in settings.items():
        group = [result for result in everything if not result.diagnostic]
        # What is published needs no heading of its own; everything else is set apart by one.
        main = setting == published and setting.whole
        if not main:
            parts += _setting_heading(setting, group)
        superseded = [s.result for s in stale if Setting.of(s.result) == setting]
        parts += _categories(group, superseded, level="##" if main else "###")
        parts += _diagnostics([r for r in everything if r.diagnostic], level="##" if main else "###")
    parts += _stale_section(stale)
    parts += ["## How to read the tables", _READING]
    parts += ["## Tasks", _tasks(current), "## Models", _models(current)]
    parts += ["## How to regenerate", *provenance(results, commands)]
    return "\n\n".join(parts) + "\n"


def _diagnostics(results: Sequence[Result], level: str) -> list[str]:
    """Return the table of tasks that explain models and rank none."""
    groups: dict[tuple[str, RankingRow], list[Result]] = {}
    for result in results:
        if result.headline and result.headline_value is not None:
            groups.setdefault((result.task, RankingRow.of(result)), []).append(result)
    found = {key: cell.value for key, group in groups.items() if (cell := cell_of(group, group[0].metric)).value}
    if not found:
        return []
    cells = {key: numbers.with_interval(value, symmetric=False) for key, value in found.items()}
    metrics = {
        task: f"{escape(groups[task, row][0].metric)} {arrow(value.higher_is_better)}"
        for (task, row), value in found.items()
    }
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


def _setting_heading(setting: Setting, results: Sequence[Result]) -> list[str]:
    special = {
        f"samples covered by {escape(setting.covered_by)}": (bool(setting.covered_by), _COVERED),
        f"split {escape(setting.split)}": (setting.split != "published", _divided(results)),
        f"readout {setting.readout}": (setting.readout != "default", _READOUT),
        f"selection on {setting.selection}": (setting.selection != "cv", _SELECTED),
        f"labels {setting.labels}": (setting.labels != "all", _PART),
    }
    notes = {name: note for name, (differs, note) in special.items() if differs}
    title = ", ".join(notes)
    if setting.limit is None:
        return [f"## {title[:1].upper()}{title[1:]}", *notes.values()]
    trial = ", ".join([f"## Trial: at most {setting.limit:,} samples a split", *notes])
    return [trial, _LIMITED, *notes.values()]


def _divided(results: Sequence[Result]) -> str:
    """Say how samples were divided, and whether seeds have other test samples where there are several."""
    tested: dict[str, dict[int, str]] = {}
    for result in results:
        if result.samples:
            tested.setdefault(result.task, {})[result.seed] = result.samples
    several = [set(samples.values()) for samples in tested.values() if len(samples) > 1]
    if not several:
        return _DIVIDED
    return f"{_DIVIDED} {_DRAWN if any(len(samples) > 1 for samples in several) else _KEPT}"


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
            parts.append(_main_table(table, columns, notes, with_seeds=number == 0))
        parts += notes.lines()
        parts += _across(table)
        parts += _not_ranked(table)
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


def _main_table(table: RankingTable, columns: Sequence[RankingColumn], notes: Notes, *, with_seeds: bool) -> str:
    """Tabulate some columns; with the number of seeds of each row in the first table."""
    headers = ["Model"]
    body: list[list[str]] = [[escape(str(row)) for row in table.rows]]
    noted = {row: _few_seeds(table, row) for row in table.rows}
    if with_seeds:
        notes.announce(filter(None, [note]) for note in noted.values())
        headers.append("seeds")
        body.append([_seeds(table, row, noted[row], notes) for row in table.rows])
    cells = {
        (row, column.task): _with_seeds(table.cells[row, column.task], noted[row])
        for row in table.rows
        for column in columns
    }
    notes.announce(_noted(cells[row, column.task]) for row in table.rows for column in columns)
    for column in columns:
        headers.append(column_header(column))
        texts = _texts([cells[row, column.task] for row in table.rows], notes)
        body.append([_small(text) for text in texts] if column.too_few else texts)
    if any(column.trivial is not None for column in columns):
        for texts in body:
            texts.append("")
        body[0][-1] = TRIVIAL
        for column, texts in zip(reversed(columns), reversed(body), strict=False):
            if column.trivial is not None:
                level = numbers.number(column.trivial)
                texts[-1] = _small(level) if column.too_few else level
    return pipe_table(headers, zip(*body, strict=True))


def _small(text: str) -> str:
    return f"<sub>{text}</sub>"


def _seeds(table: RankingTable, row: RankingRow, note: str, notes: Notes) -> str:
    """Return how many seeds the numbers of a row are means of, with the note that all of them share."""
    counts = sorted({len(cell.seeds) for c in table.columns if (cell := table.cells[row, c.task]).value})
    text = " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))
    return f"{text}{numbers.NBSP}{notes.number(note)}" if note else text


def _few_seeds(table: RankingTable, row: RankingRow) -> str:
    """Return the note of a row of which every number has a random part and too few seeds; empty for others."""
    cells = [cell for c in table.columns if (cell := table.cells[row, c.task]).value]
    return FEW_SEEDS if all(cell.few_seeds for cell in cells) else ""


def _with_seeds(cell: RankingCell, noted: str) -> RankingCell:
    """Return a cell that says itself that it has too few seeds, unless its row says so."""
    if noted or not cell.few_seeds:
        return cell
    return replace(cell, caveats=(*cell.caveats, FEW_SEEDS))


def _across(table: RankingTable) -> list[str]:
    """Tabulate what the columns of the block say of its rows together."""
    across, block = table.across, table.block
    if across is None or block is None:
        return []
    best = block.rows[across.best]
    headers = ["Over tasks", "mean rank ↓", f"better than {escape(str(best))} ↑"]
    columns = [[_spread(rank, digits=2) for rank in across.mean_rank], [_spread(one) for one in across.improvement]]
    columns[1][across.best] = "—"
    if across.normalized:
        headers.append("normalized score ↑")
        columns.append([_spread(score) for score in across.normalized])
    order = [row for row in table.rows if row in block.rows]
    body = [[escape(str(row)), *(texts[block.rows.index(row)] for texts in columns)] for row in order]
    apart = f"Fewer than {FEWEST_FAMILIES} families: means, without intervals or a critical difference."
    if across.critical_difference is not None:
        apart = (
            f"Mean ranks closer than {across.critical_difference:.2f} do not differ at {SIGNIFICANT * 100:g} %"
            " (critical difference of Nemenyi's test, families as votes)."
        )
    return [
        f"{len(block.rows)} of {len(table.rows)} rows on {len(block.columns)} of {len(table.columns)} tasks, of"
        f" {across.families} {'family' if across.families == 1 else 'families'}:"
        f" {joined_names(c.task for c in block.columns)}.",
        pipe_table(headers, body),
        apart,
    ]


def _spread(spread: Spread, *, digits: int = 3) -> str:
    value, *ends = (f"{round(end, digits) + 0.0:.{digits}f}" for end in spread if end is not None)
    return f"{value}{numbers.NBSP}[{f',{numbers.NBSP}'.join(ends)}]" if ends else value


def _not_ranked(table: RankingTable) -> list[str]:
    """Say which columns rank nothing, and which should be read with care."""
    parts = []
    if few := [f"{escape(c.task)} ({c.too_few})" for c in table.columns if c.too_few]:
        parts.append(
            f"In small print and not ranked, with fewer than {FEW_SAMPLES} test samples or {FEW_GROUPS} groups: "
            f"{', '.join(few)}."
        )
    untested = [c.task for c in table.columns if c not in table.ranked and not c.too_few]
    if untested and len(table.rows) > 1:
        which = "any task" if len(untested) == len(table.columns) else joined_names(untested)
        parts.append(f"Not ranked by {which}: too few records can be compared on the same test samples, unit by unit.")
    uneven = [c.task for c in table.columns if c.n[0] != c.n[1]]
    if uneven:
        parts.append(
            f"Not the same test samples for every row, compare with care: {joined_names(uneven)}."
            " The records say what was left out."
        )
    return parts


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
    records: dict[tuple[str, str, RankingRow], list[Result]] = {}
    for result in results:
        records.setdefault((result.task, result.probe, RankingRow.of(result)), []).append(result)
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
            [cell_of(records.get((task, probe, row), ()), metric) for row in shown] for task, probe, metric, _ in lines
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
