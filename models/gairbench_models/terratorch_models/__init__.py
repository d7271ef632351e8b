"""Geo-foundation models that TerraTorch has: Prithvi-EO 2.0, TerraMind and Clay v1; listed where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

from gairbench import ModelSpec
from gairbench_models.terratorch_models.table import ENTRIES
from gairbench_models.torchgeo_models.entries import make_geofm_spec

MODELS: tuple[ModelSpec, ...] = (
    tuple(make_geofm_spec(entry) for entry in ENTRIES.values()) if find_spec("terratorch") else ()
)
