"""GAIR's checkpoints: our own layout with its configuration and inputs, and the released one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gairbench import ModelContext, Preset
from gairbench.errors import CheckpointError
from gairbench.inputs import ImageInput, Input, Modality
from gairbench.weights.card import CARD, Card, read_card, read_state, save_checkpoint
from gairbench.weights.formats import format_of
from gairbench.weights.serialization import from_json
from gairbench.weights.tensors import check_tensors
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.presets import MODEL, OFFICIAL, PRESETS, RELEASED_PRESET, VERSION, config_of

if TYPE_CHECKING:
    from torch import Tensor


def save_gair(
    state: Mapping[str, Tensor],
    folder: Path,
    *,
    model: str,
    preset: str,
    config: GairConfig,
    inputs: tuple[Input, ...],
    provenance: Mapping[str, Any],
) -> None:
    """Write a checkpoint of GAIR or one of its variants: see :func:`gairbench.weights.card.save_checkpoint`."""
    save_checkpoint(
        state,
        folder,
        model=model,
        version=VERSION,
        preset=preset,
        config=config,
        inputs=inputs,
        provenance=provenance,
    )


def read_checkpoint(path: Path) -> Preset:
    """Say which preset a checkpoint is of and what its encoders take; neither weights nor torch are loaded.

    Args:
        path: A folder or ``.safetensors`` file of ours, or a file of the released layout.

    Raises:
        CheckpointError: It says nothing about itself, or nothing valid.
    """
    if is_released(path):
        return _preset(RELEASED_PRESET)
    card = read_card(path)
    config = _config(card)
    for taken, encoder in ((Modality.RS, config.rs), (Modality.SV, config.sv)):
        for image in card.inputs:
            if isinstance(image, ImageInput) and image.modality is taken and len(image.bands) != encoder.bands:
                raise CheckpointError(
                    f"{card.weights.parent / CARD}: {taken} input of bands {', '.join(image.bands)} for an encoder of"
                    f" {encoder.bands} bands",
                    "pre-train it again, or correct the card",
                )
            if isinstance(image, ImageInput) and image.modality is taken and image.size != encoder.image_size:
                raise CheckpointError(
                    f"{card.weights.parent / CARD}: {taken} input of {image.size} pixels for an encoder of"
                    f" {encoder.image_size}",
                    "pre-train it again, or correct the card",
                )
    name = card.preset
    return replace(_preset(name), inputs=card.inputs) if name in PRESETS else Preset(name=name, inputs=card.inputs)


def read_weights(path: Path, *, model: str, preset: str) -> tuple[GairConfig, dict[str, Tensor]]:
    """Read a checkpoint whole.

    Args:
        path: A folder or ``.safetensors`` file of ours, or a file of the released layout.
        model: The model that is asked for; only ``gair`` and ``gair-official`` take the released layout.
        preset: The preset that is asked for; :func:`read_checkpoint` returns it.

    Returns:
        The configuration to build, and its tensors by our names.

    Raises:
        CheckpointError: It is missing, broken, or of another model or preset.
    """
    if not is_released(path):
        card = read_card(path)
        state = read_state(card, model=model, preset=preset)
        return _config(card), state
    if model not in (MODEL, OFFICIAL):
        raise CheckpointError(
            f"{path} is not a folder with {CARD}, and {model} takes no other checkpoint",
            f"give it to {MODEL}, or a checkpoint of {model}",
        )
    if preset != RELEASED_PRESET:
        raise CheckpointError(
            f"{path} has the released layout, which is preset {RELEASED_PRESET!r}, not {preset!r}",
            f"run with --preset {RELEASED_PRESET} or without --preset",
        )
    from gairbench_models.gair.released import load_released

    return PRESETS[RELEASED_PRESET].config, load_released(path)


def is_released(path: Path) -> bool:
    """Whether a file is to be read in the released layout: ``torch.save`` wrote it, or it has its names and no card.

    Raises:
        CheckpointError: It is not a file of weights at all.
    """
    if not path.is_file():
        return False
    if format_of(path) == "torch":
        return True
    if (path.parent / CARD).exists():
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return any(key.rpartition("imnet.")[2] == "weight" for key in file.keys())  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError):
        return False


def _preset(name: str) -> Preset:
    preset = PRESETS[name]
    return Preset(name=name, inputs=preset.inputs, description=preset.description)


def _config(card: Card) -> GairConfig:
    try:
        return from_json(GairConfig, card.config)
    except ValueError as error:
        raise CheckpointError(
            f"{card.weights.parent / CARD}: config: {error}",
            "pre-train it again, or use the version of gairbench that made it",
        ) from error


def load(context: ModelContext) -> Gair:
    """Build a variant's preset, or what the given checkpoint's card or layout says it is.

    Raises:
        CheckpointError: The checkpoint is missing, broken, or of another model or preset.
    """
    name = context.model or MODEL
    if context.checkpoint is None:
        return untrained(config_of(name, context.preset), context.seed).eval()
    config, state = read_weights(context.checkpoint, model=name, preset=context.preset)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in Gair(config).state_dict().items()}
    check_tensors(state, shapes, context.checkpoint)
    model = untrained(config, context.seed)
    model.load_state_dict(state)
    return model.eval()
