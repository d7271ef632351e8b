"""Any bands, by their wavelengths."""

from __future__ import annotations

import torch
from torch import Tensor

from gairbench import ModelContext, Representation
from gairbench.batch import Batch
from gairbench_sensors.joint import quarters

WAVELENGTHS_UM = (0.45, 0.55, 0.65, 0.85, 1.6, 2.2)
"""Where the spectrum is read."""

WIDTH = 0.1
"""How far a band reaches, as a share of its wavelength."""


class Spectrum:
    """The spectrum of each quarter of the image: the mean of all bands, weighted by how near their wavelengths are.

    Pixels that are known to be missing do not count; a band of which a quarter has none is zero there.
    """

    def __init__(self, context: ModelContext) -> None:
        del context

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Return ``(batch, 4 * wavelengths)``."""
        (name,) = wanted.of
        image = batch.images[name]
        bands = torch.tensor([band.wavelength_um for band in image.bands], device=image.values.device)
        read = torch.tensor(WAVELENGTHS_UM, device=image.values.device)
        distance = (read[:, None].log() - bands[None, :].log()) / WIDTH
        weights = (-distance.square()).softmax(dim=1)
        means = quarters(image.values)
        if image.mask is not None:
            there = quarters(image.mask.to(image.values.dtype))
            means = quarters(image.values * image.mask) / there.clamp(min=1e-6)
        means = means.view(-1, len(image.bands), 4)
        return torch.matmul(weights, means).flatten(1)
