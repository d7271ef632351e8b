"""Models made of the encoders of several others: ``compose(rs=mae, sv=mocov3, location=geoclip-location)``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gairbench.errors import UsageError
from gairbench.inputs import Modality
from gairbench.representation import Representation
from gairbench.spec import ModelContext, ModelSpec, Preset

_BEGIN = "compose("
_EXAMPLE = "write for instance compose(rs=mae, sv=mocov3, location=geoclip-location)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """A model of which a composition takes the encoders of some modalities.

    Args:
        model: The model.
        modalities: What it encodes in the composition.
    """

    model: ModelSpec
    modalities: tuple[Modality, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedModel(ModelSpec):
    """A model made of parts, each of which encodes other modalities.

    Args:
        parts: One a model, also where it encodes several modalities.
    """

    parts: tuple[ModelPart, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedPreset(Preset):
    """What a composition takes and offers: what its parts do, each of its own modalities.

    Args:
        parts: Presets of the parts, in their order, with the inputs of their modalities alone.
    """

    parts: tuple[Preset, ...]


def is_composition(name: str) -> bool:
    """Return whether a name asks for a model made of parts."""
    return name.startswith(_BEGIN)


def parts_asked(name: str) -> dict[Modality, str]:
    """Return the names of the models that a composition takes its encoders from, by modality.

    Args:
        name: As ``"compose(rs=mae, sv=mocov3)"``.

    Raises:
        UsageError: It is not written so, a modality is unknown or named twice, or there is only one.

    Example:
        >>> parts_asked("compose(rs=mae, location=xyz)")
        {<Modality.RS: 'rs'>: 'mae', <Modality.LOCATION: 'location'>: 'xyz'}
    """
    found: dict[Modality, str] = {}
    if not name.endswith(")"):
        raise UsageError(f"{name!r} has no closing parenthesis", _EXAMPLE)
    for item in name.removeprefix(_BEGIN).removesuffix(")").split(","):
        modality, equals, model = (text.strip() for text in item.partition("="))
        if not (modality and equals and model):
            raise UsageError(f"{name}: {item.strip()!r} is not MODALITY=MODEL", _EXAMPLE)
        if modality not in {*Modality}:
            raise UsageError(f"{name}: no modality {modality!r}", f"the modalities are {', '.join(Modality)}")
        if modality in found:
            raise UsageError(f"{name} names {modality} twice", "leave one out")
        if is_composition(model):
            raise UsageError(f"{name}: a part cannot be made of parts itself", "name a model for each modality")
        found[Modality(modality)] = model
    if len(found) == 1:
        (model,) = found.values()
        raise UsageError(f"{name} has one part", f"name two or three, or run {model} itself")
    return found


def composed_name(models: Mapping[Modality, str]) -> str:
    """Return the one way to write the name of a composition.

    Args:
        models: Names of its models by modality.

    Example:
        >>> composed_name({Modality.SV: "mocov3", Modality.RS: "mae"})
        'compose(rs=mae,sv=mocov3)'
    """
    return f"{_BEGIN}{','.join(f'{modality}={models[modality]}' for modality in Modality if modality in models)})"


def compose_model(models: Mapping[Modality, ModelSpec]) -> ComposedModel:
    """Return the declaration of a composition.

    Args:
        models: Its models by modality.

    Raises:
        UsageError: A model has no encoder of its modality or is trained on each task, or two call their inputs alike.
    """
    parts: list[ModelPart] = []
    for modality in Modality:
        if (model := models.get(modality)) is None:
            continue
        if not any(modality in preset.modalities for preset in model.presets):
            known = sorted({str(m) for preset in model.presets for m in preset.modalities})
            raise UsageError(f"{model.name} has no {modality} encoder", f"it has {', '.join(known)}")
        if model.evaluator:
            raise UsageError(f"{model.name} is trained on each task and has no embeddings to compose", "run it itself")
        same = next((part for part in parts if part.model.name == model.name), None)
        if same is None:
            parts.append(ModelPart(model=model, modalities=(modality,)))
        else:
            parts[parts.index(same)] = ModelPart(model=model, modalities=(*same.modalities, modality))
    names = dict.fromkeys(preset.name for part in parts for preset in part.model.presets)
    presets = [compose_preset(parts, [part.model.preset(name) for part in parts]) for name in names]
    return ComposedModel(
        name=composed_name({modality: model.name for modality, model in models.items()}),
        version=", ".join(dict.fromkeys(f"{part.model.name} {part.model.version}" for part in parts)),
        factory=_unplanned,
        presets=tuple({preset.name: preset for preset in presets}.values()),
        aligned=_aligned(parts),
        seeded=any(part.model.seeded for part in parts),
        trained_on=frozenset().union(*(part.model.trained_on for part in parts)),
        parts=tuple(parts),
    )


def compose_preset(parts: Sequence[ModelPart], presets: Sequence[Preset]) -> ComposedPreset:
    """Return what a composition takes and offers with one preset of each part.

    Args:
        parts: Its parts.
        presets: A preset of each.

    Returns:
        A preset whose name is that of its parts, as far as they have other names than ``"default"``.

    Raises:
        UsageError: Two parts call their inputs alike.
    """
    own = tuple(_restricted(preset, part.modalities) for part, preset in zip(parts, presets, strict=True))
    inputs = tuple(one for preset in own for one in preset.inputs)
    for part, preset in zip(parts, own, strict=True):
        if shared := {one.name for other in own if other is not preset for one in other.inputs} & _names(preset):
            raise UsageError(
                f"{part.model.name} and another part both call an input {min(shared)!r}",
                "compose models whose inputs have different names",
            )
    named = dict.fromkeys(preset.name for preset in presets if preset.name != "default")
    return ComposedPreset(
        name="-".join(named) or "default",
        inputs=inputs,
        accepts=tuple(one for preset in own for one in preset.accepts),
        offers=tuple(offer for preset in own for offer in preset.offers),
        needs=frozenset().union(*(preset.needs for preset in own)),
        wants=frozenset().union(*(preset.wants for preset in own)),
        static=frozenset().union(*(preset.static & _names(preset) for preset in own)),
        parts=own,
    )


def encoders_of(models: Iterable[ModelSpec]) -> list[ModelSpec]:
    """Return models with the parts of compositions in their place, each once."""
    found: dict[str, ModelSpec] = {}
    for model in models:
        parts = [part.model for part in model.parts] if isinstance(model, ComposedModel) else [model]
        found |= {part.name: part for part in parts}
    return list(found.values())


def preset_for(preset: Preset, representation: Representation) -> Preset:
    """Return the preset that a representation is of: of a composition that of the part, else the preset itself."""
    if not isinstance(preset, ComposedPreset):
        return preset
    return next(part for part in preset.parts if set(representation.of) <= _names(part))


def model_for(model: ModelSpec, preset: Preset, representation: Representation) -> ModelSpec:
    """Return the model that computes a representation: of a composition the part, else the model itself."""
    if not isinstance(model, ComposedModel):
        return model
    modality = preset.input(representation.of[0]).modality
    return next(part.model for part in model.parts if modality in part.modalities)


def _unplanned(context: ModelContext) -> object:
    """Stand for the factory until a plan knows the weights of the parts."""
    raise UsageError(f"{context.model} is a model of 'gairbench run' alone", "name one of its parts")


def _names(preset: Preset) -> set[str]:
    return {one.name for one in preset.inputs}


def _restricted(preset: Preset, modalities: Sequence[Modality]) -> Preset:
    """Return what a preset takes and offers of some modalities."""
    inputs = tuple(one for one in preset.inputs if one.modality in modalities)
    names = {one.name for one in inputs}
    return replace(
        preset,
        inputs=inputs,
        accepts=tuple(one for modality in modalities for one in preset.accepted(modality)),
        offers=tuple(offer for offer in preset.offers if set(offer.of) <= names),
    )


def _aligned(parts: Iterable[ModelPart]) -> frozenset[Modality]:
    """Return the modalities that share one space: those of one part that aligns them."""
    shared = [part.model.aligned & set(part.modalities) for part in parts]
    # Of three modalities, at most one part has two.
    return next((one for one in shared if len(one) > 1), frozenset())
