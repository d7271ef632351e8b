"""Where a model's weights come from and what they are: one place decides it for ``run``, ``embed`` and ``map``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gairbench.conversion import CONVERSION_VERSION
from gairbench.digests import digest
from gairbench.errors import CheckpointError, DataError, UsageError
from gairbench.files.folders import find_files
from gairbench.memo import content_sha256
from gairbench.names import in_path
from gairbench.plugin_code import code_digest
from gairbench.spec import DatasetSpec, ModelSpec, Preset, Pretraining, resolve
from gairbench.weights.environment_file import ENVIRONMENT
from gairbench.weights.sources import find_file, how_to_get, is_published


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Where a model's weights come from.

    Args:
        identity: ``"file:<sha256>"``, ``"missing:"`` of published weights that are not here, ``"pretrained:<key>"`` (no
            key: not decided yet) or ``"init:<digest>"`` of code, configuration and seed; part of every embedding's key.
        path: Checkpoint file or folder; ``None`` where the factory gets none.
        ready: The checkpoint exists, or none is needed.
        missing: How to get published weights that are not here.
        published: They are the published weights that the preset declares, and not a file of the user's.
        content: ``"file:<sha256>"``, ``"pretrained:<sha256>"`` of the checkpoint that is here, or the identity
            ``"init:<digest>"``; what records say. Empty: not known before the model is trained.
        parts: Those of the parts of a composition, whose identity and content, ``"parts:<digest>"``, are of theirs.
    """

    identity: str
    path: Path | None
    ready: bool
    missing: str = ""
    published: bool = False
    content: str = ""
    parts: tuple[Weights, ...] = ()

    @property
    def foreign(self) -> bool:
        """Whether they come from a file and not from a run of ours."""
        return self.identity.startswith("file:")

    @property
    def to_train(self) -> bool:
        """Whether pre-training makes them: :func:`pretrained_weights` says where."""
        return self.identity.startswith("pretrained:")

    @property
    def own_path(self) -> Path | None:
        """The checkpoint that a run of ours makes, and may replace."""
        return None if self.foreign else self.path


def model_code(spec: ModelSpec, preset: Preset, distribution: str, cache: Path) -> str:
    """Return a digest of a model's code and of what its preset stands for; part of every embedding's key.

    Args:
        spec: The model.
        preset: Its preset.
        distribution: The distribution that registers it.
        cache: The cache folder.

    Raises:
        Exception: Whatever ``spec.configuration`` of a third-party model raises.
    """
    return digest(code=code_digest(spec.factory, distribution, cache), configuration=_configuration(spec, preset))


def _configuration(spec: ModelSpec, preset: Preset) -> object:
    # A preset that a checkpoint alone knows has its configuration there.
    if spec.configuration is None or preset.name not in {known.name for known in spec.presets}:
        return None
    stated: object = resolve(spec.configuration)(spec.name, preset.name)
    return stated


def find_weights(
    spec: ModelSpec, preset: Preset, given: Path | None, *, seed: int, code: str, cache: Path, download: bool = False
) -> Weights:
    """Decide where a model's weights come from: the checkpoint that is given, else what the preset declares.

    Args:
        spec: The model.
        preset: Its preset.
        given: File or folder of ``--checkpoint``.
        seed: Seed of whatever is random in untrained weights.
        code: From :func:`model_code`.
        cache: The cache folder.
        download: Published weights that are not here would be fetched, were a plan carried out.

    Returns:
        The origin. It is not ready, with ``missing`` filled, where published weights are not here; it is ``to_train``
        without a path where the model is pre-trained first.

    Raises:
        CheckpointError: The checkpoint that is given does not exist or cannot be read, or a file of published weights
            is not the declared one.
    """
    path, source = given, preset.weights
    if path is None and source is not None:
        if isinstance(source, Pretraining):
            return Weights(identity="pretrained:", path=None, ready=False)
        path = find_file(source, cache)
        if path is None:
            missing = how_to_get(source, cache, asked=download)
            return Weights(identity="missing:", path=None, ready=False, missing=missing)
    if path is not None:
        sha256 = checkpoint_sha256(path, cache)
        published = is_published(source, sha256, given=given is not None)
        identity = f"file:{sha256}"
        return Weights(identity=identity, path=path, ready=True, published=published, content=identity)
    name = [spec.name, spec.version, preset.name]
    identity = f"init:{digest(model=name, code=code, seed=seed if spec.seeded else 0)}"
    return Weights(identity=identity, path=None, ready=True, content=identity)


