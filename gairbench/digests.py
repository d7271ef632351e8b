"""Keys: hashes of everything that can change a value, and of nothing that cannot."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.field_types import added_later, default_of

if TYPE_CHECKING:
    from torch import nn


def digest(**parts: Any) -> str:
    """Return the SHA-256 of named values: JSON types, dataclasses, sets of them."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def plain(value: Any) -> Any:
    """Return dataclasses, wherever they are in lists and mappings, as mappings of their fields, as keys hold them.

    A field that was added later is left out where it is the default, so that older keys stay what they are.
    """
    if is_dataclass(value) and not isinstance(value, type):
        stated = {one.name: (one, getattr(value, one.name)) for one in fields(value)}
        return {
            name: plain(held)
            for name, (one, held) in stated.items()
            if not (added_later(one) and held == default_of(one))
        }
    if isinstance(value, Mapping):
        return {key: plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    return value


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"cannot be part of a key: {value!r}")


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def weights_sha256(model: nn.Module) -> str:
    """Return the SHA-256 of a module's parameters and buffers, by name, dtype, shape and value."""
    import torch

    state = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        state.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()
