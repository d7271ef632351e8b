"""GAIR's checkpoints: our own layout with its configuration and inputs, and the released one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gairbench import ModelContext, Preset
from gairbench.errors import CheckpointError
from gairbench.spec import ImageInput, Input, Modality
from gairbench.weights import card as cards
from gairbench.weights.card import CARD, Card, read_card, read_state
from gairbench.weights.serialization import from_json, to_json
from gairbench.weights.tensors import check_shapes
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.model import Gair, untrained_gair
from gairbench_models.gair.presets import MODEL, OFFICIAL, PRESETS, RELEASED_PRESET, VERSION, config_of
from gairbench_models.location.config import DEGREES

if TYPE_CHECKING:
    from torch import Tensor


_PICKLED = (".pth", ".pt", ".bin")


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
    """Write a checkpoint of GAIR or one of its variants: see :func:`gairbench.weights.card.save_gair`."""
    cards.save(
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
    if not card.inputs:
        return _preset(card.preset)
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
    """Whether a file is to be read in the released layout: a pickle's suffix, or safetensors of its names, no card."""
    if path.suffix in _PICKLED:
        return True
    if path.suffix != ".safetensors" or not path.is_file() or (path.parent / CARD).exists():
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return any(key.removeprefix("module.") == "imnet.weight" for key in file.keys())  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError):
        return False


def _preset(name: str) -> Preset:
    preset = PRESETS[name]
    return Preset(name=name, inputs=preset.inputs, description=preset.description)


def _config(card: Card) -> GairConfig:
    file = card.weights.parent / CARD
    if card.inputs:
        try:
            return from_json(GairConfig, _completed(card.config))
        except ValueError as error:
            raise CheckpointError(
                f"{file}: config: {error}", "pre-train it again, or use the version of gairbench that made it"
            ) from error
    if card.preset not in PRESETS:
        raise CheckpointError(f"{file}: no preset {card.preset!r}", "use the version of gairbench that made it")
    expected = to_json(PRESETS[card.preset].config)
    # Came with format 2.
    expected.pop("modalities")
    for name in ("encoder", "layers", "degrees"):
        expected["location"].pop(name)
    if card.config != expected:
        raise CheckpointError(
            f"{file} was made with another configuration of preset {card.preset!r}:"
            f" {_difference(card.config, expected)}",
            "pre-train it again, or use the version of gairbench that made it",
        )
    return PRESETS[card.preset].config


def _completed(config: Any) -> Any:
    """Add what cards did not name before it could be set."""
    if not isinstance(config, dict) or not isinstance(config.get("location"), dict):
        return config
    return config | {"location": {"degrees": DEGREES} | config["location"]}


def _difference(found: Any, expected: Any, where: str = "") -> str:
    """Name the first place where two configurations part."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            if found.get(key) != expected.get(key):
                return _difference(found.get(key), expected.get(key), f"{where}.{key}" if where else key)
    return f"{where} is {found!r}, expected {expected!r}"


def load(context: ModelContext) -> Gair:
    """Build a variant's preset, or what the given checkpoint's card or layout says it is.

    Raises:
        CheckpointError: The checkpoint is missing, broken, or of another model or preset.
    """
    name = context.model or MODEL
    if context.checkpoint is None:
        return untrained_gair(config_of(name, context.preset), context.seed).eval()
    config, state = read_weights(context.checkpoint, model=name, preset=context.preset)
    with torch.device("meta"):
        shapes = {name: value.shape for name, value in Gair(config).state_dict().items()}
    check_shapes(state, shapes, context.checkpoint)
    model = untrained_gair(config, context.seed)
    model.load_state_dict(state)
    return model.eval()
