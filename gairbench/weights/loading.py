"""Bring a model into memory, ready to encode."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.digests import weights_sha256
from gairbench.errors import CheckpointError, PluginError
from gairbench.isolation import Isolated, call_factory, named
from gairbench.spec import ModelContext, ModelSpec, Preset
from gairbench.weights.origin import Weights

if TYPE_CHECKING:
    import torch


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
        Exception: Whatever the factory raises.
    """
    from torch import nn

    model: object
    model, changes = call_factory(model_name(spec), spec.factory, context, seed=context.seed)
    if not isinstance(model, nn.Module):
        return model, "", changes
    with Isolated(model_name(spec)):
        model = model.requires_grad_(False).eval().to(device)
        return model, weights_sha256(model), changes


def model_name(spec: ModelSpec) -> str:
    """Return how to name a model whose code misbehaves."""
    return named("model", spec.name, spec.factory)


def missing_module(spec: ModelSpec, error: ModuleNotFoundError) -> PluginError:
    """Return the error for a package that a model needs and that is not installed."""
    hint = f"pip install '{spec.extra}'" if spec.extra else f"pip install {error.name}"
    return PluginError(f"model {spec.name!r} needs the module {error.name!r}", hint)
