"""What ``gairbench leaderboard`` and ``gairbench compare`` do, apart from parsing their options."""

from __future__ import annotations

import sys
from pathlib import Path

from gairbench.commands.options import check_writable
from gairbench.commands.output import show
from gairbench.errors import UsageError
from gairbench.plugins import load_registry
from gairbench.results import read_results

DEFAULT_RESULTS = Path("results")


def leaderboard_command(results: Path | None, out: Path | None, *, check: bool) -> int:
    """Carry out ``gairbench leaderboard``.

    Raises:
        GairbenchError: There are no results, or a record is broken.
    """
    folder = results or DEFAULT_RESULTS
    if check:
        if out is None:
            raise UsageError("--check has nothing to compare with", "name the folder with --out")
        found = list(read_results(folder))

        from gairbench_leaderboard.leaderboard_page import outdated_files

        stale = outdated_files(found, out)
        if not stale:
            return 0
        names = ", ".join(map(str, stale))
        again = f"gairbench leaderboard --results {folder} --out {out}"
        print(f"not what the records in {folder} give: {names}; run {again}", file=sys.stderr)
        return 1
    show(write_page(folder, out))
    return 0


def write_page(folder: Path, out: Path | None) -> str:
    """Return the leaderboard of a results folder, and write it where ``out`` says.

    Raises:
        GairbenchError: There are no results, a record is broken, or ``out`` cannot be written.
    """
    found = list(read_results(folder))
    if out is not None:
        check_writable("out", out)

    from gairbench_leaderboard.leaderboard_page import render_leaderboard, write_leaderboard

    if out is not None:
        write_leaderboard(found, out)
    return render_leaderboard(found)


def compare_command(results: Path | None, reference: str, out: Path | None) -> int:
    """Carry out ``gairbench compare``.

    Raises:
        GairbenchError: There is nothing to compare, or records are missing or broken.
    """
    found = list(read_results(results or DEFAULT_RESULTS))
    if out is not None:
        check_writable("out", out)

    from gairbench_leaderboard.comparison import compare_models
    from gairbench_leaderboard.comparison_page import render_comparison, write_comparison
    from gairbench_leaderboard.sweeps import find_sweeps

    registry = load_registry()
    comparisons = compare_models(found, reference)
    sweeps = find_sweeps(comparisons, registry.tasks)
    page = render_comparison(comparisons, found, sweeps)
    if out is not None:
        write_comparison(page, comparisons, sweeps, out)
    show(page)
    return 0