def required_weights(
    spec: ModelSpec, preset: Preset, given: Path | None, *, seed: int, code: str, cache: Path
) -> Weights:
    """Decide like :func:`find_weights`, for a command that cannot go on without weights.

    Raises:
        UsageError: The model must be pre-trained first, and no checkpoint is given.
        CheckpointError: The checkpoint does not exist, or the published weights are not here.
    """
    weights = find_weights(spec, preset, given, seed=seed, code=code, cache=cache)
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
    distributions: tuple[str, str],
    seed: int,
    limit: int | None,
    cache: Path,
    fresh: bool = False,
    teachers: Sequence[object] = (),
) -> Weights:
    """Return where a run keeps the weights that it pre-trains itself.

    Their key holds the whole configuration where the model states it, and then an edit of third-party code leaves them
    as they are until the recipe's version is raised; without a stated configuration, every edit of the code counts.

    Args:
        spec: The model.
        preset: Its preset, which has a recipe.
        corpus: What the recipe trains on.
        fingerprint: Of that dataset's content.
        distributions: The distributions that register the model and the dataset.
        seed: Of the pre-training.
        limit: Samples taken at most.
        cache: The run's cache folder.
        fresh: Do not use a checkpoint that is there.
        teachers: What the models are by content that it learns from, JSON types.

    Raises:
        ValueError: The model has no recipe.
    """
    if preset.recipe is None:
        raise ValueError(f"{spec.name} is not pre-trained")
    code = "" if spec.configuration is not None else code_digest(preset.recipe.recipe, distributions[0], cache)
    key = digest(
        model=spec.name,
        version=spec.version,
        preset=[preset.name, preset.inputs],
        configuration=_configuration(spec, preset),
        code=code,
        recipe=preset.recipe.version,
        dataset=[corpus.name, corpus.version, fingerprint, code_digest(corpus.factory, distributions[1], cache)],
        conversion=CONVERSION_VERSION,
        seed=seed,
        # 1: the draw of gairbench.limit; before, pre-training took the first samples.
        limit=None if limit is None else [limit, 1],
        # Keys of checkpoints that were trained before there were teachers stay what they are.
        **({"teachers": list(teachers)} if teachers else {}),
    )
    folder = cache / "checkpoints" / in_path(spec.name) / f"{preset.name}-seed{seed}-{key[:16]}"
    ready = folder.is_dir() and not fresh
    content = f"pretrained:{checkpoint_sha256(folder, cache)}" if ready else ""
    return Weights(identity=f"pretrained:{key}", path=folder, ready=ready, content=content)


def composed_weights(parts: Sequence[Weights]) -> Weights:
    """Return where the weights of a composition come from.

    Args:
        parts: Where those of its parts do.
    """
    contents = [part.content for part in parts]
    return Weights(
        identity=parts_digest(part.identity for part in parts),
        path=None,
        ready=all(part.ready for part in parts),
        content=parts_digest(contents) if all(contents) else "",
        parts=tuple(parts),
    )


def parts_digest(identities: Iterable[str]) -> str:
    """Return what the weights of a composition are, by what those of its parts are."""
    return f"parts:{digest(parts=list(identities))}"


def checkpoint_sha256(path: Path, cache: Path) -> str:
    """Return the SHA-256 of a checkpoint's file, or of those of a folder's files that belong to it.

    Hidden files do not (locks, and what systems leave), and neither does the note of the environment that it was
    trained in, which says nothing about its content.

    Args:
        path: File or folder.
        cache: The cache folder, for hashes of large files.

    Raises:
        CheckpointError: It is missing or cannot be read.
    """
    if not path.exists():
        raise CheckpointError(f"no checkpoint {path}", "correct the path of --checkpoint")
    try:
        if not path.is_dir():
            return content_sha256(path, cache)
        files = find_files(path, "**", root=path, follow_links=True).paths
        return digest(files=[content_sha256(file, cache) for file in files if file != path / ENVIRONMENT])
    except DataError as error:
        raise CheckpointError(error.what, error.hint) from error
    except OSError as error:
        raise CheckpointError(f"cannot read {error.filename}: {error.strerror}", "fix or replace the file") from error
