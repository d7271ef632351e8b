"""Checkpoints: ``model.safetensors`` and, beside it, ``checkpoint.json`` that says what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
from safetensors import SafetensorError

import gairbench
from gairbench.errors import CheckpointError
from gairbench.storage import write_atomically
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.presets import MODEL, VERSION

if TYPE_CHECKING:
    from torch import Tensor

    from gairbench_models.gair.model import Gair

FORMAT = 1
"""Version of this layout."""

WEIGHTS = "model.safetensors"
CARD = "checkpoint.json"

_SHOWN = 5


def save(model: Gair, folder: Path, *, preset: str, provenance: Mapping[str, Any]) -> None:
    """Write a checkpoint; its card is written last, so that a folder with a card is whole.

    Args:
        model: What to save.
        folder: Where; made if missing.
        preset: The preset it was built from.
        provenance: How it came to be (training settings, seed, data set and fingerprint), for the card.

    Raises:
        StorageError: The folder cannot be written, or the disk is full.
    """
    weights = safetensors.torch.save({name: value.contiguous() for name, value in model.state_dict().items()})
    card = {
        "format": FORMAT,
        "model": MODEL,
        "model_version": VERSION,
        "gairbench_version": gairbench.__version__,
        "preset": preset,
        "config": asdict(model.config),
        "sha256": hashlib.sha256(weights).hexdigest(),
        **provenance,
    }
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / CARD, (json.dumps(card, indent=1, sort_keys=True) + "\n").encode())


def load_weights(model: Gair, path: Path, *, preset: str) -> None:
    """Fill a model from a checkpoint, all of it or nothing.

    Args:
        model: Built from ``preset``.
        path: The checkpoint's folder, or its ``.safetensors`` file.
        preset: The preset that is asked for.

    Raises:
        CheckpointError: It is missing, cut short, altered, of another model, preset or configuration, or its tensors
            are not exactly the model's.
    """
    file = path / WEIGHTS if path.is_dir() else path
    card = _read_card(file.parent / CARD)
    _check_card(card, file, model.config, preset)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"cannot read {file}: {error.strerror}", f"give the folder that holds {WEIGHTS} and {CARD}"
        ) from error
    if hashlib.sha256(content).hexdigest() != card.get("sha256"):
        raise CheckpointError(f"{file} is cut short or altered: its SHA-256 is not the one in {CARD}", "copy it again")
    try:
        tensors = safetensors.torch.load(content)
    except SafetensorError as error:
        raise CheckpointError(f"{file} is not a safetensors file: {error}", "copy it again") from error
    _check_tensors(tensors, model.state_dict(), file)
    model.load_state_dict(tensors)


def _read_card(path: Path) -> dict[str, Any]:
    mend = f"give a checkpoint of {MODEL}: a folder with {WEIGHTS} and {CARD}"
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}", mend) from error
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}", mend) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint card of format {FORMAT}", mend)
    return card


def _check_card(card: Mapping[str, Any], file: Path, config: GairConfig, preset: str) -> None:
    if card.get("model") != MODEL:
        raise CheckpointError(
            f"{file} is a checkpoint of {card.get('model')!r}, not of {MODEL!r}", f"give a checkpoint of {MODEL}"
        )
    if card.get("preset") != preset:
        raise CheckpointError(
            f"{file} is of preset {card.get('preset')!r}, not {preset!r}",
            f"run with --preset {card.get('preset')}, or give another checkpoint",
        )
    # Through JSON, which knows no tuples.
    expected = json.loads(json.dumps(asdict(config)))
    if card.get("config") != expected:
        raise CheckpointError(
            f"{file} was made with another configuration of preset {preset!r}:"
            f" {_difference(card.get('config'), expected)}",
            "pre-train it again, or use the version of gairbench that made it",
        )


def _difference(found: Any, expected: Any, where: str = "") -> str:
    """Name the first place where two configurations part."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted(found.keys() | expected.keys()):
            if found.get(key) != expected.get(key):
                return _difference(found.get(key), expected.get(key), f"{where}.{key}" if where else key)
    return f"{where} is {found!r}, expected {expected!r}"


def _check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], file: Path) -> None:
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "misshapen": [
            f"{name} {tuple(found[name].shape)} for {tuple(expected[name].shape)}"
            for name in sorted(found.keys() & expected.keys())
            if found[name].shape != expected[name].shape
        ],
    }
    if any(problems.values()):
        told = "; ".join(f"{kind} {_listed(names)}" for kind, names in problems.items() if names)
        raise CheckpointError(f"{file} does not hold the model's tensors: {told}", "give a whole checkpoint")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
