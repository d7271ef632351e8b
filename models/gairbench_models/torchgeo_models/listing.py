"""Which of TorchGeo's weights can be used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from gairbench import ModelSpec
from gairbench.errors import GairbenchError
from gairbench_models.torchgeo_models.catalogue import catalogue
from gairbench_models.torchgeo_models.declaration import make_torchgeo_spec


def list_torchgeo() -> Iterator[ModelSpec]:
    """Yield the spec of all weights but those that are refused by name."""
    for rest in catalogue():
        with suppress(GairbenchError):
            yield make_torchgeo_spec(rest)
