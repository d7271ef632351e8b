"""GAIR's two contrastive objectives, INCL and SECL (arXiv 2503.16683)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


def info_nce(left: Tensor, right: Tensor, temperature: float, right_negatives: Tensor | None = None) -> Tensor:
    """Return the symmetric InfoNCE loss (van den Oord et al., arXiv 1807.03748).

    Args:
        left: ``(batch, dim)``; row i belongs to row i of ``right``, all other rows are negatives.
        right: ``(batch, dim)``.
        temperature: Divides the cosine similarities.
        right_negatives: ``(n, dim)`` further negatives for ``left``, of ``right``'s modality.

    Returns:
        Scalar: the mean of left to right and right to left.
    """
    left, right = functional.normalize(left, dim=-1), functional.normalize(right, dim=-1)
    target = torch.arange(len(left), device=left.device)
    logits = left @ right.T / temperature
    backward = functional.cross_entropy(logits.T, target)
    if right_negatives is not None and len(right_negatives):
        extra = left @ functional.normalize(right_negatives, dim=-1).T / temperature
        logits = torch.cat([logits, extra], dim=1)
    return (functional.cross_entropy(logits, target) + backward) / 2


@dataclass(frozen=True, slots=True)
class GairLoss:
    """The two objectives of one batch; they are summed.

    Args:
        incl: Implicit Neural Contrastive Learning: localized RS and SV.
        secl: Spatially Explicit Contrastive Learning: SV and location plus localized RS and location.
    """

    incl: Tensor
    secl: Tensor

    @property
    def total(self) -> Tensor:
        """Scalar to minimize."""
        return self.incl + self.secl


def gair_loss(
    localized: Tensor, street_view: Tensor, location: Tensor, past_locations: Tensor, temperature: float
) -> GairLoss:
    """Compute INCL and SECL.

    Args:
        localized: RS tiles looked up at the photos' positions, ``(batch, dim)``.
        street_view: Projected SV embeddings, ``(batch, dim)``.
        location: Location embeddings, ``(batch, dim)``.
        past_locations: Embeddings of the queued coordinates, ``(n, dim)``, n may be 0.
        temperature: Of every term.
    """
    return GairLoss(
        incl=info_nce(localized, street_view, temperature),
        secl=info_nce(street_view, location, temperature, past_locations)
        + info_nce(localized, location, temperature, past_locations),
    )


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
