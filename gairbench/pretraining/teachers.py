"""Find the teachers that a recipe names, and what they are fed with; light until one is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.composition import ComposedModel
from gairbench.data import SAMPLE_KEYS, Sample
from gairbench.digests import plain
from gairbench.errors import GairbenchError, InputMismatchError, PluginError, TeacherMissingError, UsageError
from gairbench.feeding import QUERY, Feed, plan_feed
from gairbench.inputs import ImageInput, Input
from gairbench.isolation import Blamed, call_factory
from gairbench.model_names import known_model
from gairbench.plugins import Registry
from gairbench.spec import DatasetSpec, ModelSpec, Preset
from gairbench.teacher import TeacherChoice
from gairbench.weights.loading import LoadedModel, choose_preset, load_model, model_name
from gairbench.weights.origin import Weights, find_weights, model_code
from gairbench.weights.sources import fetch_missing

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from gairbench.inputs import Modality


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTeacher:
    """A teacher that can be loaded and fed; it can be pickled, for processes that train elsewhere.

    Args:
        modality: What it embeds.
        model: The model.
        preset: Its preset.
        weights: Where its weights are and what they are.
        code: Digest of the model's code and configuration.
        feed: What it is fed with.
        seed: Seed of whatever is random in its weights.
    """

    modality: Modality
    model: ModelSpec
    preset: Preset
    weights: Weights
    code: str
    feed: Feed
    seed: int

    @property
    def placed(self) -> bool:
        """Whether it is given where samples are."""
        return self.feed.coordinates is not None or self.feed.place is not None

    @property
    def identity(self) -> list[Any]:
        """All of it that can change what is learned, as JSON types: part of a pre-training's key."""
        name = [self.model.name, self.model.version, self.preset.name]
        return [str(self.modality), name, self.code, self.weights.identity, plain(self.feed)]

    def load(self) -> LoadedTeacher:
        """Load the model on the CPU; it moves to where it is used.

        Raises:
            CheckpointError: Its weights are broken.
            PluginError: A package that it needs is not installed.
        """
        import torch

        loaded = load_model(self.model, self.weights, preset=self.preset, seed=self.seed, device=torch.device("cpu"))
        return LoadedTeacher(self, loaded)


class LoadedTeacher:
    """A frozen model in memory.

    It is not an ``nn.Module``: as an attribute of one, it would be trained, saved and moved with it.

    Args:
        found: What it was loaded from.
        loaded: The model.
    """

    def __init__(self, found: FoundTeacher, loaded: LoadedModel) -> None:
        self.found = found
        self._model = loaded.model
        self._weights = loaded.weights
        self._device: torch.device | None = None

    @property
    def about(self) -> Mapping[str, str]:
        """What it is by content: its name, the origin of its weights, and the SHA-256 of what was loaded."""
        found = self.found
        return {
            "model": found.model.name,
            "version": found.model.version,
            "preset": found.preset.name,
            "checkpoint": found.weights.identity,
            "weights": self._weights,
        }

    def embed(self, samples: Sequence[Sample], device: torch.device) -> Tensor:
        """Compute embeddings as an evaluation would: in single precision also under autocast, without gradients.

        Args:
            samples: As the dataset delivers them, but places longitude first; images may be augmented.
            device: Where to compute.

        Returns:
            ``(samples, dim)`` float32 on ``device``.

        Raises:
            DataError: A sample lacks an input, or the model returned another shape.
        """
        import torch
        from torch import nn

        from gairbench.embedding import encode_on_device

        if isinstance(self._model, nn.Module) and self._device != device:
            self._model.to(device)
            self._device = device
        feed = self.found.feed
        # No inference mode: what it makes cannot take part in a loss.
        with Blamed(model_name(self.found.model)), torch.no_grad(), torch.autocast(device.type, enabled=False):
            return encode_on_device(self._model, feed.representation, feed.batch(samples), device)


def chosen_teachers(model: ModelSpec, preset: Preset, settings: Mapping[str, str]) -> tuple[TeacherChoice, ...]:
    """Return the teachers that a model's recipe names; none where it has no recipe, or one without teachers.

    Args:
        model: The model that is trained.
        preset: Its preset.
        settings: What ``--set`` changes.

    Raises:
        UsageError: A setting is unknown or wrong.
        PluginError: The recipe's ``teachers`` raised something else.
    """
    if preset.recipe is None or preset.recipe.teachers is None:
        return ()
    who = model_name(model)
    try:
        chosen, _ = call_factory(who, preset.recipe.teachers, model.name, preset.name, settings)
        return tuple(chosen)
    except GairbenchError:
        raise
    # A recipe may be a third party's: whatever it raises is named.
    except Exception as error:
        raise PluginError(f"the teachers of {who}: {type(error).__name__}: {error}", "") from error


