"""Which pixels of a batch were measured: masks follow their images through band selection, frames and resizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gairbench.conversion import ImageConverter
from gairbench.data import Sample, mask_key, sample_key
from gairbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


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
        Bool, of the shape that the converter gives the images: true where the value was measured. A band that the
        dataset lacks and that is filled has no such pixel.
    """
    return converter.by_frame(mask, lambda frames: _frame(converter, frames))


def _frame(converter: ImageConverter, mask: Tensor) -> Tensor:
    present = [i for i, position in enumerate(converter.positions) if position is not None]
    chosen = [position for position in converter.positions if position is not None]
    found = mask.new_zeros(len(mask), len(converter.positions), *mask.shape[2:])
    found[:, present] = mask[:, chosen]
    height, width = mask.shape[2:]
    return converter.centre(mask_at_size(found, converter.target_size(height, width)))


def mask_at_size(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize masks as their images are: a pixel is valid if all pixels are that it covers, wholly or in part.

    Interpolation reaches a little farther than that; what it finds there is no more than filled in.

    Args:
        mask: Bool, ``(batch, band, height, width)``.
        size: Height and width wanted.
    """
    from torch.nn import functional

    if size == tuple(mask.shape[2:]):
        return mask
    # Its windows are exactly the pixels that each pixel of the result covers, also where that has more of them.
    missing: Tensor = functional.adaptive_max_pool2d((~mask).float(), size)
    return missing == 0


def mask_tensor(valid: NDArray[Any] | None, shape: Sequence[int]) -> Tensor:
    """Return the mask of an image as samples hold it; that of a whole image takes no memory.

    Args:
        valid: Which values hold data; ``None``: all.
        shape: Of the image.
    """
    import torch

    return torch.ones((), dtype=torch.bool).expand(*shape) if valid is None else torch.from_numpy(valid)
