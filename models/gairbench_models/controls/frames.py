"""Series of images through an encoder of single ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from gairbench.batch import Images


def mean_of_frames(image: Images, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mean of the embeddings of a series' frames, without those that pad it.

    Args:
        image: Series ``(batch, time, band, height, width)``.
        encode: From images ``(images, band, height, width)``, the frames of each sample after each other, to
            embeddings ``(images, ...)``.

    Returns:
        ``(batch, ...)``.
    """
    count, frames = image.valid.shape
    flat = encode(image.values.flatten(0, 1))
    encoded = flat.view(count, frames, *flat.shape[1:])
    weights = image.valid.to(encoded.dtype).view(count, frames, *(1,) * (encoded.ndim - 2))
    return torch.sum(encoded * weights, dim=1) / weights.sum(dim=1)
