"""Where a model's weights come from: the one place that decides it, for ``run``, ``embed`` and ``map`` alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gairbench.conversion import CONVERSION_VERSION
from gairbench.digests import digest, file_sha256
from gairbench.errors import CheckpointError, DataError, UsageError
from gairbench.files.folders import find_files
from gairbench.names import in_path
from gairbench.spec import DatasetSpec, ModelSpec, Preset
from gairbench.weights.hub import cached_file, how_to_get, published_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where a model's weights come from.

    Args:
        identity: ``"file:<sha256>"``, ``"hub:<file>"`` of one not here, ``"pretrained:<key>"`` (no key:
            not decided yet) or ``"init:<seed>"``; part of every embedding's key.
        path: Checkpoint file or folder; ``None`` for an untrained model.
        ready: The checkpoint exists, or none is needed.
        missing: How to get published weights that are not here.
    """

    identity: str
    path: Path | None
    ready: bool
    missing: str = ""

    @property
    def foreign(self) -> bool:
        """Whether they come from a file and not from a run of ours."""
        return self.identity.startswith("file:")

    @property
    def to_train(self) -> bool:
        """Whether pre-training makes them: :func:`pretrained_weights` says where."""
        return self.identity.startswith("pretrained:")


def find_weights(spec: ModelSpec, given: Path | None, *, seed: int) -> Weights:
    """Decide where a model's weights come from.

    In this order: the checkpoint that is given; the published file in Hugging Face's local cache; the model's own
    pre-training; none at all, where the model has nothing to learn.

    Args:
        spec: The model.
        given: File or folder of ``--checkpoint``.
        seed: Seed of whatever is random in untrained weights.

    Returns:
        The origin. It is not ready, with ``missing`` filled, where published weights are not here; it is ``to_train``
        without a path where the model is pre-trained first.

    Raises:
        CheckpointError: The checkpoint that is given does not exist or cannot be read.
    """
    path = given
    if path is None and spec.hub is not None:
        path = cached_file(spec.hub)
        if path is None:
            return Weights(
                identity=f"hub:{published_name(spec.hub)}", path=None, ready=False, missing=how_to_get(spec.hub)
            )
    if path is not None:
        return Weights(identity=checkpoint_identity(path), path=path, ready=True)
    if spec.pretraining is not None:
        return Weights(identity="pretrained:", path=None, ready=False)
    return Weights(identity=f"init:{seed if spec.seeded else 0}", path=None, ready=True)


def required_weights(spec: ModelSpec, given: Path | None, *, seed: int) -> Weights:
    """Decide like :func:`find_weights`, for a command that cannot go on without weights.

    Raises:
        UsageError: The model must be pre-trained first, and no checkpoint is given.
        CheckpointError: The checkpoint does not exist, or the published weights are not here.
    """
    weights = find_weights(spec, given, seed=seed)
    if weights.missing:
        raise CheckpointError(f"the weights of {spec.name} are not here", weights.missing)
    if weights.to_train:
        raise UsageError(
            f"model {spec.name!r} has no weights until it is trained",
            "give --checkpoint PATH; 'gairbench pretrain' writes one, 'gairbench run' keeps its own in the cache",
        )
    return weights


def pretrained_weights(
    spec: ModelSpec,
    preset: Preset,
    corpus: DatasetSpec,
    fingerprint: str,
    *,
    seed: int,
    limit: int | None,
    cache: Path,
    fresh: bool = False,
) -> Weights:
    """Return where a run keeps the weights that it pre-trains itself.

    Args:
        spec: The model; it has a recipe.
        preset: Its preset.
        corpus: What the recipe trains on.
        fingerprint: Of that dataset's content.
        seed: Of the pre-training.
        limit: Samples taken at most.
        cache: The run's cache folder.
        fresh: Do not use a checkpoint that is there.

    Raises:
        ValueError: The model has no recipe.
    """
    if spec.pretraining is None:
        raise ValueError(f"{spec.name} is not pre-trained")
    key = digest(
        model=spec.name,
        version=spec.version,
        preset=preset,
        recipe=spec.pretraining.version,
        dataset=[corpus.name, corpus.version, fingerprint],
        conversion=CONVERSION_VERSION,
        seed=seed,
        # 1: the draw of gairbench.limit; before, pre-training took the first samples.
        limit=None if limit is None else [limit, 1],
    )
    folder = cache / "checkpoints" / in_path(spec.name) / f"{preset.name}-seed{seed}-{key[:16]}"
    return Weights(identity=f"pretrained:{key}", path=folder, ready=folder.is_dir() and not fresh)


def checkpoint_identity(path: Path) -> str:
    """Return ``"file:<sha256>"`` over all files of a checkpoint, except hidden ones (locks, and what systems leave).

    Raises:
        CheckpointError: It is missing or cannot be read.
    """
    if not path.exists():
        raise CheckpointError(f"no checkpoint {path}", "correct the path of --checkpoint")
    try:
        files = find_files(path, "**", root=path, follow_links=True).paths if path.is_dir() else [path]
        return f"file:{digest(files=[file_sha256(file) for file in files])}"
    except DataError as error:
        raise CheckpointError(error.what, error.hint) from error
    except OSError as error:
        raise CheckpointError(f"cannot read {error.filename}: {error.strerror}", "fix or replace the file") from error
