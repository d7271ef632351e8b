"""What a published page was made with."""

from __future__ import annotations

from collections.abc import Sequence

from gairbench.results import Result
from gairbench_leaderboard.markdown import escape, pipe_table

_SETTINGS = frozenset({"cpu", "precision", "threads"})
_TRAINING = "pretraining "
_STEPS = (_TRAINING, "finetuning ", "evaluation ")
"""What a record's environment holds beside the versions of packages."""


def provenance(results: Sequence[Result], commands: Sequence[str] = ()) -> list[str]:
    """Return command lines, package versions and devices as Markdown.

    Args:
        results: Records.
        commands: Command lines to print; empty: those in the records.
    """
    lines = list(commands) or sorted({r.command for r in results if r.command})
    parts = ["```console\n" + "\n".join(f"$ {' '.join(line.split())}" for line in lines) + "\n```"] if lines else []
    measured = [r for r in results if r.status == "ok"]
    versions: dict[str, set[str]] = {}
    for result in measured:
        for package, version in result.environment.items():
            # Records also name what no package is, as a task file is the origin of its tasks, and how was computed.
            if version != "not installed" and package not in _SETTINGS and not package.startswith(_STEPS):
                versions.setdefault(package, set()).add(version)
    devices = {r.device for r in measured if r.device}
    body = [[escape(name), escape(", ".join(sorted(found)))] for name, found in sorted(versions.items())]
    if devices:
        body.append(["embeddings computed on", escape(", ".join(sorted(devices)))])
    trained = {device for r in measured if (device := r.environment.get(f"{_TRAINING}device"))}
    if trained:
        body.append(["models trained on", escape(", ".join(sorted(trained)))])
    if body:
        parts.append(pipe_table(["Package", "Version"], body, text_columns=2))
    return parts
