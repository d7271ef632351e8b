"""What a transform of TorchGeo does to an image, as sizes and one scale a band; or why that cannot be said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torchvision.transforms
import torchvision.transforms.v2 as transforms
from torch import nn

from gairbench.errors import InputMismatchError

_NORMALIZE = (transforms.Normalize, torchvision.transforms.Normalize)
"""The same step of both generations of torchvision's transforms."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """One normalization: ``(value - mean) / std``, by band."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def then(self, other: Scaling) -> Scaling:
        """Return both after each other as one."""
        bands = list(zip(self.mean, self.std, other.mean, other.std, strict=True))
        return Scaling(tuple(m + n * s for m, s, n, _ in bands), tuple(s * t for _, s, _, t in bands))


@dataclass(frozen=True, slots=True)
class Steps:
    """What a transform does.

    Args:
        size: Edge in pixels that the whole image is resized to; ``None``: it is left as it is.
        crop: Edge of the centre that is cut out then, or framed in zeros where the image is smaller; ``None``: all.
        scalings: Its normalizations in order.
        shifted_frame: The frame around small images does not stay zero: values are shifted after the centre is cut.
    """

    size: int | None
    crop: int | None
    scalings: tuple[Scaling, ...]
    shifted_frame: bool = False


def read_transform(transform: Any, channels: int) -> Steps:
    """Read a transform.

    Args:
        transform: A module of torchvision, or a sequence of them.
        channels: Bands of the image.

    Returns:
        Its steps.

    Raises:
        InputMismatchError: It has a step that is not known, or steps in an order that is not.
    """
    size: int | None = None
    crop: int | None = None
    scalings: list[Scaling] = []
    shifted = False
    for step in _steps(transform):
        if isinstance(step, _NORMALIZE):
            shifted |= crop is not None and any(step.mean) and (size is None or size < crop)
            scalings.append(Scaling(_each(step.mean, channels), _each(step.std, channels)))
        elif isinstance(step, transforms.Resize) and size is None and crop is None:
            if str(getattr(step.interpolation, "value", step.interpolation)) != "bilinear" or not step.antialias:
                raise InputMismatchError(f"its transform resizes in a way of its own: {step}", "")
            size = _edge(step.size)
        elif isinstance(step, transforms.CenterCrop) and crop is None:
            crop = _edge(step.size)
        elif not isinstance(step, nn.Identity):
            raise InputMismatchError(f"its transform has a step that is not known: {step}", "")
    return Steps(size, crop, tuple(scalings), shifted)


def _steps(transform: Any) -> Iterator[Any]:
    if isinstance(transform, nn.Sequential):
        yield from transform
    else:
        yield transform


def _each(values: Any, channels: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    return numbers * channels if len(numbers) == 1 else numbers


def _edge(size: Any) -> int:
    edges = {int(edge) for edge in size}
    if len(edges) != 1 or len(size) != 2:
        raise InputMismatchError(f"its transform makes images of {tuple(size)} pixels, not squares", "")
    return edges.pop()
