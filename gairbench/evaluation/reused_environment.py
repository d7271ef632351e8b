"""Records of earlier runs that were made in another environment than this run's: they are reused, and counted aloud."""

from __future__ import annotations

import importlib.metadata as md
from collections import Counter
from collections.abc import Sequence

from gairbench.environment import choose_device, device_name
from gairbench.results import Result


def other_environments(reused: Sequence[Result], device: str | None) -> str:
    """Say how many records were made with another version of torch, or on another device or number of CPU threads.

    Numbers of two environments may differ in their last digits, and those of training in more.

    Args:
        reused: Finished records of earlier runs.
        device: The run's device; ``None``: its workers choose theirs, so that only versions are compared.

    Returns:
        One line; empty if there are none.

    Raises:
        UsageError: There is no such device.
    """
    torch = md.version("torch")
    here = device_name(choose_device(device)) if device is not None and reused else ""
    differences: Counter[str] = Counter()
    count = 0
    for record in reused:
        found = []
        if (theirs := record.environment.get("torch", torch)) != torch:
            found.append(f"torch {theirs}, now {torch}")
        if here and record.device and record.device != here:
            found.append(f"{record.device}, now {here}")
        differences.update(found)
        count += bool(found)
    if not count:
        return ""
    listed = "; ".join(f"{words} ({number})" for words, number in sorted(differences.items()))
    return f"{count} of {len(reused)} reused records are of another environment: {listed}; --fresh computes them anew"
