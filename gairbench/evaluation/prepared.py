"""A model as cells need it: its preset, where its weights come from, and what must be trained before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gairbench.composition import ComposedModel, ModelPart, compose_preset
from gairbench.digests import digest
from gairbench.errors import GairbenchError, InputMismatchError, TeacherMissingError
from gairbench.evaluation.cells import PretrainingData, Training
from gairbench.evaluation.findings import Findings, Trouble
from gairbench.plugin_code import is_third_party
from gairbench.plugins import Registry
from gairbench.pretraining.teachers import FoundTeacher, chosen_teachers, find_teachers
from gairbench.spec import DatasetSpec, ModelContext, ModelSpec, Preset
from gairbench.weights.loading import choose_preset
from gairbench.weights.origin import Weights, composed_weights, find_weights, model_code, pretrained_weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A model with its weights.

    Args:
        model: The model; the factory of a composition has what its parts are built with.
        preset: Its preset.
        weights: Where its weights come from.
        code: Digest of its code and configuration.
        trainings: What must be trained for it, by gairbench.
        distributions: Distributions that it comes from.
        third_party: Some of its code is not gairbench's own.
        trouble: Why it cannot be had; ``None`` where it can.
    """

    model: ModelSpec
    preset: Preset
    weights: Weights
    code: str = ""
    trainings: tuple[Training, ...] = ()
    distributions: tuple[str, ...]
    third_party: bool
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a run asks of all its models.

    Args:
        preset: Preset for every model that has one of that name.
        checkpoints: Checkpoint files or folders by model name.
        limit: Use at most this many samples.
        cache: Folder of checkpoints.
        fresh: Reuse no checkpoint.
        download: Published weights that are not here would be fetched, were the plan carried out.
    """

    preset: str | None
    checkpoints: Mapping[str, Path]
    limit: int | None
    cache: Path
    fresh: bool
    download: bool


@dataclass(frozen=True, slots=True)
class ComposedFactory:
    """Builds a composition, each part by its own factory.

    Args:
        parts: The parts, what their factories are called with, and the names of the inputs that each takes.
    """

    parts: tuple[tuple[ModelPart, ModelContext, frozenset[str]], ...]

    def __call__(self, context: ModelContext) -> object:
        """Return the composition as one module."""
        from gairbench.composed_encoder import ComposedEncoder

        del context  # each part has its own
        return ComposedEncoder(self.parts)


def prepare(model: ModelSpec, asked: Asked, registry: Registry, findings: Findings, seed: int) -> Prepared:
    """Decide what a model is evaluated with.

    Args:
        model: The model.
        asked: What the run asks for.
        registry: What is installed.
        findings: What the plan has found.
        seed: Seed of untrained weights and of pre-training.

    Raises:
        CheckpointError: A checkpoint that is given does not exist, or is of another preset.
    """
    if isinstance(model, ComposedModel):
        return _composed(model, asked, registry, findings, seed)
    trouble: Trouble | None = None
    try:
        preset = choose_preset(model, asked.preset, asked.checkpoints.get(model.name))
    except GairbenchError:
        raise
    # A model may be a third party's code; its fault is this model's, not the run's.
    except Exception as error:
        preset = model.preset(asked.preset)
        trouble = ("failed", f"model {model.name!r} cannot read its checkpoint: {type(error).__name__}: {error}")
    found = _with_weights(model, preset, asked, registry, findings, seed)
    return found if trouble is None else replace(found, trouble=trouble)


def _composed(model: ComposedModel, asked: Asked, registry: Registry, findings: Findings, seed: int) -> Prepared:
    """Return a composition, with all that its parts need."""
    parts = [prepare(part.model, asked, registry, findings, seed) for part in model.parts]
    preset = compose_preset(model.parts, [part.preset for part in parts])
    contexts = [
        ModelContext(model=part.model.name, preset=part.preset.name, seed=seed, checkpoint=part.weights.path)
        for part in parts
    ]
    names = [frozenset(one.name for one in part.inputs) for part in preset.parts]
    troubles = [(part.model.name, *part.trouble) for part in parts if part.trouble is not None]
    return Prepared(
        model=replace(model, factory=ComposedFactory(tuple(zip(model.parts, contexts, names, strict=True)))),
        preset=preset,
        weights=composed_weights([part.weights for part in parts]),
        code=digest(parts=[part.code for part in parts]),
        trainings=tuple(training for part in parts for training in part.trainings),
        distributions=tuple(dict.fromkeys(name for part in parts for name in part.distributions)),
        third_party=any(part.third_party for part in parts),
        trouble=next(((state, f"its part {name}: {reason}") for name, state, reason in troubles), None),
    )


def _with_weights(
    model: ModelSpec, preset: Preset, asked: Asked, registry: Registry, findings: Findings, seed: int
) -> Prepared:
    """Return a model with where its weights come from, what is trained, and why it cannot be had."""
    given = asked.checkpoints.get(model.name)
    distribution, cache = registry.model_origins[model.name].distribution, asked.cache.absolute()
    found = Prepared(
        model=model,
        preset=preset,
        weights=_NO_WEIGHTS,
        distributions=(distribution,),
        third_party=is_third_party(model.factory),
    )
    try:
        found = replace(found, code=model_code(model, preset, distribution, cache))
        weights = find_weights(model, preset, given, seed=seed, code=found.code, cache=cache, download=asked.download)
    except GairbenchError as error:
        if given is not None:
            raise
        return replace(found, trouble=("failed", str(error)))
    # A model may be a third party's code; its fault is this model's, not the run's.
    except Exception as error:
        return replace(found, trouble=("failed", f"model {model.name!r}: {type(error).__name__}: {error}"))
    found = replace(found, weights=weights)
    if weights.missing:
        return replace(found, trouble=("skipped", f"its weights are not here; {weights.missing}"))
    recipe = preset.recipe
    if not weights.to_train or recipe is None:
        return replace(found, weights=replace(weights, path=weights.path and weights.path.absolute()))
    if recipe.dataset not in registry.datasets:
        unknown_corpus = f"it is pre-trained on dataset {recipe.dataset!r}, which no plugin provides"
        return replace(found, trouble=("failed", unknown_corpus))
    corpus = registry.datasets[recipe.dataset]
    fingerprint = findings.fingerprint(corpus)
    if isinstance(fingerprint, tuple):
        state, reason = fingerprint
        return replace(found, trouble=(state, f"pre-training: {reason}"))
    teachers, trouble = _teachers(model, preset, corpus, asked, registry, seed)
    if trouble is not None:
        return replace(found, trouble=trouble)
    weights = pretrained_weights(
        model,
        preset,
        corpus,
        fingerprint,
        distributions=(distribution, registry.dataset_origins[corpus.name].distribution),
        seed=seed,
        limit=asked.limit,
        cache=cache,
        fresh=asked.fresh,
        teachers=[teacher.identity for teacher in teachers],
    )
    data = PretrainingData(dataset=corpus, fingerprint=fingerprint, teachers=teachers)
    training = Training(model=model, preset=preset, weights=weights, corpus=data, seed=seed)
    return replace(found, weights=weights, trainings=(training,))


def _teachers(
    model: ModelSpec, preset: Preset, corpus: DatasetSpec, asked: Asked, registry: Registry, seed: int
) -> tuple[tuple[FoundTeacher, ...], Trouble | None]:
    """Return the teachers of a model that is pre-trained, or why it cannot have them."""
    try:
        found = find_teachers(
            chosen_teachers(model, preset, {}),
            registry,
            of=model.name,
            dataset=corpus.name,
            delivers=corpus.delivers,
            checkpoints=asked.checkpoints,
            seed=seed,
            cache=asked.cache,
            download=asked.download,
        )
    except (InputMismatchError, TeacherMissingError) as error:
        return (), ("skipped", f"pre-training: {error}")
    except GairbenchError as error:
        return (), ("failed", f"pre-training: {error}")
    # The recipe or the teacher may be a third party's code; its fault is this model's, not the run's.
    except Exception as error:
        return (), ("failed", f"the teachers of {model.name!r}: {type(error).__name__}: {error}")
    return found, None


_NO_WEIGHTS = Weights(identity="missing:", path=None, ready=False)
