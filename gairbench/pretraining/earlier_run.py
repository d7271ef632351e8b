"""What an output folder says of the run that was begun in it; read before anything heavy is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gairbench.errors import CheckpointError
from gairbench.pretraining.overrides import settings_named

TRAINING = "training"
"""Folder in the output with logs and checkpoints of the run itself."""

LAST = "last.ckpt"
RUN = "run.json"


def started_with(folder: Path) -> dict[str, Any]:
    """Return what the run of a training folder was started with.

    Raises:
        CheckpointError: The file cannot be read, or holds something else.
    """
    file = folder / RUN
    try:
        started = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"cannot read {file}: {error}", "choose another --out") from error
    if not isinstance(started, dict):
        raise CheckpointError(f"{file} does not hold a run's settings", "choose another --out")
    return started


def refuse_other_settings(folder: Path, settings: Mapping[str, str]) -> None:
    """Refuse to resume with numbers that are not those of the run, as soon as they can be seen to differ.

    Whether all else is the same is decided by :func:`gairbench.pretraining.fitting.fit`, which knows the data and the
    recipe.

    Args:
        folder: The training folder.
        settings: What ``--set`` names; the end of a dotted name is enough if it fits only one setting.

    Raises:
        CheckpointError: A setting differs, or the folder does not say what its run was started with.
    """
    recipe = dict(_flat(started_with(folder).get("recipe"), ""))
    different = []
    for name, wanted in sorted(settings.items()):
        fitting = settings_named(name, recipe)
        if len(fitting) == 1 and _are_other_numbers(recipe[fitting[0]], wanted):
            different.append(f"{name} was {recipe[fitting[0]]}, now {wanted}")
    if different:
        raise CheckpointError(
            f"the run in {folder} was started with other settings: {'; '.join(different)}",
            "repeat its command with --resume, or choose another --out",
        )


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _are_other_numbers(started: Any, wanted: str) -> bool:
    if isinstance(started, bool) or not isinstance(started, int | float):
        return False
    try:
        return float(wanted) != started
    except ValueError:
        return False
