"""Our checkpoints, of any model: ``model.safetensors`` and, beside it, ``checkpoint.json`` that says what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gairbench
from gairbench.errors import CheckpointError
from gairbench.spec import Input
from gairbench.storage import write_atomically
from gairbench.weights.serialization import inputs_from_json, to_json

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 2
"""Version of this layout; 1 had no ``inputs``."""

WEIGHTS = "model.safetensors"
CARD = "checkpoint.json"

_HINT = f"give a folder with {WEIGHTS} and {CARD}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a checkpoint says about itself.

    Args:
        weights: Its tensors' file.
        model: Name of the model that it is of.
        preset: The preset that it was built from.
        config: The model's configuration as JSON, not yet checked.
        inputs: What the encoders take; empty in format 1, where they are the preset's.
        sha256: Of the weights.
    """

    weights: Path
    model: str
    preset: str
    config: Any
    inputs: tuple[Input, ...]
    sha256: str


def save(
    state: Mapping[str, Tensor],
    folder: Path,
    *,
    model: str,
    version: str,
    preset: str,
    config: Any,
    inputs: tuple[Input, ...],
    provenance: Mapping[str, Any],
) -> None:
    """Write a checkpoint; its card is written last, so that a folder with a card is whole.

    Args:
        state: The tensors.
        folder: Where; made if missing.
        model: Name of the model that it is of.
        version: Of the model's code.
        preset: The preset that it was built from.
        config: The model's configuration, a dataclass.
        inputs: What its encoders take.
        provenance: How it came to be (training settings, seed, data set and fingerprint), for the card.

    Raises:
        StorageError: The folder cannot be written, or the disk is full.
    """
    import safetensors.torch

    weights = safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in state.items()})
    card = {
        **provenance,
        "format": FORMAT,
        "model": model,
        "model_version": version,
        "gairbench_version": gairbench.__version__,
        "preset": preset,
        "config": to_json(config),
        "inputs": to_json(inputs),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CARD, (json.dumps(card, indent=1, sort_keys=True) + "\n").encode())


def read_card(path: Path) -> Card:
    """Read a checkpoint's card, without its weights and without importing torch.

    Args:
        path: The checkpoint's folder, or its ``.safetensors`` file beside the card.

    Raises:
        CheckpointError: It is neither, there is no card, or it is broken.
    """
    if path.is_file() and path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path} is no checkpoint",
            f"give a folder with {WEIGHTS} and {CARD}, or its .safetensors file; gair also takes a released .pth",
        )
    weights = path / WEIGHTS if path.is_dir() else path
    file = weights.parent / CARD
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}", _HINT) from error
    except ValueError as error:
        raise CheckpointError(f"{file} is not JSON: {error}", _HINT) from error
    if not isinstance(content, dict) or content.get("format") not in (1, FORMAT):
        raise CheckpointError(f"{file} is not a checkpoint card of format {FORMAT} or 1", _HINT)
    try:
        inputs = inputs_from_json(content.get("inputs")) if content["format"] == FORMAT else ()
    except ValueError as error:
        raise CheckpointError(f"{file}: inputs: {error}", "use the version of gairbench that made it") from error
    return Card(
        weights=weights,
        model=str(content.get("model")),
        preset=str(content.get("preset")),
        config=content.get("config"),
        inputs=inputs,
        sha256=str(content.get("sha256")),
    )


def read_state(card: Card, *, model: str, preset: str) -> dict[str, Tensor]:
    """Read a checkpoint's tensors, all of them or nothing.

    Args:
        card: From :func:`read_card`.
        model: The model that is asked for.
        preset: The preset that is asked for.

    Returns:
        Tensors by name; see :func:`gairbench.weights.tensors.check_shapes` for whether they are the model's.

    Raises:
        CheckpointError: It is of another model or preset, missing, cut short or altered.
    """
    import safetensors.torch
    from safetensors import SafetensorError

    file = card.weights
    if card.model != model:
        raise CheckpointError(
            f"{file} is a checkpoint of {card.model!r}, not of {model!r}", f"give a checkpoint of {model}"
        )
    if card.preset != preset:
        raise CheckpointError(
            f"{file} is of preset {card.preset!r}, not {preset!r}",
            f"run with --preset {card.preset} or without --preset, or give another checkpoint",
        )
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}", _HINT) from error
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise CheckpointError(f"{file} is cut short or altered: its SHA-256 is not the one in {CARD}", "copy it again")
    try:
        return safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{file} is not a safetensors file: {error}", "copy it again") from error
