"""What the commands do, apart from parsing their options."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from tabulate import tabulate

from gairbench.cache import default_cache
from gairbench.config import Settings, load_settings
from gairbench.errors import GairbenchError, UsageError
from gairbench.hub import fetch_missing
from gairbench.listing import registry_with
from gairbench.plan import Plan, RunRequest, make_plan
from gairbench.plugins import Registry
from gairbench.progress import Progress
from gairbench.results import load_all
from gairbench.selection import select_models, select_tasks, split_names, unknown

DEFAULT_RESULTS = Path("results")


def run_command(given: Settings, config: Path | None, *, dry_run: bool) -> int:
    """Carry out ``gairbench run``.

    Args:
        given: Settings from the command line.
        config: YAML file whose settings hold where the command line is silent.
        dry_run: Print the plan and stop.

    Returns:
        The exit status: 0 all cells ok or knowingly skipped and at least one ok, 1 otherwise.

    Raises:
        GairbenchError: Nothing can be run as asked.
    """
    settings = given.over(load_settings(config)) if config else given
    registry = registry_with(settings.task_file or [])
    request = _request(settings, registry)
    if settings.download and not dry_run:
        for spec in request.models:
            fetch_missing(spec, request.checkpoints.get(spec.name))
    requests = [replace(request, seed=seed) for seed in settings.seed or [0]]
    plans = [make_plan(one, registry) for one in requests]
    if dry_run:
        for plan, one in zip(plans, requests, strict=True):
            print((f"seed {one.seed}\n" if len(plans) > 1 else "") + _describe(plan))
        return 0 if any(cell.state in {"cached", "todo"} for plan in plans for cell in plan.cells) else 1

    from gairbench.runner import run_plan

    # The leaderboard is what standard output is for; progress goes beside it.
    console = Console(stderr=True)
    progress = Progress(console)
    outcomes = [o for plan, one in zip(plans, requests, strict=True) for o in run_plan(plan, one, registry, progress)]
    _publish(request.results, request.results)
    counts = Counter(outcome.status for outcome in outcomes)
    cached = sum(cell.state == "cached" for plan in plans for cell in plan.cells)
    console.print(
        f"{counts['ok']} ok ({cached} of them reused), {counts['skipped']} skipped, {counts['failed']} failed;"
        f" leaderboard in {request.results / 'LEADERBOARD.md'}",
        highlight=False,
        soft_wrap=True,
    )
    return 0 if counts["ok"] and not counts["failed"] else 1


def leaderboard_command(results: Path | None, out: Path | None, *, check: bool) -> int:
    """Carry out ``gairbench leaderboard``.

    Raises:
        GairbenchError: There are no results, or a record is broken.
    """
    folder = results or DEFAULT_RESULTS
    if check:
        from gairbench_leaderboard.render import check as out_of_date

        if out is None:
            raise UsageError("--check has nothing to compare with", "name the folder with --out")
        stale = out_of_date(list(load_all(folder)), out)
        if not stale:
            return 0
        names = ", ".join(map(str, stale))
        print(f"not what the records in {folder} give: {names}; run gairbench leaderboard --out {out}", file=sys.stderr)
        return 1
    _publish(folder, out)
    return 0


def _publish(folder: Path, out: Path | None) -> None:
    from gairbench_leaderboard.render import render, write

    found = list(load_all(folder))
    if out is not None:
        write(found, out)
    print(render(found))


def compare_command(results: Path | None, reference: str, out: Path | None) -> int:
    """Carry out ``gairbench compare``.

    Raises:
        GairbenchError: There is nothing to compare, or records or predictions are missing or broken.
    """
    from gairbench_leaderboard.comparison import compare
    from gairbench_leaderboard.comparison_report import render, write
    from gairbench_leaderboard.sweeps import find_sweeps

    folder = results or DEFAULT_RESULTS
    found = list(load_all(folder))
    comparisons = compare(found, folder, reference)
    sweeps = find_sweeps(comparisons, registry_with([]).tasks)
    page = render(comparisons, found, sweeps)
    if out is not None:
        write(page, comparisons, sweeps, out)
    print(page)
    return 0


def check_command(names: Sequence[str], task_files: Sequence[Path], data_root: Path | None) -> int:
    """Carry out ``gairbench data check``.

    Returns:
        0 if every dataset asked for is sound, 1 otherwise.

    Raises:
        UsageError: A dataset is unknown, or none is here.
    """
    from gairbench.datacheck import check_dataset

    registry = registry_with(task_files)
    wanted = split_names(names)
    for name in wanted:
        if name not in registry.datasets:
            raise unknown("dataset", name, registry.datasets)
    specs = [
        spec
        for spec in registry.datasets.values()
        if (spec.name in wanted)
        or (not wanted and (not spec.folder or (data_root and (data_root / spec.folder).is_dir())))
    ]
    sound = True
    for spec in specs:
        try:
            report = check_dataset(spec, data_root, registry.tasks.values())
        except GairbenchError as error:
            print(f"{spec.name}: {error}")
            sound = False
            continue
        print(report.render())
        sound &= report.ok
    return 0 if sound else 1


def _request(settings: Settings, registry: Registry) -> RunRequest:
    tasks = registry.tasks
    wanted = settings.task or ["all"]
    if not settings.task and settings.task_file:
        tasks = {name: task for name, task in tasks.items() if registry.task_origins[name].plugin == "task-file"}
    return RunRequest(
        models=select_models(settings.model or ["gair"], registry.models),
        tasks=select_tasks(wanted, tasks),
        results=settings.results or DEFAULT_RESULTS,
        cache=default_cache(),
        preset=settings.preset,
        checkpoints=_checkpoints(settings.checkpoint or []),
        data_root=settings.data_root,
        device=settings.device or "auto",
        limit=settings.limit,
        fresh=bool(settings.fresh),
        command=shlex.join(["gairbench", *sys.argv[1:]]),
    )


def _checkpoints(values: Sequence[str]) -> dict[str, Path]:
    pairs: dict[str, Path] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--checkpoint {value!r} is not MODEL=PATH", "write for instance gair=model.safetensors")
        pairs[name] = Path(path)
    return pairs


def _describe(plan: Plan) -> str:
    """Return the whole plan as text."""
    lines = [
        f"pretrain {cell.model.name} ({cell.preset.name}) on {cell.model.pretraining.dataset}"
        for cell in plan.pretrainings()
        if cell.model.pretraining
    ]
    embeddings: dict[str, str] = {}
    for cell in plan.cells:
        if cell.state == "todo":
            for e in cell.embeddings:
                state = "cached" if e.cached else "todo"
                embeddings[e.key] = f"embed {cell.model.name}.{e.view} on {cell.task.dataset.name}/{e.split}: {state}"
    lines += embeddings.values()
    rows = [
        [c.model.name, c.preset.name, c.task.name, c.probe.name, c.state + (f": {c.reason}" if c.reason else "")]
        for c in plan.cells
    ]
    lines.append("")
    lines.append(tabulate(rows, headers=["model", "preset", "task", "probe", "state"], tablefmt="simple"))
    counts = Counter(cell.state for cell in plan.cells)
    lines.append("\n" + ", ".join(f"{counts[state]} {state}" for state in ("todo", "cached", "skipped", "failed")))
    return "\n".join(lines)
