"""Clay through TerraTorch's constructor, with fewer and narrower blocks: it has one size, of 92 million parameters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from unittest import mock

from gairbench import ModelContext
from gairbench_models.terratorch_models.encoder import build_terratorch
from gairbench_models.terratorch_models.table import CLAY
from gairbench_models.torchgeo_models.geofm import GeoFM

ENTRY = replace(CLAY, factory="terratorch_small:load", sizes=(replace(CLAY.sizes[0], depth=4),))


@contextmanager
def small_clay() -> Iterator[None]:
    """Let Clay's constructor build a small one."""
    embedder = import_module("terratorch.models.backbones.clay_v1.embedder")
    whole, fewer = embedder.EmbeddingEncoder, {"dim": 64, "depth": 4, "heads": 4, "dim_head": 16}
    with mock.patch.object(embedder, "EmbeddingEncoder", lambda **options: whole(**{**options, **fewer})):
        yield


def load(context: ModelContext) -> GeoFM:
    """Build a small one with the weights of a file."""
    with small_clay():
        return build_terratorch(ENTRY, ENTRY.sizes[0], context.required_checkpoint())
