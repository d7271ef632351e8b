"""Which tables a page has, and which columns a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gairbench.backbone import TRAINED
from gairbench.cell_groupings import cell_width
from gairbench.results import Result
from gairbench.spec import Category
from gairbench_leaderboard.markdown import arrow, escape
from gairbench_leaderboard.ranking import RankingColumn, RankingTable

WIDEST = 8
"""Columns of numbers that one table may have; more are split, tasks of one family together."""

_TITLES = {
    Category.RS: "Remote sensing",
    Category.SV: "Street view",
    Category.LOCATION: "Location",
    Category.CROSS_MODAL: "Cross-modal",
}

SYNTHETIC = (
    "Inputs or targets are rendered or simulated: these numbers compare models on that simulation and say nothing about"
    " real photos."
)
"""What stands above a table of such data."""

UNMEASURED = "Tasks without any number"
"""What stands above the list of them."""

TRIVIAL = "trivial predictor"
"""Name of the row of what can be predicted without looking at inputs."""

FEW_SEEDS = "has a random part and fewer than three seeds: its interval is not for other seeds of the model"
"""Note of a number, or of a row of them."""

FROZEN = "{frozen}"
"""Where a legend says which models are frozen."""

Topic = tuple[str, bool]
"""A category, and whether its data are rendered or simulated."""


def topics(results: Iterable[Result]) -> list[tuple[Topic, str]]:
    """Return the tables that results make, in the order of a page, with their titles."""
    known = {str(category): title for category, title in _TITLES.items()}
    found = {(r.category, r.synthetic) for r in results}
    order = [*known, *sorted({category for category, _ in found} - known.keys())]
    return [
        ((category, synthetic), f"{known.get(category, category)}, {'synthetic' if synthetic else 'real'} data")
        for category in order
        for synthetic in (False, True)
        if (category, synthetic) in found
    ]


def column_header(column: RankingColumn) -> str:
    """Return a task's name, metric, direction and numbers of test samples and of their groups as one cell."""
    n = f"<br>{escape(test_size(column))}" if column.n[1] else ""
    return f"{escape(column.task)}<br>{escape(column.metric)} {arrow(column.higher_is_better)}{n}"


def test_size(column: RankingColumn) -> str:
    """Return how many samples a task is tested on, and of how many groups they are.

    Example:
        >>> test_size(RankingColumn("t", "f", "r2", "ridge", True, (2500, 2500), grouping="block", groups=(63, 63)))
        'n = 2,500 in 63 blocks'
    """
    n = f"n = {_from_to(column.n)}"
    n += f" of {column.n_whole:,}" if column.n_whole else ""
    return f"{n} in {_from_to(column.groups)} {plural_of_groups(column)}" if column.groups[1] else n


def plural_of_groups(column: RankingColumn) -> str:
    """Return what the groups of a task's test samples are called, more than one of them."""
    name = column.grouping or "group"
    if (degrees := cell_width(name)) is not None:
        return f"blocks of {degrees:g}°"
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


def _from_to(span: tuple[int, int]) -> str:
    low, high = span
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def chunks(columns: Sequence[RankingColumn]) -> list[list[RankingColumn]]:
    """Split columns into tables of bearable width, keeping families together where they fit."""
    families: dict[str, list[RankingColumn]] = {}
    for column in columns:
        families.setdefault(column.family, []).append(column)
    split: list[list[RankingColumn]] = [[]]
    for family in families.values():
        if split[-1] and len(split[-1]) + len(family) > WIDEST:
            split.append([])
        for column in family:
            if len(split[-1]) == WIDEST:
                split.append([])
            split[-1].append(column)
    return split


def unmeasured_tasks(table: RankingTable) -> list[tuple[list[str], str]]:
    """Return the tasks that nothing was computed for, those of the same reasons together, each with these."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for task, reasons in table.unmeasured.items():
        alike.setdefault(tuple(reasons), []).append(task)
    return [(tasks, "; ".join(reasons)) for reasons, tasks in alike.items()]


def frozen_or_trained(legend: str, caveats: Iterable[Iterable[str]]) -> str:
    """Return a legend that says whether all models are frozen, or some of them were trained.

    Args:
        legend: The text, with :data:`FROZEN` where that stands.
        caveats: Of each number of the page.
    """
    said = "Every model is frozen,"
    if any(TRAINED in some for some in caveats):
        said += " but where a note says that it was trained on the task,"
    return legend.replace(FROZEN, said)
