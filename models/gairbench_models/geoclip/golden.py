"""A known answer of GeoCLIP's location encoder: a place, and what the published code makes of it.

Computed by ``LocationEncoder`` of the package geoclip 1.3.0 with the weights in it, in float64 (CPU): in float32 the
projection is rounded, which moves the embedding by 1.5e-4 of its largest value.
"""

from __future__ import annotations

from collections.abc import Iterator

from gairbench.golden import Golden
from gairbench_models.known_embeddings import known_embedding

LONLAT = (14.25, 52.5)


def geoclip_answers(model: str, preset: str) -> Iterator[Golden]:
    """One place."""
    del preset  # there is one
    yield Golden(name="place", lonlat=LONLAT, expected=known_embedding(__file__, model))
