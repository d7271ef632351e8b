"""Whether what is stored was computed with the weights that a model has now, or with others of the same key.

A key is known before a model is trained or loaded, so it cannot hold all that weights depend on: training on another
machine gives other weights, and so may a loader that reads another file. Records and embeddings therefore carry the
content of the weights that made them, and what was made with other weights than the rest of its model is stale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import Cell
from gairbench.evaluation.records import recorded
from gairbench.results import Result, UsedWeights

NO_WEIGHTS = sha256().hexdigest()
"""Of a module without parameters and buffers."""


def used_weights(about: Mapping[str, Any]) -> UsedWeights:
    """Return the weights that a stored embedding was computed with, from its description."""
    return UsedWeights(about["checkpoint"], about["weights"])


def reuse(cells: Sequence[Cell], content: str, results: Path, cache: EmbeddingCache) -> list[Cell]:
    """Find out what of a model's cells need not be computed again.

    Args:
        cells: All cells of one model, preset and seed.
        content: Of its weights, as records state it; empty where it has to be trained first.
        results: Folder of the records.
        cache: The embeddings.

    Returns:
        The cells that can run, some of them cached, with those of their embeddings that are there; what was computed
        with other weights is marked as stale. Other cells are returned as they are.
    """
    records: dict[str, Result] = {}
    todo = [cell for cell in cells if cell.state == "todo"]
    for cell in todo:
        if (record := recorded(cell.record, results)) is not None:
            records[cell.id] = record
    # Most are needed by several cells.
    abouts = {key: cache.about(key) for key in {embedding.key for cell in todo for embedding in cell.embeddings}}
    embeddings = {key: used_weights(about) for key, about in abouts.items() if about is not None}
    found = {record.used for record in records.values()}
    needed = {embedding.key for cell in todo if cell.id not in records for embedding in cell.embeddings}
    found.update(embeddings[key] for key in needed & embeddings.keys())
    loads = any(cell.trains_model and cell.id not in records for cell in todo)
    usable = _usable(found, content, complete=needed <= embeddings.keys() and not loads)
    return [_marked(cell, records.get(cell.id), embeddings, usable) if cell.state == "todo" else cell for cell in cells]


def _usable(found: set[UsedWeights], content: str, *, complete: bool) -> UsedWeights | None:
    """Return the weights of which stored results may be used; ``None``: of none."""
    if content:
        found = {used for used in found if used.checkpoint == content}
    elif not complete:
        # The model is trained in this run: its results would stand beside those of weights that are gone.
        return None
    # Of several, nobody knows which the model would have if it were loaded now.
    return next(iter(found)) if len(found) == 1 else None


def _shown_by_loading(cell: Cell, record: Result) -> bool:
    """Whether a third-party factory may have found its weights somewhere: it declares none, and needs no seed."""
    undeclared = cell.weights.path is None and cell.weights.ready
    return undeclared and not cell.model.seeded and cell.third_party and record.weights not in {"", NO_WEIGHTS}


def _marked(
    cell: Cell, record: Result | None, embeddings: Mapping[str, UsedWeights], usable: UsedWeights | None
) -> Cell:
    if record is not None and record.used == usable:
        return replace(cell, state="cached", unsure=_shown_by_loading(cell, record))
    marked = []
    for embedding in cell.embeddings:
        used = embeddings.get(embedding.key)
        cached = used is not None and used == usable
        marked.append(replace(embedding, cached=cached, stale=None if cached else used))
    return replace(cell, embeddings=tuple(marked), stale=None if record is None else record.used)
