"""Generated weights of SatCLIP's location encoder in the published layout, and places."""

from __future__ import annotations

import math

import torch
from torch import Tensor

PLACES = [[-171.3, -83.2], [-60.1, 5.3], [3.7, 47.9], [99.9, -41.7], [160.2, 71.1], [0.0, 0.0], [-180.0, 12.0]]


def generated(degrees: int) -> dict[str, Tensor]:
    """Return weights by SatCLIP's names, float64 as there, drawn as its networks of sines are."""
    generator = torch.Generator().manual_seed(7)
    sizes = [degrees**2, 512, 512, 256]
    found = {}
    for layer, name in enumerate(("nnet.layers.0", "nnet.layers.1", "nnet.last_layer")):
        bound = 1 / sizes[layer] if layer == 0 else math.sqrt(6 / sizes[layer])
        for part, shape in (("weight", (sizes[layer + 1], sizes[layer])), ("bias", (sizes[layer + 1],))):
            drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
            found[f"{name}.{part}"] = (2 * drawn - 1) * bound
    return found
