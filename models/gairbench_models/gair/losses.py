"""GAIR's two contrastive objectives, INCL and SECL (arXiv 2503.16683), and the queue of past coordinates."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from gairbench.pretraining.objective import info_nce
from gairbench_models.gair.config import SeclForm


def gair_losses(
    localized: Tensor | None,
    street_view: Tensor | None,
    location: Tensor | None,
    past_locations: Tensor | None,
    temperature: Tensor | float,
    *,
    incl: bool = True,
    secl: bool = True,
    secl_form: SeclForm = "symmetric",
    alike: Tensor | None = None,
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
        secl_form: ``"symmetric"``: both directions of each, with the batch as negatives, and the queue for location.
            ``"queue"``, as in the authors' first public code: the direction from image to location alone, against the
            queue alone, at half weight, which is what it has in the mean of two directions.
        alike: ``(batch, all processes' batches + n)`` bool, as :func:`at_the_same_place`; ``None``: all differ.

    Returns:
        Scalars ``incl`` and ``secl``, those that apply.

    Raises:
        ValueError: SECL is to be contrasted with a queue that is not given.
    """
    parts: dict[str, Tensor] = {}
    if incl and localized is not None and street_view is not None:
        parts["incl"] = info_nce(
            localized,
            street_view,
            temperature,
            alike=None if alike is None else alike[:, : alike.shape[1] - _rows(past_locations)],
        )
    if secl and location is not None:
        sides = [side for side in (street_view, localized) if side is not None]
        if secl_form == "queue":
            if past_locations is None:
                raise ValueError("contrasted with the queue alone, and there is none")
            past_alike = None if alike is None else alike[:, alike.shape[1] - len(past_locations) :]
            terms = [queue_nce(side, location, past_locations, temperature, past_alike) / 2 for side in sides]
        else:
            terms = [info_nce(side, location, temperature, past_locations, alike) for side in sides]
        if terms:
            parts["secl"] = torch.stack(terms).sum()
    return parts


def _rows(past_locations: Tensor | None) -> int:
    return 0 if past_locations is None else len(past_locations)


def at_the_same_place(lonlat: Tensor, everywhere: Tensor, past: Tensor) -> Tensor:
    """Say which coordinates of all batches and of the queue are those of a row of this batch.

    Photos of one place share their tile and its coordinates: as negatives of each other they would be false.

    Args:
        lonlat: ``(batch, 2)`` of this process.
        everywhere: ``(all processes' batches, 2)``.
        past: ``(n, 2)``, in the precision that the queue keeps.

    Returns:
        ``(batch, all processes' batches + n)`` bool; a row's own coordinates are among them.
    """
    known = torch.cat([everywhere.to(past.dtype), past])
    return (lonlat.to(past.dtype)[:, None] == known[None]).all(-1)


def queue_nce(
    image: Tensor,
    location: Tensor,
    past_locations: Tensor,
    temperature: Tensor | float,
    alike: Tensor | None = None,
) -> Tensor:
    """Return InfoNCE from image to location with past coordinates as the only negatives, as MoCo (arXiv 1911.05722).

    Args:
        image: ``(batch, dim)``.
        location: ``(batch, dim)``; row i belongs to row i of ``image`` and is not a negative of others.
        past_locations: ``(n, dim)``.
        temperature: Divides the cosine similarities.
        alike: ``(batch, n)`` bool: past coordinates that are the row's own; ``None``: none is.

    Returns:
        Scalar: the mean over the batch.
    """
    # In single precision under autocast, as info_nce.
    image, location, past = (functional.normalize(side.float(), dim=-1) for side in (image, location, past_locations))
    with torch.autocast(image.device.type, enabled=False):
        own = (image * location).sum(-1, keepdim=True)
        others = image @ past.T
        if alike is not None:
            others = others.masked_fill(alike, -torch.inf)
        logits = torch.cat([own, others], dim=1) / temperature
        return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))


def distillation_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return minus the mean cosine similarity of a student's and its teacher's embeddings, ``(batch, dim)`` both."""
    with torch.autocast(student.device.type, enabled=False):
        return -functional.cosine_similarity(student.float(), teacher.float(), dim=-1).mean()


class CoordinateQueue(nn.Module):
    """The last coordinates seen, first in, first out.

    Coordinates, not embeddings, are kept: they are re-encoded at each step, so that negatives are never stale.

    Args:
        size: How many to keep; 0 keeps none.
        start: Draws what it is full of at first, random points within a degree of (0, 0), as in the authors' first
            public code; ``None``: it starts empty.
    """

    coordinates: Tensor
    filled: Tensor
    position: Tensor

    def __init__(self, size: int, *, start: torch.Generator | None = None) -> None:
        super().__init__()
        first = torch.zeros(size, 2) if start is None else torch.randn(size, 2, generator=start)
        # Their queue holds unit vectors, as one of embeddings would.
        self.register_buffer("coordinates", functional.normalize(first, dim=-1))
        self.register_buffer("filled", torch.tensor(0 if start is None else size))
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
