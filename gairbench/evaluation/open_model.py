"""A job's model in memory, with the content of the weights that it was loaded with."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.composition import ComposedModel
from gairbench.errors import CheckpointError
from gairbench.evaluation.cells import EmbedJob, IdentifyJob
from gairbench.locks import locked
from gairbench.results import UsedWeights
from gairbench.spec import ModelContext, ModelSpec
from gairbench.weights.environment_file import read_training_environment
from gairbench.weights.loading import build
from gairbench.weights.origin import Weights, checkpoint_sha256, parts_digest

if TYPE_CHECKING:
    import torch

    Build = Callable[[ModelSpec, ModelContext, torch.device], tuple[object, str, str]]


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A model in memory.

    Args:
        identity: What is the same for jobs that can use it.
        model: As its factory made it, on the device.
        used: Its weights.
        trained_in: The environment of its training, where it was ours.
        changes: What its factory changed in the process, which was undone.
        parts: Of a composition, the content of each part's weights by its model's name.
    """

    identity: str
    model: object
    used: UsedWeights
    trained_in: dict[str, str]
    changes: str
    parts: Mapping[str, str]


def open_model(job: EmbedJob | IdentifyJob, cache: Path, device: torch.device, make: Build = build) -> OpenModel:
    """Load a job's model.

    Args:
        job: Names the model and where its weights come from.
        cache: Folder of checkpoints.
        device: Where it goes.
        make: One of the functions of :mod:`gairbench.weights.loading` that build a model: frozen, or to be trained.

    Raises:
        CheckpointError: The checkpoint is not there, or was changed after the plan had been made.
        StorageError: The lock of the checkpoint cannot be made.
        Exception: Whatever the factory raises.
    """
    context = ModelContext(model=job.model.name, preset=job.preset.name, seed=job.seed, checkpoint=job.weights.path)
    parts = job.weights.parts or (job.weights,)
    with ExitStack() as unchanged:
        for path in sorted(part.own_path for part in parts if part.own_path is not None):
            unchanged.enter_context(unreplaced(path, cache))
        contents = [_content(part, cache) for part in parts]
        checkpoint = parts_digest(contents) if job.weights.parts else contents[0]
        trained_in = _joined(read_training_environment(part.path) for part in parts)
        model, weights, changes = make(job.model, context, device)
    models = [part.model.name for part in job.model.parts] if isinstance(job.model, ComposedModel) else []
    of_parts = dict(zip(models, contents, strict=bool(models)))
    return OpenModel(job.loaded_as, model, UsedWeights(checkpoint, weights), trained_in, changes, of_parts)


def _joined(environments: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return environments as one: where the parts of a composition were trained in different ones, it names each."""
    found: dict[str, dict[str, None]] = {}
    for environment in environments:
        for name, value in environment.items():
            found.setdefault(name, {})[value] = None
    return {name: ", ".join(values) for name, values in found.items()}


def _content(weights: Weights, cache: Path) -> str:
    """Return what weights are by content, as records state it."""
    if weights.path is None:
        return weights.identity
    sha256 = checkpoint_sha256(weights.path, cache)
    if not weights.foreign:
        return f"pretrained:{sha256}"
    if weights.identity != f"file:{sha256}":
        raise CheckpointError(f"{weights.path} was changed after the run had begun", "run again")
    return weights.identity


def lock_of(target: Path, kind: str, cache: Path) -> Path:
    """Return the lock file of a checkpoint of ours, for one kind of work on it."""
    return cache / "locks" / f"{kind}-{target.parent.name}-{target.name}.lock"


@contextmanager
def unreplaced(target: Path | None, cache: Path) -> Iterator[None]:
    """Keep a checkpoint for the block: no process replaces it while another one loads it."""
    if target is None or (cache.is_dir() and not os.access(cache, os.W_OK)):
        # Nobody who shares this cache as we see it can replace anything in it.
        yield
        return
    with locked(lock_of(target, "checkpoint", cache)):
        yield
