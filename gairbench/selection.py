"""Turn what a user asks for into specs, with near names for what does not exist."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from gairbench.errors import UsageError
from gairbench.spec import DatasetSpec, ModelSpec, TaskSpec

LISTED = 20
"""Names an error message lists at most."""


def unknown(kind: str, name: str, known: Iterable[str], *, of: str = "") -> UsageError:
    """Return the error for a name that does not exist: the near ones, else all there are.

    Args:
        kind: What it would be the name of.
        name: The name.
        known: Names that exist.
        of: Where they belong, for the message: ``"in grouping 'country'"``.
    """
    what = f"no {kind} {name!r} {of}".rstrip()
    names = sorted(known)
    # Variants are near whatever their base is near, and would crowd out other names.
    likely = names if "[" in name else [known_name for known_name in names if "[" not in known_name]
    near = difflib.get_close_matches(name, likely, n=3, cutoff=0.5)
    if near:
        return UsageError(what, f"did you mean {' or '.join(near)}?")
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return UsageError(what, f"there are: {', '.join(names[:LISTED])}{more}")


def split_names(values: Iterable[str]) -> list[str]:
    r"""Return the names in an option's values, which stand between commas.

    ``\,`` is a comma of a name, and so is one in parentheses.

    Example:
        >>> split_names(["linear, knn", r"leave:region=Korea\, South", "compose(rs=mae, sv=mocov3)"])
        ['linear', 'knn', 'leave:region=Korea, South', 'compose(rs=mae, sv=mocov3)']
    """
    parts = (part for value in values for part in _SEPARATOR.split(value))
    return [name for part in parts if (name := part.replace(r"\,", ",").strip())]


_SEPARATOR = re.compile(r"(?<!\\),(?![^()]*\))")


def select_models(values: Sequence[str], models: Mapping[str, ModelSpec]) -> list[ModelSpec]:
    """Return the models asked for, each once, in the order asked.

    Args:
        values: Names, or ``all``: those that are not trained on each task.
        models: What is registered.

    Raises:
        UsageError: A name is unknown, or there is none.
    """
    chosen: dict[str, ModelSpec] = {}
    for name in values:
        if name == "all":
            chosen |= {known: spec for known, spec in models.items() if not spec.evaluator}
        elif name in models:
            chosen[name] = models[name]
        else:
            raise unknown("model", name, [*models, "all"])
    if not chosen:
        raise UsageError("no model asked for", "name one with --model")
    return list(chosen.values())


def select_tasks(values: Sequence[str], tasks: Mapping[str, TaskSpec]) -> list[TaskSpec]:
    """Return the tasks asked for, each once, in the order asked.

    Args:
        values: Names, globs and families, which mean all tasks that match; categories and ``all``, which leave out
            diagnostic and superseded tasks.
        tasks: What is registered.

    Raises:
        UsageError: Nothing matches, or nothing is asked for.
    """
    chosen: dict[str, TaskSpec] = {}
    for name in values:
        found = {task.name: task for task in tasks.values() if _matches(name, task)}
        if not found:
            categories = {str(task.category) for task in tasks.values()}
            if name.casefold() in categories:
                raise UsageError(
                    f"all tasks of category {name!r} are diagnostic or superseded", "name them, or their family"
                )
            groups = categories | {task.family for task in tasks.values()}
            raise unknown("task, family or category", name, {*tasks, *groups, "all"})
        chosen |= found
    if not chosen:
        raise UsageError("no task asked for", "name one with --task")
    return list(chosen.values())


def select_datasets(
    values: Sequence[str], datasets: Mapping[str, DatasetSpec], tasks: Mapping[str, TaskSpec]
) -> list[DatasetSpec]:
    """Return the datasets asked for, each once, in the order asked.

    Args:
        values: Names of datasets, or of tasks as :func:`select_tasks` takes them: the datasets that they are on.
        datasets: What is registered.
        tasks: Likewise.

    Raises:
        UsageError: Nothing matches.
    """
    chosen: dict[str, DatasetSpec] = {}
    for name in values:
        found = [datasets[name]] if name in datasets else [t.dataset for t in tasks.values() if _matches(name, t)]
        if not found:
            raise unknown("dataset", name, {*datasets, *tasks})
        chosen |= {spec.name: spec for spec in found}
    return list(chosen.values())


def _matches(wanted: str, task: TaskSpec) -> bool:
    family = task.family.casefold()
    if fnmatchcase(task.name, wanted) or wanted.casefold() in {family, family.replace(" ", "-")}:
        return True
    # A superseded task stays runnable by name, so that old numbers can be reproduced; a diagnostic one ranks nothing.
    return meant_by_category(wanted, task) and not task.superseded_by and not task.diagnostic


def meant_by_category(wanted: str, task: TaskSpec) -> bool:
    """Whether a task is meant by ``all``, or by its category."""
    return wanted.casefold() in {"all", str(task.category)}
