"""One layer that takes images of any bands and frames, so that the networks behind it need not know them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from gairbench.batch import Images
from gairbench.errors import InputMismatchError

WIDTH = 32
"""Channels that it makes: more than most sensors have bands, so that nothing is lost."""

MOST = 512
"""Bands that it takes at most, of all images together."""

_MOMENTUM = 0.1
_EPSILON = 1e-5


class AnyBands(nn.Module):
    """A pointwise layer on the bands of all images, standardized as training has seen them, and the mean over frames.

    Each band has a row of weights by its place in the data; of those that the data do not have nothing is used. Frames
    are averaged after the nonlinearity, so that a pixel that changes is not like one that does not. Images of
    several inputs are added, the smaller ones enlarged to the largest.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(MOST, WIDTH))
        self.bias = nn.Parameter(torch.zeros(WIDTH))
        self.register_buffer("mean", torch.zeros(MOST))
        self.register_buffer("variance", torch.ones(MOST))

    def forward(self, images: Sequence[Images]) -> Tensor:
        """Map images ``(batch, [time,] band, height, width)`` to ``(batch, 32, height, width)``.

        Raises:
            InputMismatchError: They have too many bands.
        """
        count = sum(image.values.shape[-3] for image in images)
        if count > MOST:
            raise InputMismatchError(f"{count} bands, and the model takes at most {MOST}", "")
        size = [max(image.values.shape[axis] for image in images) for axis in (-2, -1)]
        mixed: list[Tensor] = []
        first = 0
        for image in images:
            last = first + image.values.shape[-3]
            one = self._mixed(image, slice(first, last), count)
            if list(one.shape[-2:]) != size:
                one = functional.interpolate(one, size=size, mode="bilinear", align_corners=False)
            mixed.append(one)
            first = last
        return torch.stack(mixed).sum(0)

    def _mixed(self, image: Images, rows: slice, count: int) -> Tensor:
        series = image.values if image.values.ndim == 5 else image.values[:, None]
        valid = image.valid.reshape(series.shape[:2])
        batch, frames = valid.shape
        scaled = self._standardized(series, valid, rows).flatten(0, 1)
        # Of however many bands, the sum has the deviation that the network expects.
        weight = self.weight[rows].T[..., None, None] / math.sqrt(count)
        found = functional.gelu(functional.conv2d(scaled, weight, self.bias))
        if frames == 1:
            return found
        found = found.view(batch, frames, *found.shape[1:])
        shares = (valid / valid.sum(dim=1, keepdim=True)).to(found.dtype)
        # Whatever pads a series may be infinite, and zero times that would not be zero.
        return torch.where(valid[..., None, None, None], found * shares[..., None, None, None], 0).sum(1)

    def _standardized(self, series: Tensor, valid: Tensor, rows: slice) -> Tensor:
        mean, variance = self.mean[rows], self.variance[rows]
        if self.training:
            with torch.no_grad():
                seen = series[valid].transpose(0, 1).flatten(1)
                now = seen.mean(1), seen.var(1, correction=0)
                mean.lerp_(now[0], _MOMENTUM)
                variance.lerp_(now[1], _MOMENTUM)
                mean, variance = now
        scale = (variance + _EPSILON).rsqrt()
        return (series - mean[:, None, None]) * scale[:, None, None]
