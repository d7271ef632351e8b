"""What a model of existing embeddings lacks of a dataset, counted over its splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gairbench.errors import NotCoveredError
from gairbench.evaluation.cells import Embedding


def uncovered_reasons(embeddings: Sequence[Embedding], errors: Mapping[str, NotCoveredError]) -> dict[str, str]:
    """Return why embeddings are not computed whose samples a model lacks: how many, which, and what it has instead.

    Args:
        embeddings: All of one dataset by one model.
        errors: By key, those of splits that are not wholly covered.

    Returns:
        By key, one reason for all splits of a representation, so that no cell shows a part of the count.
    """
    by_view: dict[str, dict[str, NotCoveredError]] = {}
    for wanted in embeddings:
        if wanted.key in errors:
            by_view.setdefault(str(wanted.feed.representation), {})[wanted.split] = errors[wanted.key]
    return {
        wanted.key: uncovered_reason(by_view[str(wanted.feed.representation)])
        for wanted in embeddings
        if wanted.key in errors
    }


def uncovered_reason(by_split: Mapping[str, NotCoveredError]) -> str:
    """Return why a model cannot serve a task: of each split how many samples it lacks.

    Args:
        by_split: What it lacks of the splits that are not wholly covered.
    """
    first = next(iter(by_split.values()))
    counts = (
        f"{split}: {len(error.missing):,} of {error.samples:,}, as {', '.join(map(repr, error.missing[:3]))}"
        for split, error in by_split.items()
    )
    return f"no embedding of some samples ({'; '.join(counts)}); there are {first.holds}; {first.hint}"