def fetch_teachers(
    choices: Iterable[TeacherChoice], registry: Registry, checkpoints: Mapping[str, Path], cache: Path
) -> None:
    """Fetch the published weights of teachers that are not here, stating the licence first.

    Args:
        choices: The teachers.
        registry: What is installed; teachers of patterns are added.
        checkpoints: Checkpoints to use in place of published weights, by the models' names.
        cache: The cache folder.

    Raises:
        UsageError: There is no such model.
        CheckpointError: The network or the file is not there, or it is not the declared one.
    """
    for choice in choices:
        spec = _named(choice, registry)
        fetch_missing(spec, choice.preset, checkpoints.get(spec.name), cache)


def find_teachers(
    choices: Iterable[TeacherChoice],
    registry: Registry,
    *,
    of: str,
    dataset: str,
    delivers: Sequence[Input],
    checkpoints: Mapping[str, Path],
    seed: int,
    cache: Path,
    download: bool = False,
) -> tuple[FoundTeacher, ...]:
    """Find teachers' weights, and plan what they are fed with, without reading data.

    Args:
        choices: The teachers.
        registry: What is installed; teachers of patterns are added.
        of: The model that learns from them, for messages.
        dataset: What it is trained on, for messages.
        delivers: What those samples hold.
        checkpoints: Checkpoints to use in place of published weights, by the models' names.
        seed: Seed of whatever is random in their weights.
        cache: The cache folder.
        download: Published weights that are not here would be fetched, were a plan carried out.

    Raises:
        InputMismatchError: The samples cannot feed one.
        TeacherMissingError: The weights of one are not here; the hint says how to get them.
        CheckpointError: A file of weights is missing, or not the declared one.
        UsageError: There is no such model or preset.
    """
    cache = cache.absolute()
    found = []
    for choice in choices:
        spec = _named(choice, registry)
        who = f"teacher {spec.name!r} of {of!r}"
        given = checkpoints.get(spec.name)
        preset = choose_preset(spec, choice.preset, given)
        feed = _fed(who, spec, preset, choice.modality, dataset, delivers)
        code = model_code(spec, preset, registry.model_origins[spec.name].distribution, cache)
        weights = find_weights(spec, preset, given, seed=seed, code=code, cache=cache, download=download)
        if weights.missing:
            raise TeacherMissingError(f"the weights of {who} are not here", weights.missing)
        if weights.to_train:
            hint = f"give --checkpoint {spec.name}=PATH"
            raise TeacherMissingError(f"{who} has no weights until it is trained", hint)
        found.append(
            FoundTeacher(
                modality=choice.modality,
                model=spec,
                preset=preset,
                weights=replace(weights, path=weights.path and weights.path.absolute()),
                code=code,
                feed=feed,
                seed=seed,
            )
        )
    return tuple(found)


def _named(choice: TeacherChoice, registry: Registry) -> ModelSpec:
    spec = registry.models.get(known_model(choice.model, registry))
    if spec is None:
        raise UsageError(f"teacher {choice.model!r} is not one model", "name one")
    if isinstance(spec, ComposedModel):
        raise UsageError(f"teacher {spec.name!r} is made of several models", "name the one that is to teach")
    names = [preset.name for preset in spec.presets]
    if choice.preset is not None and choice.preset not in names:
        raise UsageError(f"teacher {spec.name!r} has no preset {choice.preset!r}", f"choose one of {', '.join(names)}")
    return spec


def _fed(
    who: str, spec: ModelSpec, preset: Preset, modality: Modality, dataset: str, delivers: Sequence[Input]
) -> Feed:
    # Batches hold what has a key of its own in samples, places longitude first, and neither dates nor masks.
    held = tuple(
        replace(one, dated=False, masked=False) if isinstance(one, ImageInput) else QUERY
        for one in delivers
        if one.name in SAMPLE_KEYS
    )
    samples = DatasetSpec(name=dataset, version=1, factory="", delivers=held, splits=("pretrain",))
    try:
        feed = plan_feed(spec.name, preset, samples, modality)
    except InputMismatchError as error:
        raise InputMismatchError(f"{who} cannot be fed: {error.what}", error.hint or _OTHER) from error
    if feed.looks_up:
        raise InputMismatchError(f"{who} looks embeddings up, and pre-training changes what it looks at", _OTHER)
    if "bbox" in preset.needs:
        raise InputMismatchError(f"{who} needs the bounding boxes of images, which pre-training does not give", _OTHER)
    return feed


_OTHER = "choose another teacher"
