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
from gairbench.weights.formats import format_of

if TYPE_CHECKING:
    from torch import Tensor


WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Keys under which training programs save a state dict beside other things."""

PREFIXES = ("module.", "model.", "network.")
"""What data-parallel training and Lightning's modules put before all names."""

WRAPPING_MODULES = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of names that torch.compile, sharding and recomputation of activations add at any depth."""


def read_file(path: Path) -> dict[str, Any]:
    """Read a safetensors file, or what ``torch.save`` wrote; the content says which it is.

    Args:
        path: The file.

    Returns:
        Its top-level dictionary, tensors on the CPU, mapped from disk where the format allows it.

    Raises:
        CheckpointError: It cannot be read, is cut short, is neither format, or holds Python objects that loading
            would have to run.
    """
    try:
        return _read_safetensors(path) if format_of(path) == "safetensors" else _read_torch(path)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror or error}", "correct the path") from error


def _read_safetensors(path: Path) -> dict[str, Any]:
    import safetensors.torch
    from safetensors import SafetensorError

    try:
        return dict(safetensors.torch.load_file(path))
    # Names of types that this torch does not know raise KeyError.
    except (SafetensorError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}", "copy it again") from error


def _read_torch(path: Path) -> dict[str, Any]:
    import torch

    # Only the zip format of torch >= 1.6 can be mapped; and by its path torch takes *.safetensors for that format.
    named_otherwise = path.suffix.lower() == ".safetensors"
    try:
        if named_otherwise or not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                content = torch.load(file, map_location="cpu", weights_only=True)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
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


def state_dict(content: Mapping[str, Any], source: Path | str) -> dict[str, Tensor]:
    """Take the state dict out of what a file holds.

    It may lie under one key beside other things, as training programs save it, and all its names may carry the prefixes
    of ``torch.compile``, of data-parallel training and of Lightning.

    Args:
        content: From :func:`read_file`.
        source: Where it is from, for messages.

    Returns:
        Tensors by name, without such prefixes.

    Raises:
        CheckpointError: There is no state dict, more than one, a value is not a tensor, or only some names have a
            prefix.
    """
    state = _unwrap(content, source)
    strange = [str(k) for k, v in state.items() if not _is_named_tensor(k, v)]
    if strange or not state:
        found = f"{first_names(strange)} is not a named tensor" if strange else "it is empty"
        raise CheckpointError(f"{source} is not a state dict: {found}", "give a dictionary of tensors")
    renamed = _without_wrappers(state)
    prefixed = [name for name, bare in renamed.items() if bare.startswith("module.")]
    if prefixed:
        bare = [name for name in state if name not in set(prefixed)]
        raise CheckpointError(
            f"{source} mixes names with and without the prefix 'module.': {first_names(prefixed)}; {first_names(bare)}",
            "save one state dict alone",
        )
    if len(set(renamed.values())) < len(renamed):
        twice = [name for name, bare in renamed.items() if list(renamed.values()).count(bare) > 1]
        raise CheckpointError(
            f"{source} holds tensors whose names differ only in a wrapper's prefix: {first_names(twice)}",
            "save one state dict alone",
        )
    return {bare: state[name] for name, bare in renamed.items()}


def _unwrap(content: Mapping[str, Any], source: Path | str) -> Mapping[str, Any]:
    """Return the one state dict among other things."""
    if any(_is_named_tensor(key, value) for key, value in content.items()):
        return content
    inside = {
        str(key): value
        for key, value in content.items()
        if isinstance(value, Mapping) and value and all(_is_named_tensor(k, v) for k, v in value.items())
    }
    usual = [key for key in WRAPPERS if key in inside]
    if len(inside) > 1 and len(usual) == 1:
        # State of losses and scalers aside; averaged weights or a teacher are another choice, which is not ours.
        names = set(_without_wrappers(inside[usual[0]]).values())
        rivals = [key for key, value in inside.items() if names & set(_without_wrappers(value).values())]
        inside = {key: inside[key] for key in rivals}
    if len(inside) > 1:
        keys = ", ".join(repr(key) for key in inside)
        raise CheckpointError(
            f"{source} holds {len(inside)} state dicts: {keys}",
            "save the one that is meant alone, as torch.save(content[key], other_path)",
        )
    return next(iter(inside.values()), content)


def _without_wrappers(names: Iterable[str]) -> dict[str, str]:
    """Return each name without what wrappers of modules add anywhere in it, and what they put before all names."""
    bare = {name: ".".join(part for part in name.split(".") if part not in WRAPPING_MODULES) for name in names}
    while prefix := next((p for p in PREFIXES if bare and all(name.startswith(p) for name in bare.values())), None):
        bare = {name: short.removeprefix(prefix) for name, short in bare.items()}
    return bare


def _is_named_tensor(key: Any, value: Any) -> bool:
    import torch

    return isinstance(key, str) and isinstance(value, torch.Tensor)


def check_tensors(
    found: Mapping[str, Tensor],
    expected: Mapping[str, Sequence[int]],
    source: Path | str,
    hint: str = "give a whole checkpoint",
) -> None:
    """Demand exactly the expected tensors, of finite floating-point numbers.

    Args:
        found: Tensors by name.
        expected: Shapes by name.
        source: Where they are from, for the message.
        hint: What the reader can do about missing and other tensors.

    Raises:
        CheckpointError: A tensor holds integers or codes of quantized weights, or NaN or infinite numbers; or tensors
            are missing, unexpected or misshapen: each kind is counted and its first are named.
    """
    common = sorted(found.keys() & expected.keys())
    check_types({name: found[name] for name in common}, source)
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "misshapen": [
            f"{name} {tuple(found[name].shape)} for {tuple(expected[name])}"
            for name in common
            if tuple(found[name].shape) != tuple(expected[name])
        ],
    }
    if any(problems.values()):
        shown = "; ".join(
            f"{kind} {first_names(names)}" + (f" ({len(names)} in all)" if len(names) > LISTED else "")
            for kind, names in problems.items()
            if names
        )
        raise CheckpointError(f"{source} does not hold the model's tensors: {shown}", hint)
    broken = non_finite(found)
    if broken:
        raise CheckpointError(
            f"{source} holds NaN or infinite numbers in {len(broken)} of {len(common)} tensors: {first_names(broken)}",
            "give weights of a training that did not fail, or copy the file again",
        )


def check_types(found: Mapping[str, Tensor], source: Path | str) -> None:
    """Demand floating-point numbers, in memory and not packed.

    Args:
        found: The tensors that are to be taken, by name.
        source: Where they are from, for the message.

    Raises:
        CheckpointError: A tensor is of integers (codes of quantized weights), sparse, or without values.
    """
    import torch

    for name, value in sorted(found.items()):
        kind = str(value.dtype).removeprefix("torch.")
        if not value.is_floating_point() or value.is_quantized:
            raise CheckpointError(
                f"{source}: tensor {name} is {kind}, not floating point: quantized weights are codes, not numbers",
                "give the weights in float32, float16 or bfloat16",
            )
        if value.is_meta or value.layout is not torch.strided:
            what = "without values (device meta)" if value.is_meta else f"stored as {value.layout}"
            raise CheckpointError(f"{source}: tensor {name} is {what}", "save the tensors dense and with their values")


def non_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that hold NaN or infinite numbers, sorted."""
    import torch

    # Types of 8 bits have no such operation.
    return [
        name
        for name, value in sorted(tensors.items())
        if not torch.isfinite(value if value.element_size() > 1 else value.float()).all()
    ]


def first_names(names: Sequence[str]) -> str:
    """Name the first few and count the rest."""
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more
