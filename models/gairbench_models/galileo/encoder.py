"""Galileo-nano as a model of the benchmark, with the weights that its authors published."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import gcd, isqrt

import torch
from torch import Tensor, nn

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import InputMismatchError
from gairbench.representation import Representation
from gairbench.weights.exact_loading import load_exactly
from gairbench_models.galileo.groups import GROUPS, SPACE, SPACE_TIME, TIME, scale
from gairbench_models.galileo.network import GalileoEncoder, Tokens
from gairbench_models.galileo.presets import PATCHES
from gairbench_models.location.features import xyz
from gairbench_models.satellite_groups import GSD_M
from gairbench_models.satellite_series import Group, Steps, encode_alike, whole_groups, with_ndvi

_JULY = 6
"""The month of images whose date is unknown, as in the authors' evaluations."""

_WINDOW = 16
"""Rows and columns of patches that are encoded together: the authors cut large images to 64 pixels, or patches of 4."""

_PATCH_MONTHS = 12 * 12 * 3
"""Patches times months that are encoded together, as many as in the largest samples of the pre-training."""

_WRAPPER = ".backbone"
"""What the authors' training puts into some names, and their own loading takes out."""

_Pooling = Callable[[list[list[Tokens]]], Tensor]


class Galileo(nn.Module):
    """A vector of images or series, or a grid of patches, of the groups of bands that are there.

    Args:
        patch: The greatest edge of a patch in pixels. A patch is as large as divides the images evenly: the pixel
            itself where the images are single pixels.
    """

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.encoder = GalileoEncoder()

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed images, or series of which the n-th frame of every image is month n.

        Images of more than 16 x 16 patches, fewer for series of more than one month, are cut into windows of about one
        size, each encoded on its own.

        Args:
            batch: Series ``(batch, time, band, height, width)``, as measured, with dates, metres per pixel and places
                where they are known.
            wanted: The vector, or the tokens.

        Returns:
            ``(batch, 128)``: the mean of all tokens. ``(batch, 128, rows, columns)``: for each patch the mean of its
            own tokens and of those that have no place.

        Raises:
            InputMismatchError: No group of bands is whole, images differ in size, or the tokens of what has no grid are
                asked for.
        """
        pooling = _grid if wanted.form == "tokens" else _mean
        images = {name: with_ndvi(image) for name, image in batch.images.items()}
        return encode_alike(replace(batch, images=images), lambda part, steps: self._encode(part, steps, pooling))

    def _encode(self, batch: Batch, steps: Steps, pooling: _Pooling) -> Tensor:
        groups = whole_groups(batch, steps, GROUPS, unknown_month=_JULY)
        gridded = [group for name, group in groups.items() if name in SPACE_TIME or name in SPACE]
        values = {name: _normalized(name, group) for name, group in groups.items()}
        if batch.lonlat is not None:
            values["location"] = xyz(batch.lonlat).float()
        months = {name: group.months for name, group in groups.items() if group.months is not None}
        numbers = {name: group.steps for name, group in groups.items()}
        height, width = _size(gridded)
        patch = max((n for n in range(1, self.patch + 1) if gcd(height, width) % n == 0), default=1)
        frames = max((values[name].shape[1] for name in SPACE_TIME if name in values), default=1)
        side = min(_WINDOW, isqrt(_PATCH_MONTHS // frames))
        resolution = _resolution(gridded)
        windows = [
            [
                self.encoder(_window(values, top, left), months, patch, resolution, numbers)
                for left in _ranges(width // patch, side, patch)
            ]
            for top in _ranges(height // patch, side, patch)
        ]
        return pooling(windows)


def _normalized(name: str, group: Group) -> Tensor:
    """Return values on the scale of the pre-training, without the axes that the group does not have."""
    zero, one = (
        group.values.new_tensor(numbers).view(-1, 1, 1) for numbers in zip(*map(scale, GROUPS[name]), strict=True)
    )
    values = (group.values - zero) / one
    if name in SPACE_TIME:
        return values
    if name in SPACE:
        return values[:, 0]
    return values[..., 0, 0] if name in TIME else values[:, 0, :, 0, 0]


def _size(gridded: list[Group]) -> tuple[int, int]:
    sizes = sorted({(group.values.shape[-2], group.values.shape[-1]) for group in gridded})
    if len(sizes) > 1:
        raise InputMismatchError(
            f"the images of a sample differ in size: {', '.join(f'{h} x {w}' for h, w in sizes)} pixels",
            "resample them to one grid",
        )
    return sizes[0] if sizes else (1, 1)


def _resolution(gridded: list[Group]) -> Tensor | None:
    known = [group.gsd_m for group in gridded if group.gsd_m is not None]
    return known[0].nan_to_num(GSD_M) if known else None


def _ranges(count: int, most: int, patch: int) -> list[slice]:
    """Divide patches into as few ranges as there can be, and return the pixels of each."""
    parts = torch.arange(count).tensor_split(-(-count // most))
    return [slice(int(part[0]) * patch, (int(part[-1]) + 1) * patch) for part in parts]


def _window(values: Mapping[str, Tensor], rows: slice, columns: slice) -> dict[str, Tensor]:
    return {
        name: tensor[..., rows, columns] if name in SPACE_TIME or name in SPACE else tensor
        for name, tensor in values.items()
    }


def _mean(windows: list[list[Tokens]]) -> Tensor:
    tokens = [part for line in windows for window in line for part in (window.patches.flatten(1, 3), window.others)]
    return torch.cat(tokens, dim=1).mean(dim=1)


def _grid(windows: list[list[Tokens]]) -> Tensor:
    return torch.cat([torch.cat([_of_patches(window) for window in line], dim=3) for line in windows], dim=2)


def _of_patches(window: Tokens) -> Tensor:
    rows, columns = window.patches.shape[1:3]
    if not rows:
        raise InputMismatchError("none of the images has a grid of pixels", "ask for the vector")
    others = window.others[:, None, None].expand(-1, rows, columns, -1, -1)
    return torch.cat([window.patches, others], dim=3).mean(dim=3).permute(0, 3, 1, 2)


def load(context: ModelContext) -> Galileo:
    """Build Galileo-nano with its published weights.

    Raises:
        CheckpointError: No file is given, or it does not hold exactly these weights.
    """
    model = Galileo(PATCHES[context.preset])
    load_exactly(
        model.encoder,
        context.required_checkpoint(),
        hint="give the encoder.pt of Galileo-nano",
        taken=lambda name: name.replace(_WRAPPER, ""),
    )
    return model
