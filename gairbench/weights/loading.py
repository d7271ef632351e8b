"""Bring a model into memory, ready to encode."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from gairbench.digests import weights_sha256
from gairbench.errors import CheckpointError, NotTrainableError, PluginError
from gairbench.isolation import Isolated, call_factory, named
from gairbench.spec import ModelContext, ModelSpec, Preset
from gairbench.trainability import untrainable
from gairbench.weights.origin import Weights

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A frozen model on its device, in evaluation mode.

    Args:
        model: Implements the encoder protocols that its spec declares.
        preset: What its encoders take.
        weights: SHA-256 of its parameters and buffers; empty where it is not an ``nn.Module``.
        identity: What they are: ``"file:<sha256>"`` or ``"init:<digest>"``.
    """

    model: object
    preset: Preset
    weights: str
    identity: str


def load_model(spec: ModelSpec, weights: Weights, *, preset: Preset, seed: int, device: torch.device) -> LoadedModel:
    """Load one model for a command that works with one.

    Args:
        spec: The model.
        weights: From :func:`gairbench.weights.origin.required_weights`.
        preset: Its preset, from :func:`choose_preset`.
        seed: Seed of whatever is random in its weights.
        device: Where it goes.

    Returns:
        The model with its provenance.

    Raises:
        CheckpointError: The checkpoint is missing, broken, or another model's.
        PluginError: A package that the model needs is not installed.
    """
    context = ModelContext(model=spec.name, preset=preset.name, seed=seed, checkpoint=weights.path)
    try:
        model, sha256, _ = build(spec, context, device)
    except ModuleNotFoundError as error:
        raise missing_module(spec, error) from error
    return LoadedModel(model=model, preset=preset, weights=sha256, identity=weights.identity)


def choose_preset(spec: ModelSpec, name: str | None, checkpoint: Path | None) -> Preset:
    """Return the preset to build: what the checkpoint says it is of, else the one of that name, else the first.

    Args:
        spec: The model.
        name: The preset asked for; a model that has none of that name takes its first.
        checkpoint: The checkpoint that is given, if any.

    Raises:
        CheckpointError: The checkpoint is of another preset than the one asked for, or broken.
        Exception: Whatever else the model's ``read_checkpoint`` raises.
    """
    if checkpoint is None or spec.read_checkpoint is None:
        return spec.preset(name)
    found: Preset
    found, _ = call_factory(model_name(spec), spec.read_checkpoint, checkpoint)
    if name is not None and name != found.name and name in {p.name for p in spec.presets}:
        raise CheckpointError(
            f"{checkpoint} is of preset {found.name!r}, not {name!r}",
            f"leave --preset out or write --preset {found.name}, or give another checkpoint",
        )
    # A checkpoint says what its encoders take; what the model offers is its code's.
    return replace(spec.preset(found.name), name=found.name, inputs=found.inputs)


def build(spec: ModelSpec, context: ModelContext, device: torch.device) -> tuple[object, str, str]:
    """Call a model's factory, freeze the model and move it to the device.

    Returns:
        The model; the SHA-256 of its weights, which is empty where it is not an ``nn.Module``; and what building it
        changed in the process, which was undone.

    Raises:
        PluginError: An evaluator has trained what the factory returns.
        Exception: Whatever the factory raises.
    """
    model, weights, changes = _build(spec, context, device)
    parts = _parts(model)
    if any(number in _trained for number in parts):
        raise _shared(spec)
    _frozen.update(parts)
    return model, weights, changes


def build_to_train(spec: ModelSpec, context: ModelContext, device: torch.device) -> tuple[nn.Module, str, str]:
    """Call a model's factory and move the model to the device, in evaluation mode, for an evaluator to train.

    Its parameters and buffers have memory of their own, also where the factory makes models over tensors that it keeps.

    Returns:
        As :func:`build`, with gradients required of all parameters.

    Raises:
        NotTrainableError: It is not an ``nn.Module``, or has no parameters.
        PluginError: The factory returned what an earlier call had returned: other cells would see the training.
        Exception: Whatever the factory raises.
    """
    from torch import nn

    model, weights, changes = _build(spec, context, device)
    if problem := untrainable(model, model_name(spec)):
        raise NotTrainableError(problem, "")
    assert isinstance(model, nn.Module)  # noqa: S101
    parts = _parts(model)
    if any(number in _frozen or number in _trained for number in parts):
        raise _shared(spec)
    _trained.update(parts)
    _give_memory(model)
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point() or parameter.is_complex())
    return model, weights, changes


def _build(spec: ModelSpec, context: ModelContext, device: torch.device) -> tuple[object, str, str]:
    from torch import nn

    from gairbench.composed_encoder import ComposedEncoder

    model: object
    model, changes = call_factory(model_name(spec), spec.factory, context, seed=context.seed)
    if not isinstance(model, nn.Module):
        return model, "", changes
    if isinstance(model, ComposedEncoder):
        changes = "; ".join(filter(None, [changes, model.changes]))
    with Isolated(model_name(spec)):
        model = model.requires_grad_(False).eval().to(device)
        return model, weights_sha256(model), changes


_frozen: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""Modules and parameters of loaded models that are in use, by their identity."""

_trained: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""Those that an evaluator was given to train."""


def _parts(model: object) -> dict[int, Any]:
    """Return the parameters of a model and its modules that hold values of their own; others may well be shared."""
    from torch import nn

    if not isinstance(model, nn.Module):
        return {}
    modules = {
        id(part): part
        for part in model.modules()
        if any(True for values in (part.parameters, part.buffers) for _ in values(recurse=False))
    }
    return modules | {id(parameter): parameter for parameter in model.parameters()}


def _give_memory(model: nn.Module) -> None:
    """Copy the values of a model in place: other models, or the factory, may hold the tensors that it was made of.

    A copy of the whole model would not do: what its code refers to, as in a closure, would still be the first one.
    """
    # One for all: what shares memory within the model does so afterwards.
    copies: dict[int, Any] = {}
    for parameter in model.parameters():
        parameter.data = deepcopy(parameter.data, copies)
    for part in model.modules():
        for name, buffer in part.named_buffers(recurse=False):
            setattr(part, name, deepcopy(buffer, copies))


def _shared(spec: ModelSpec) -> PluginError:
    return PluginError(
        f"{model_name(spec)} returned modules or parameters that an earlier call had returned, and an evaluator "
        "trains them",
        "make new ones in every call",
    )


def model_name(spec: ModelSpec) -> str:
    """Return how to name a model whose code misbehaves."""
    return named("model", spec.name, spec.factory)


def missing_module(spec: ModelSpec, error: ModuleNotFoundError) -> PluginError:
    """Return the error for a package that a model needs and that is not installed."""
    hint = f"pip install '{spec.extra}'" if spec.extra else f"pip install {error.name}"
    return PluginError(f"model {spec.name!r} needs the module {error.name!r}", hint)
