"""A model of TerraTorch's registry with weights of a file, read strictly: TerraTorch only warns of what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gairbench import ModelContext
from gairbench.spec import resolve
from gairbench.weights.tensors import check_tensors, read_file, state_dict
from gairbench_models.terratorch_models.readers import READERS
from gairbench_models.terratorch_models.table import ENTRIES
from gairbench_models.torchgeo_models.entries import Entry, Size
from gairbench_models.torchgeo_models.geofm import GeoFM


class _Layout(NamedTuple):
    """Which tensors of a published file are the encoder's.

    Args:
        aside: Names of those that are not.
        theirs: What stands before the encoder's names in the file.
        ours: The same in TerraTorch's model.
    """

    aside: str
    theirs: str = ""
    ours: str = ""


_LAYOUTS = {
    # The decoder; and positions, which are computed and depend on the number of frames.
    "prithvi": _Layout(r"decoder\..*|encoder\.pos_embed", theirs="encoder."),
    # The decoder, and embeddings of what it is not fed with here.
    "terramind": _Layout(
        r"decoder.*|mask_token|encoder_embeddings\.(?!untok_(sen2l1c|sen2l2a|sen1grd|sen2rgb)@224\.).*"
    ),
    # The decoder, and the teacher that it was trained with.
    "clay": _Layout(r"(?!encoder\.).*", theirs="encoder.", ours="clay_encoder."),
}


def load(context: ModelContext) -> GeoFM:
    """Build a model of the table in the size of its preset, through TerraTorch's constructor.

    Raises:
        CheckpointError: The file does not hold its weights, or none is given.
    """
    entry = ENTRIES[context.model]
    return build_terratorch(entry, entry.size(context.preset), context.required_checkpoint())


def build_terratorch(entry: Entry, size: Size, path: Path) -> GeoFM:
    """Build a model of an entry with the weights of a file.

    Raises:
        CheckpointError: The file does not hold exactly the encoder.
    """
    with torch.random.fork_rng(devices=[]):
        model: Any = resolve(size.constructor)(**entry.arguments)
    aside, theirs, ours = _LAYOUTS[entry.reader]
    state = state_dict(read_file(path), path)
    found = {name: value for name, value in state.items() if not re.fullmatch(aside, name)}
    whole = {f"{theirs}{name.removeprefix(ours)}": tuple(value.shape) for name, value in model.state_dict().items()}
    expected = {name: shape for name, shape in whole.items() if not re.fullmatch(aside, name)}
    check_tensors(found, expected, path, f"give {size.filename} of {size.repo}")
    model.load_state_dict({f"{ours}{name.removeprefix(theirs)}": found[name] for name in expected}, strict=False)
    return GeoFM(model, replace(entry, grid=size.grid or entry.grid), READERS[entry.reader])
