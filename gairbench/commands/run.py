"""What the commands do, apart from parsing their options."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from tabulate import tabulate

from gairbench.commands.leaderboard import DEFAULT_RESULTS, publish
from gairbench.commands.options import checkpoint_paths
from gairbench.commands.settings import Settings, load_settings
from gairbench.evaluation.cache import default_cache
from gairbench.evaluation.plan import Plan, RunRequest, make_plan
from gairbench.plugins import Registry
from gairbench.progress import Progress
from gairbench.selection import select_models, select_tasks
from gairbench.taskfiles.parsing import registry_with
from gairbench.weights.hub import fetch_missing


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

    from gairbench.evaluation.runner import run_plan

    # The leaderboard is what standard output is for; progress goes beside it.
    console = Console(stderr=True)
    progress = Progress(console)
    outcomes = [o for plan, one in zip(plans, requests, strict=True) for o in run_plan(plan, one, registry, progress)]
    publish(request.results, request.results)
    counts = Counter(outcome.status for outcome in outcomes)
    cached = sum(cell.state == "cached" for plan in plans for cell in plan.cells)
    console.print(
        f"{counts['ok']} ok ({cached} of them reused), {counts['skipped']} skipped, {counts['failed']} failed;"
        f" leaderboard in {request.results / 'LEADERBOARD.md'}",
        highlight=False,
        soft_wrap=True,
    )
    return 0 if counts["ok"] and not counts["failed"] else 1


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
        checkpoints=checkpoint_paths(settings.checkpoint or []),
        data_root=settings.data_root,
        device=settings.device or "auto",
        limit=settings.limit,
        fresh=bool(settings.fresh),
        command=shlex.join(["gairbench", *sys.argv[1:]]),
    )


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
