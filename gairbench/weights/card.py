"""Our checkpoints, of any model: ``model.safetensors`` and, beside it, ``checkpoint.json`` that says what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gairbench
from gairbench.digests import file_sha256
from gairbench.errors import CheckpointError
from gairbench.inputs import Input
from gairbench.storage import write_atomically
from gairbench.weights.formats import HEAD, format_of, refuse_placeholder
from gairbench.weights.serialization import inputs_from_json, to_json
from gairbench.weights.tensors import read_file

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 3
"""Version of this layout."""

WEIGHTS = "model.safetensors"
CARD = "checkpoint.json"

_CARD_BYTES = 1 << 24
"""Largest card that is read."""

_HINT = f"give a folder with {WEIGHTS} and {CARD}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a checkpoint says about itself.

    Args:
        weights: Its tensors' file.
        model: Name of the model that it is of.
        preset: The preset that it was built from.
        config: The model's configuration as JSON, not yet checked.
        inputs: What the encoders take; one per modality.
        sha256: Of the weights.
    """

    weights: Path
    model: str
    preset: str
    config: Any
    inputs: tuple[Input, ...]
    sha256: str


def save_checkpoint(
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
    if path.is_file() and format_of(path) != "safetensors":
        raise CheckpointError(
            f"{path} is not a checkpoint of gairbench",
            f"give a folder with {WEIGHTS} and {CARD}, or its .safetensors file; gair also takes a released .pth",
        )
    weights = path / WEIGHTS if path.is_dir() else path
    file = weights.parent / CARD
    try:
        with file.open("rb") as opened:
            text = opened.read(_CARD_BYTES)
        refuse_placeholder(file, text[:HEAD] if text[:1] not in (b"{", b"[") else b"")
        content = json.loads(text.decode("utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{file} is not JSON: {error}", _HINT) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{file} is not a checkpoint card of format {FORMAT}", _HINT)
    try:
        inputs = inputs_from_json(content.get("inputs"))
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
        Tensors by name; see :func:`gairbench.weights.tensors.check_tensors` for whether they are the model's.

    Raises:
        CheckpointError: It is of another model or preset, missing, cut short or altered.
    """
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
    if format_of(file) != "safetensors":
        raise CheckpointError(f"{file} is not a safetensors file", "copy it again")
    try:
        found = file_sha256(file)
    except OSError as error:
        raise CheckpointError(f"cannot read {file}: {error.strerror}", _HINT) from error
    if found != card.sha256:
        raise CheckpointError(f"{file} is cut short or altered: its SHA-256 is not the one in {CARD}", "copy it again")
    return read_file(file)
