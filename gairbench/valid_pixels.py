"""Which values of images were measured and not filled in: masks of the data become masks of what is encoded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from gairbench.conversion import ImageConverter
from gairbench.data import Sample, mask_key, sample_key
from gairbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

Kernel = Literal["bilinear", "bicubic"]

_REACH = {"bilinear": 1, "bicubic": 2}
"""How far a kernel reaches, in pixels of the image, or of the result where that is low-passed."""

_ROUNDING = 1e-9


def stacked_masks(samples: Sequence[Sample], converter: ImageConverter) -> Tensor:
    """Return the masks that samples hold of an image.

    Args:
        samples: One at least, whose images are alike in shape.
        converter: Of the image.

    Returns:
        Bool, of the shape of the images ``(batch, [time,] delivered band, height, width)``, without height and width
        where they have none: one band that stands for all is there for each.

    Raises:
        DataError: A sample has no mask, or one of another type or shape.
    """
    import torch

    name = converter.delivered.name
    axis = 0 if converter.delivered.frames is None else 1
    masks = []
    for sample in samples:
        image, mask = sample[sample_key(name)], sample.get(mask_key(name))
        if mask is None:
            raise DataError(
                f"a sample has no {mask_key(name)!r}, and {name!r} is declared masked",
                "deliver it, or declare masked=False",
            )
        if problem := mask_problem(mask, image, axis):
            raise DataError(f"{mask_key(name)!r} of a sample {problem}", "deliver it as gairbench.data.Sample says")
        masks.append(mask.expand(image.shape))
    return torch.stack(masks)


def mask_problem(mask: Tensor, image: Tensor, band_axis: int) -> str:
    """Return what is wrong with the mask of an image; empty if nothing is.

    Args:
        mask: What a sample holds.
        image: The image.
        band_axis: Which of its axes are the bands.
    """
    import torch

    if mask.dtype != torch.bool:
        return f"is {mask.dtype}, wanted bool, true where a pixel has a value"
    shape = list(image.shape)
    if list(mask.shape) == shape or list(mask.shape) == [*shape[:band_axis], 1, *shape[band_axis + 1 :]]:
        return ""
    return f"has shape {tuple(mask.shape)}, and the image {tuple(shape)}; give it the same, or one band for all"


def converted_mask(converter: ImageConverter, mask: Tensor) -> Tensor:
    """Turn masks of a dataset's images into those of what an encoder is fed with.

    Args:
        converter: Of the images.
        mask: Bool, ``(batch, [time,] delivered band, height, width)``.

    Returns:
        Bool, of the shape that the converter gives the images: true where the value was measured. It is false in all
        of a band that the dataset lacks.
    """
    return converter.by_frame(mask, lambda frames: _frame(converter, frames))


def _frame(converter: ImageConverter, mask: Tensor) -> Tensor:
    present = [i for i, position in enumerate(converter.positions) if position is not None]
    chosen = [position for position in converter.positions if position is not None]
    found = mask.new_zeros(len(mask), len(converter.positions), *mask.shape[2:])
    found[:, present] = mask[:, chosen]
    height, width = mask.shape[2:]
    size = converter.target_size(height, width)
    kernel = converter.wanted.interpolation
    return converter.centre(mask_at_size(found, size, kernel, antialias=converter.low_pass(height, width)))


def mask_at_size(mask: Tensor, size: tuple[int, int], kernel: Kernel, *, antialias: bool) -> Tensor:
    """Resize masks as their images are: a pixel is valid if no missing one has a part in its value.

    So a hole grows by what the kernel reaches: when an image is enlarged by less than one of its own pixels (bilinear)
    or two (bicubic), and when it is shrunk with a low-pass by so many pixels of the result.

    Args:
        mask: Bool, ``(batch, band, height, width)``.
        size: Height and width wanted.
        kernel: How the images are interpolated.
        antialias: They are low-passed where they are shrunk.

    Example:
        >>> import torch
        >>> row = torch.tensor([[[[True, True, False, True]]]])
        >>> mask_at_size(row, (1, 8), "bilinear", antialias=False).tolist()
        [[[[True, True, True, False, False, False, False, True]]]]
    """
    if size == tuple(mask.shape[2:]):
        return mask
    missing = ~mask
    for axis, count in zip((2, 3), size, strict=True):
        missing = _any_within(missing, axis, count, _REACH[kernel], antialias=antialias)
    return ~missing


def _any_within(missing: Tensor, axis: int, count: int, reach: int, *, antialias: bool) -> Tensor:
    """Return whether anything is missing in what each of ``count`` pixels along an axis is made of."""
    import torch

    length = missing.shape[axis]
    if length == count:
        return missing
    step = length / count
    centre = (torch.arange(count, dtype=torch.float64) + 0.5) * step - 0.5
    half = torch.full_like(centre, reach)
    if antialias and step > 1:
        half *= step
    else:
        # Where the middle of a pixel is hit, its neighbours have no weight.
        half[(centre - centre.round()).abs() < _ROUNDING] = 1
    # What lies at the very end of the kernel has none, either.
    first = ((centre - half + _ROUNDING).floor().long() + 1).clamp(0, length)
    after = (centre + half - _ROUNDING).ceil().long().clamp(0, length)
    counted = torch.nn.functional.pad(missing.transpose(axis, -1).int().cumsum(-1), (1, 0))
    first, after = first.to(missing.device), after.to(missing.device)
    return (counted[..., after] > counted[..., first]).transpose(axis, -1)


def mask_tensor(valid: NDArray[Any] | None, shape: Sequence[int]) -> Tensor:
    """Return the mask of an image as samples hold it; that of a whole image takes no memory.

    Args:
        valid: Which values hold data; ``None``: all.
        shape: Of the image.
    """
    import torch

    return torch.ones((), dtype=torch.bool).expand(*shape) if valid is None else torch.from_numpy(valid)
