"""Files of tensors, from us and from others, read without ever running code that is in them."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.errors import CheckpointError
from gairbench.selection import LISTED

if TYPE_CHECKING:
    from torch import Tensor


def read_file(path: Path) -> dict[str, Any]:
    """Read a ``.safetensors`` file, or what ``torch.save`` wrote.

    Args:
        path: The file.

    Returns:
        Its top-level dictionary, tensors on the CPU, mapped from disk where the format allows it.

    Raises:
        CheckpointError: It cannot be read, is cut short, is neither format, or holds Python objects that loading
            would have to run.
    """
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        return _read_torch(path)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}", "correct the path") from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        return dict(safetensors.torch.load_file(path))
    except SafetensorError as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}", "copy it again") from error


def _read_torch(path: Path) -> dict[str, Any]:
    import torch

    # Only the zip format of torch >= 1.6 can be mapped.
    mapped = zipfile.is_zipfile(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        if named:
            raise CheckpointError(
                f"{path} holds the Python object {named[1]}, and code in a checkpoint is never run",
                "save the state dict alone: torch.save(model.state_dict(), path)",
            ) from error
        raise CheckpointError(f"{path} is not a PyTorch checkpoint", "give a file that torch.save wrote") from error
    except OSError:
        raise
    # torch raises many types for a broken file: RuntimeError, EOFError, KeyError, ValueError, zip and decoding errors.
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path} is not a whole PyTorch checkpoint: {first[:150]}", "copy or download it again"
        ) from error
    if not isinstance(content, dict):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a dictionary of tensors", "give a state dict"
        )
    return content


def state_dict(
    content: Mapping[str, Any], source: Path | str, wrappers: Iterable[str] = ("model",)
) -> dict[str, Tensor]:
    """Take the state dict out of what a file holds.

    Args:
        content: From :func:`read_file`.
        source: Where it is from, for messages.
        wrappers: Keys under which the state dict may lie.

    Returns:
        Tensors by name, without the ``module.`` prefix of data-parallel training.

    Raises:
        CheckpointError: A value is no tensor, or only some names have the prefix.
    """
    import torch

    wrapped = [key for key in wrappers if isinstance(content.get(key), Mapping)]
    state = content[wrapped[0]] if len(wrapped) == 1 else content
    strange = [str(k) for k, v in state.items() if not isinstance(k, str) or not isinstance(v, torch.Tensor)]
    if strange or not state:
        told = f"{first_names(strange)} is no named tensor" if strange else "it is empty"
        raise CheckpointError(f"{source} is not a state dict: {told}", "give a dictionary of tensors")
    prefixed = [key for key in state if key.startswith("module.")]
    if prefixed and len(prefixed) < len(state):
        bare = [key for key in state if key not in set(prefixed)]
        raise CheckpointError(
            f"{source} mixes names with and without the prefix 'module.': {first_names(prefixed)}; {first_names(bare)}",
            "save one state dict alone",
        )
    return {key.removeprefix("module."): value for key, value in state.items()}


def check_shapes(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Sequence[int]],
    source: Path | str,
    hint: str = "give a whole checkpoint",
) -> None:
    """Demand exactly the expected tensors.

    Args:
        found: Tensors by name.
        expected: Shapes by name.
        source: Where they are from, for the message.
        hint: What the reader can do.

    Raises:
        CheckpointError: Tensors are missing, unexpected or misshapen; each kind is counted and its first are named.
    """
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "misshapen": [
            f"{name} {tuple(found[name].shape)} for {tuple(expected[name])}"
            for name in sorted(found.keys() & expected.keys())
            if tuple(found[name].shape) != tuple(expected[name])
        ],
    }
    if any(problems.values()):
        told = "; ".join(
            f"{kind} {first_names(names)}" + (f" ({len(names)} in all)" if len(names) > LISTED else "")
            for kind, names in problems.items()
            if names
        )
        raise CheckpointError(f"{source} does not hold the model's tensors: {told}", hint)


def first_names(names: Sequence[str]) -> str:
    """Name the first few and count the rest."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
