"""Known answers of TorchSpatial's encoders: a place, and what the published code makes of it.

Computed by the encoders of github.com/seai-lab/TorchSpatial with the published weights, loaded strictly (float32, CPU).
"""

from __future__ import annotations

from collections.abc import Iterator

from gairbench.golden import Golden
from gairbench_models.known_embeddings import known_embedding

LONLAT = (77.2, 28.6)


def torchspatial_answers(model: str, preset: str) -> Iterator[Golden]:
    """The place, by each encoder."""
    del preset  # there is one
    yield Golden(name="place", lonlat=LONLAT, expected=known_embedding(__file__, model))
