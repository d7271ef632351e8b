"""Publish comparisons as Markdown and CSV; the same results always give the same bytes."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from gairbench.results import Result
from gairbench.storage import write_atomically
from gairbench_leaderboard import numbers
from gairbench_leaderboard.comparable import Stale
from gairbench_leaderboard.comparison import SIGNIFICANT, Comparison, Contrast, Verdict, select_comparable
from gairbench_leaderboard.layout import FROZEN, SYNTHETIC, chunks, column_header, frozen_or_trained
from gairbench_leaderboard.markdown import arrow, escape, folded, pipe_table
from gairbench_leaderboard.notes import Notes
from gairbench_leaderboard.provenance import provenance
from gairbench_leaderboard.ranking import RankingColumn, RankingRow
from gairbench_leaderboard.sweeps import Sweep, draw_sweeps
from gairbench_leaderboard.uncertainty import Estimate, Runs, mean

MARKDOWN, CSV = "COMPARISON.md", "comparison.csv"

_SIGNS: dict[Verdict, str] = {"better": "▲", "worse": "▼", "undecided": ""}

_LEGEND = f"""\
{FROZEN} and the same probe is fitted on the embeddings of each. A number is the mean over seeds of the
metric on the test split, ± half of its 95 % interval, or with both ends, `[low, high]`, in columns where one is
lopsided; ∞ is an end beyond a million. The interval covers other test units and other seeds. Units are
the groups that the splits were drawn by, as blocks or sites, and single samples where there are none; how many there
are is in the folded tables. The variance over units is the jackknife's, that over seeds is added, and Student's
t has the degrees of freedom of Welch and Satterthwaite, so that three seeds count as three. A model with one seed has
an interval for test units only.

