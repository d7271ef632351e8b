"""Load a module's weights from a file: every tensor of it, by a stated name, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.errors import CheckpointError
from gairbench.weights.tensors import check_tensors, first_names, read_file, state_dict

if TYPE_CHECKING:
    from torch import Tensor, nn

_COUNTS = ".num_batches_tracked"
"""Tensors that count the batches of a training; nothing reads them in evaluation, and some files lack them."""


def load_exactly(
    module: nn.Module,
    path: Path,
    *,
    hint: str,
    theirs: Callable[[str], str] = str,
    taken: Callable[[str], str] = str,
) -> None:
    """Fill a module with the tensors of a file, which has to hold exactly those that the module has.

    Counts of batches are left as they are. A module on the meta device is put into memory first.

    Args:
        module: What is loaded into.
        path: A file that :func:`gairbench.weights.tensors.read_file` reads.
        hint: Which file to give instead, where this one does not fit.
        theirs: The file's name of a tensor of the module.
        taken: What a name in the file stands for, among those that ``theirs`` returns; empty: it is left out.

    Raises:
        CheckpointError: The file cannot be read, lacks tensors, holds others, or two of one name.

    Example:
        >>> load_exactly(encoder, path, hint="give encoder.pt", taken=lambda name: name.removeprefix("net."))
    """
    found: dict[str, Tensor] = {}
    twice: list[str] = []
    for name, tensor in state_dict(read_file(path), path).items():
        known = "" if name.endswith(_COUNTS) else taken(name)
        twice += [name] if known in found else []
        found |= {known: tensor} if known else {}
    if twice:
        raise CheckpointError(f"{path} holds tensors twice, under another name: {first_names(twice)}", hint)
    ours = {name: value for name, value in module.state_dict().items() if not name.endswith(_COUNTS)}
    names = {name: theirs(name) for name in ours}
    check_tensors(found, {names[name]: tuple(value.shape) for name, value in ours.items()}, path, hint)
    if any(value.is_meta for value in ours.values()):
        module.to_empty(device="cpu")
    module.load_state_dict(module.state_dict() | {name: found[names[name]] for name in ours})
