"""GAIR's two contrastive objectives, INCL and SECL (arXiv 2503.16683), and the queue of past coordinates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gairbench.pretraining.objective import info_nce


def gair_losses(
    localized: Tensor | None,
    street_view: Tensor | None,
    location: Tensor | None,
    past_locations: Tensor | None,
    temperature: Tensor | float,
    *,
    incl: bool = True,
    secl: bool = True,
) -> Mapping[str, Tensor]:
    """Compute INCL and SECL as far as they are switched on and their embeddings are there; they are summed.

    Args:
        localized: RS tiles looked up at the photos' positions, ``(batch, dim)``.
        street_view: Projected SV embeddings, ``(batch, dim)``.
        location: Location embeddings, ``(batch, dim)``.
        past_locations: Embeddings of the queued coordinates, ``(n, dim)``, n may be 0.
        temperature: Of every term.
        incl: Contrast localized RS with SV.
        secl: Contrast SV with location, and localized RS with location.

    Returns:
        Scalars ``incl`` and ``secl``, those that apply.
    """
    parts: dict[str, Tensor] = {}
    if incl and localized is not None and street_view is not None:
        parts["incl"] = info_nce(localized, street_view, temperature)
    if secl and location is not None:
        terms = [
            info_nce(side, location, temperature, past_locations)
            for side in (street_view, localized)
            if side is not None
        ]
        if terms:
            parts["secl"] = torch.stack(terms).sum()
    return parts


class CoordinateQueue(nn.Module):
    """The last coordinates seen, first in, first out.

    Coordinates, not embeddings, are kept: they are re-encoded at each step, so that negatives are never stale.

    Args:
        size: How many to keep; 0 keeps none.
    """

    coordinates: Tensor
    filled: Tensor
    position: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("coordinates", torch.zeros(size, 2))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.register_buffer("position", torch.zeros((), dtype=torch.long))

    def stored(self) -> Tensor:
        """Return the coordinates now in the queue, ``(n, 2)``, n up to its size."""
        return self.coordinates[: int(self.filled)]

    def push(self, lonlat: Tensor) -> None:
        """Add coordinates ``(batch, 2)`` and forget the oldest where it is full."""
        size = len(self.coordinates)
        if not size:
            return
        newest = lonlat[-size:]
        slots = (self.position + torch.arange(len(newest), device=newest.device)) % size
        self.coordinates[slots] = newest.to(self.coordinates.dtype)
        self.position.copy_((self.position + len(newest)) % size)
        self.filled.copy_((self.filled + len(newest)).clamp(max=size))
