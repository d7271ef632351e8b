"""Diagnostic tasks that differ in one quantity: the metric of every model as a curve over it."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gairbench.spec import Kind, TaskSpec
from gairbench_leaderboard.comparison import Comparison
from gairbench_leaderboard.ranking import RankingRow
from gairbench_leaderboard.uncertainty import Estimate, change

_COLOURS = ("#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#f0e442")
"""Distinct for colour-blind readers too (Okabe and Ito)."""

_DASHES = ("-", "--", ":")
"""For more models than colours."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One curve for each model.

    Args:
        family: The tasks' family.
        variable: The quantity with its unit.
        metric: What is measured.
        probe: How.
        comparison: The table that the tasks stand in.
        points: Values of the quantity in ascending order, each with its task.
    """

    family: str
    variable: str
    metric: str
    probe: str
    comparison: Comparison
    points: Sequence[tuple[float, str]]

    @property
    def title(self) -> str:
        """The table that the tasks stand in."""
        return self.comparison.title

    def change(self, row: RankingRow, task: str) -> Estimate | None:
        """Return how far a model moves from the first point; ``None`` where its seeds or samples differ."""
        first = self.comparison.runs.get((row, self.points[0][1]))
        then = self.comparison.runs.get((row, task))
        if first is None or then is None or (first.seeds, first.samples) != (then.seeds, then.samples):
            return None
        return change(then, first)


class _Alike(NamedTuple):
    """What the tasks of one curve have in common."""

    table: int
    family: str
    variable: str
    kind: Kind
    target: str
    inputs: tuple[str, ...]
    metric: str
    probe: str


def find_sweeps(comparisons: Sequence[Comparison], tasks: Mapping[str, TaskSpec]) -> list[Sweep]:
    """Return what can be drawn: at least two tasks of one family, quantity, table, target, inputs and metric.

    Args:
        comparisons: What was measured.
        tasks: What is installed: records do not hold the quantity.
    """
    curves: defaultdict[_Alike, list[tuple[float, str]]] = defaultdict(list)
    for number, comparison in enumerate(comparisons):
        for column in comparison.columns:
            spec = tasks.get(column.task)
            if spec is not None and spec.sweep is not None:
                variable, value = spec.sweep
                alike = _Alike(
                    number, spec.family, variable, spec.kind, spec.target, spec.inputs, column.metric, column.probe
                )
                curves[alike].append((value, column.task))
    return [
        Sweep(alike.family, alike.variable, alike.metric, alike.probe, comparisons[alike.table], sorted(points))
        for alike, points in curves.items()
        if len(points) > 1
    ]


def draw_sweeps(sweeps: Sequence[Sweep]) -> bytes:
    """Draw sweeps side by side: means over seeds, and below them each model's change from the first point.

    Returns:
        A PNG, with 95 % intervals.
    """
    rows = sorted({row for sweep in sweeps for row in sweep.comparison.rows})
    # The reference is what the eye should look for.
    rows.sort(key=lambda row: row != sweeps[0].comparison.reference)
    figure = Figure(figsize=(5 * len(sweeps) + 2, 7), layout="constrained")
    panels = figure.subplots(2, len(sweeps), squeeze=False, sharex="col")
    for column, sweep in enumerate(sweeps):
        level, moved = panels[:, column]
        for number, row in enumerate(rows):
            style = _COLOURS[number % len(_COLOURS)], _DASHES[number // len(_COLOURS) % len(_DASHES)]
            _curve(level, sweep, row, style, [sweep.comparison.mean(row, task) for _, task in sweep.points])
            _curve(moved, sweep, row, style, [sweep.change(row, task) for _, task in sweep.points])
        values = [value for value, _ in sweep.points]
        # Zero belongs on the axis, and the steps double.
        moved.set_xscale("symlog", base=2, linthresh=min((abs(value) for value in values if value), default=1.0))
        moved.set_xticks(values, [f"{value:g}" for value in values], rotation=45)
        moved.minorticks_off()
        level.set(ylabel=f"{sweep.metric} ({sweep.probe})", title=sweep.title)
        moved.set(xlabel=sweep.variable, ylabel=f"change of {sweep.metric}")
        for axes in (level, moved):
            axes.grid(alpha=0.3)
    labelled = {
        label: handle for axes in panels[0] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(labelled.values(), labelled.keys(), loc="outside right upper", frameon=False)
    buffer = io.BytesIO()
    # Without the version of the program, so that a picture changes only when its numbers do.
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()


def _curve(
    axes: Axes, sweep: Sweep, row: RankingRow, style: tuple[str, str], estimates: Sequence[Estimate | None]
) -> None:
    found = [(value, e) for (value, _), e in zip(sweep.points, estimates, strict=True) if e is not None]
    if not found:
        return
    x = np.array([value for value, _ in found])
    low, middle, high = (np.array([getattr(e, end) for _, e in found]) for end in ("low", "value", "high"))
    colour, dashes = style
    thick = row == sweep.comparison.reference
    width = 2 if thick else 1
    axes.plot(x, middle, dashes, color=colour, marker="o", markersize=3, linewidth=width, label=str(row))
    axes.fill_between(x, low, high, color=colour, alpha=0.1, linewidth=0)
