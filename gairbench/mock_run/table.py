"""The outcomes of a mock run as a table, with the reasons below it."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from gairbench.mock_run.outcomes import MockCell, Outcome
from gairbench.spec import Kind

_WORST: tuple[Outcome, ...] = ("fail", "skipped", "pass")


def outcome_table(cells: Sequence[MockCell]) -> str:
    """Return a row for each representation and a column for each kind of task.

    Of several evaluators the worst outcome is shown. Each reason stands once, with what it is of.
    """
    kinds = [str(kind) for kind in Kind if any(cell.kind == kind for cell in cells)]
    rows = []
    for name in dict.fromkeys(cell.representation for cell in cells):
        of = [cell for cell in cells if cell.representation == name]
        rows.append([name, *(_worst([cell for cell in of if cell.kind == kind]) for kind in kinds)])
    headers = ["representation", *(kind.replace("_", " ") for kind in kinds)]
    parts = [tabulate(rows, headers=headers, tablefmt="simple")]
    reasons: dict[tuple[Outcome, str], list[str]] = {}
    for cell in cells:
        if cell.reason:
            what = f"{cell.representation} {cell.kind} ({cell.evaluator})" if cell.kind else cell.representation
            reasons.setdefault((cell.outcome, cell.reason), []).append(what)
    lines = [f"{outcome}: {'; '.join(dict.fromkeys(what))}: {reason}" for (outcome, reason), what in reasons.items()]
    parts += ["\n".join(lines)] if lines else []
    counts = [f"{sum(cell.outcome == outcome for cell in cells)} {outcome}" for outcome in reversed(_WORST)]
    return "\n\n".join([*parts, ", ".join(counts)])


def _worst(cells: Sequence[MockCell]) -> str:
    return next((outcome for outcome in _WORST if any(cell.outcome == outcome for cell in cells)), "-")