**{_SIGNS["better"]}** better and **{_SIGNS["worse"]}** worse than {{reference}}: the difference, paired over test
units, has a p-value below {SIGNIFICANT:g} after Holm's adjustment for all comparisons of the table. No sign:
undecided, which is not the same as equal. A sign in brackets: one of the two has a single seed, so that the difference
is between these weights and may not be between the methods. Intervals of differences are not adjusted: one may leave
zero out without a sign."""


def write_comparison(
    page: str, comparisons: Sequence[Comparison], sweeps: Sequence[Sweep], out: Path
) -> tuple[Path, ...]:
    """Write ``COMPARISON.md``, ``comparison.csv`` and a picture of each family of sweeps.

    Args:
        page: From :func:`render_comparison`.
        comparisons: What it was rendered from.
        sweeps: From :func:`gairbench_leaderboard.sweeps.find_sweeps`.
        out: Folder; made if missing.

    Returns:
        The files.

    Raises:
        StorageError: The folder cannot be written.
    """
    contents = {MARKDOWN: page.encode(), CSV: comparison_csv(comparisons).encode()}
    contents |= {name: draw_sweeps(drawn) for name, drawn in _pictures(sweeps).items()}
    for name, content in contents.items():
        write_atomically(out / name, content)
    return tuple(out / name for name in contents)


def _pictures(sweeps: Sequence[Sweep]) -> dict[str, list[Sweep]]:
    """Return the sweeps of each picture, by its file name."""
    families: dict[str, list[Sweep]] = {}
    for sweep in sweeps:
        slug = re.sub(r"[^a-z0-9]+", "-", sweep.family.casefold()).strip("-")
        families.setdefault(f"{slug or 'sweep'}.png", []).append(sweep)
    return families


def render_comparison(comparisons: Sequence[Comparison], results: Sequence[Result], sweeps: Sequence[Sweep]) -> str:
    """Render comparisons as one Markdown document without times or dates; :func:`write_comparison` makes its pictures.

    Args:
        comparisons: From :func:`gairbench_leaderboard.comparison.compare_models`.
        results: The results folder's records: what took part is named with its commands, the rest with the reason.
        sweeps: From :func:`gairbench_leaderboard.sweeps.find_sweeps`.
    """
    reference = comparisons[0].reference
    legend = frozen_or_trained(_LEGEND, (caveats for c in comparisons for caveats in c.caveats.values()))
    parts = [f"# Comparison with {escape(str(reference))}", legend.format(reference=f"`{reference}`")]
    ranked = [c for c in comparisons if not c.diagnostic]
    diagnostic = [c for c in comparisons if c.diagnostic]
    if ranked:
        parts += ["## Summary", _summary(ranked)]
    for comparison in ranked:
        parts += [f"## {comparison.title}", *_body(comparison)]
    if diagnostic:
        parts.append("## Diagnostics")
    for picture, drawn in _pictures(sweeps).items():
        parts.append(f"![{escape(drawn[0].family)}]({picture})")
        parts += [part for sweep in drawn for part in _changes(sweep)]
    values = {task: value for sweep in sweeps for value, task in sweep.points}
    for comparison in diagnostic:
        parts += [f"### {comparison.title}", *_body(comparison, values)]
    selected = select_comparable(results)
    parts += _left_out(selected.left_out)
    commands = sorted({r.command for r in selected.measured if r.command})
    compared = f"gairbench compare --reference {shlex.quote(str(reference))}"
    parts += ["## How to regenerate", *provenance(selected.measured, [*commands, compared])]
    return "\n\n".join(parts) + "\n"


def _left_out(left_out: Sequence[Stale]) -> list[str]:
    if not left_out:
        return []
    body = [
        [escape(f"{RankingRow.of(s.result)}, seed {s.result.seed}"), escape(s.result.task), escape(s.why)]
        for s in left_out
    ]
    return ["## Left out", pipe_table(["Model", "Task", "Because"], body, text_columns=3)]


def _summary(comparisons: Sequence[Comparison]) -> str:
    """Count, for every model and table, on how many tasks it is better, undecided and worse."""
    rows = sorted({row for c in comparisons for row in c.rows if row != c.reference})
    body = []
    for row in rows:
        line = [escape(str(row))]
        for comparison in comparisons:
            counts = Counter(contrast.verdict for (of, _), contrast in comparison.contrasts.items() if of == row)
            line.append(f"{counts['better']} / {counts['undecided']} / {counts['worse']}" if counts else "—")
        body.append(line)
    note = "Tasks on which the model is better / undecided / worse than the reference; —: none that both can do."
    return f"{pipe_table(['Model', *(c.title for c in comparisons)], body)}\n\n{note}"


def _body(comparison: Comparison, order: Mapping[str, float] = MappingProxyType({})) -> list[str]:
    """Tabulate means; ``order`` sorts tasks that a name does not."""
    parts = [SYNTHETIC] if comparison.synthetic else []
    ordered = sorted(comparison.columns, key=lambda c: order.get(c.task, 0.0))
    notes = Notes()
    for columns in chunks(ordered):
        notes.announce(comparison.caveats.get((row, c.task), ()) for row in comparison.rows for c in columns)
        body = [[_name(comparison, row) for row in comparison.rows]]
        for column in columns:
            texts = numbers.column([comparison.mean(row, column.task) for row in comparison.rows])
            body.append(
                [
                    _cell(comparison, row, column.task, text, notes)
                    for row, text in zip(comparison.rows, texts, strict=True)
                ]
            )
        parts.append(pipe_table(["Model", *map(column_header, columns)], zip(*body, strict=True)))
    parts += notes.lines()
    if comparison.contrasts:
        parts.append(folded("Differences and tests", _differences(comparison, ordered)))
    return parts


def _name(comparison: Comparison, row: RankingRow) -> str:
    seeds = sorted({len(r.seeds) for (of, _), r in comparison.runs.items() if of == row})
    counted = " to ".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1])))
    return f"{escape(str(row))}<br>{counted} seed{'s' if seeds[-1] > 1 else ''}"


def _cell(comparison: Comparison, row: RankingRow, task: str, text: str, notes: Notes) -> str:
    if not text:
        return "—"
    contrast = comparison.contrasts.get((row, task))
    sign = _SIGNS[contrast.verdict] if contrast else ""
    if contrast and sign and min(contrast.seeds) == 1:
        sign = f"({sign})"
    marks = [*([f"**{sign}**"] if sign else []), *map(notes.number, comparison.caveats[row, task])]
    return numbers.NBSP.join([text, *marks])


def _differences(comparison: Comparison, columns: Sequence[RankingColumn]) -> str:
    headers = ["Task", "Metric", "Model", "Difference", "p", "p (Holm)", "Units", "Seeds", "Their deviation"]
    body = []
    for column in columns:
        for row in comparison.rows:
            contrast = comparison.contrasts.get((row, column.task))
            if contrast is None:
                continue
            estimate = contrast.estimate
            body.append(
                [
                    escape(column.task),
                    f"{escape(column.metric)} {arrow(column.higher_is_better)}",
                    escape(str(row)),
                    _signed(estimate),
                    _p(estimate.p),
                    _p(contrast.adjusted_p),
                    f"{comparison.runs[row, column.task].units:,}",
                    " : ".join(map(str, contrast.seeds)),
                    _deviation(comparison.runs[row, column.task]),
                ]
            )
    return pipe_table(headers, body, text_columns=3)


def _changes(sweep: Sweep) -> list[str]:
    """Tabulate how far each model moves from the first value of the quantity."""
    (first, _), *others = sweep.points
    body = []
    for row in sweep.comparison.rows:
        changes = [sweep.change(row, task) for _, task in others]
        if any(changes):
            shown = [_signed(found) if found else "—" for found in changes]
            body.append([escape(str(row)), *shown])
    title = f"{sweep.title}: change of {sweep.metric} from {sweep.variable} {first:g}, paired over units and seeds"
    headers = ["Model", *(f"{value:g}" for value, _ in others)]
    return [f"**{escape(title)}**", pipe_table(headers, body)] if body else []


def _signed(estimate: Estimate) -> str:
    # Without the sign of a zero.
    value = round(estimate.value, 3) + 0.0
    return f"{value:+.3f} {numbers.ends(estimate)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _deviation(runs: Runs) -> str:
    return f"{runs.values.std(ddof=1):.4f}" if len(runs.seeds) > 1 else "—"


def comparison_csv(comparisons: Sequence[Comparison]) -> str:
    """Return one line a model and task.

    Columns: ``model``, ``preset``, ``checkpoint``, ``task``, ``table``, ``diagnostic``, ``metric``,
    ``higher_is_better``, ``n_test``, ``units`` (how many are independent: groups, or samples), ``seeds`` (how many),
    ``seed_std`` (standard deviation over seeds), ``mean``,
    ``low`` and ``high`` (95 % interval), ``reference``, and against it ``difference``, ``difference_low``,
    ``difference_high``, ``p``, ``p_holm``, ``verdict``, which are empty for the reference itself; and ``caveats``: why
    the number does not show what the model can, separated by ``"; "``.
    """
    lines = [
        _line(comparison, row, column)
        for comparison in comparisons
        for column in comparison.columns
        for row in comparison.rows
        if (row, column.task) in comparison.runs
    ]
    text: str = pd.DataFrame(lines, dtype=object).to_csv(index=False, lineterminator="\n")
    return text


def _line(comparison: Comparison, row: RankingRow, column: RankingColumn) -> dict[str, object]:
    runs = comparison.runs[row, column.task]
    estimate = mean(runs)
    contrast: Contrast | None = comparison.contrasts.get((row, column.task))
    return {
        "model": row.model,
        "preset": row.preset,
        "checkpoint": row.checkpoint,
        "task": column.task,
        "table": comparison.title,
        "diagnostic": comparison.diagnostic,
        "metric": column.metric,
        "higher_is_better": column.higher_is_better,
        "n_test": runs.n,
        "units": runs.units,
        "seeds": len(runs.seeds),
        "seed_std": _rounded(runs.values.std(ddof=1)) if len(runs.seeds) > 1 else None,
        "mean": _rounded(estimate.value),
        "low": _rounded(estimate.low),
        "high": _rounded(estimate.high),
        "reference": str(comparison.reference),
        "difference": _rounded(contrast.estimate.value) if contrast else None,
        "difference_low": _rounded(contrast.estimate.low) if contrast else None,
        "difference_high": _rounded(contrast.estimate.high) if contrast else None,
        "p": _rounded(contrast.estimate.p) if contrast else None,
        "p_holm": _rounded(contrast.adjusted_p) if contrast else None,
        "verdict": contrast.verdict if contrast else None,
        "caveats": "; ".join(comparison.caveats[row, column.task]),
    }


def _rounded(value: float) -> float:
    """Round to six figures: the last ones of sums differ between machines."""
    return float(f"{value:.6g}")
