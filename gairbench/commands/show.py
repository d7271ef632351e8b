"""What ``gairbench show`` does, apart from parsing its options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gairbench.commands.output import holds_unicode, show
from gairbench.selection import select_tasks, split_names
from gairbench.taskfiles.parsing import registry_with


def show_task_command(
    names: Sequence[str], task_files: Sequence[Path], data_root: Path | None, *, as_json: bool
) -> int:
    """Carry out ``gairbench show task``.

    Returns:
        0, or 1 if the data of a task are here and broken.

    Raises:
        UsageError: No such task.
    """
    registry = registry_with(task_files)
    tasks = select_tasks(split_names(names), registry.tasks)
    from gairbench.inspection.card_text import card_text, card_values
    from gairbench.inspection.task_card import task_card

    cards = [task_card(task, registry, data_root) for task in tasks]
    if as_json:
        show(json.dumps([card_values(card) for card in cards], indent=1, ensure_ascii=not holds_unicode()))
    else:
        show("\n\n\n".join(map(card_text, cards)))
    return 1 if any(card.problem for card in cards) else 0
