"""A model of TerraTorch's registry with weights of a file, read strictly: TerraTorch only warns of what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gairbench import ModelContext
from gairbench.spec import resolve
from gairbench.weights.exact_loading import load_exactly
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

    def name_of(self, ours: str) -> str:
        """Return the file's name of a tensor of the model."""
        return f"{self.theirs}{ours.removeprefix(self.ours)}"

    def taken(self, name: str) -> str:
        """Return a name of the file, or an empty one if it is not the encoder's."""
        return "" if re.fullmatch(self.aside, name) else name


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
    if entry.reader == "prithvi":
        model.register_buffer("pos_embed", model.pos_embed, persistent=False)
    layout = _LAYOUTS[entry.reader]
    hint = f"give {size.filename} of {size.repo}"
    load_exactly(model, path, hint=hint, theirs=layout.name_of, taken=layout.taken)
    return GeoFM(model, replace(entry, grid=size.grid or entry.grid), READERS[entry.reader])
