"""The weights that TorchGeo lists, by its own names, and geo-foundation models that say more than it does."""

from __future__ import annotations

from gairbench import ModelPattern, ModelSpec
from gairbench_models.torchgeo_models.entries import make_geofm_spec
from gairbench_models.torchgeo_models.table import ENTRIES

MODELS: tuple[ModelSpec, ...] = tuple(make_geofm_spec(entry) for entry in ENTRIES.values())

PATTERNS = (
    ModelPattern(
        prefix="torchgeo",
        factory="gairbench_models.torchgeo_models.declaration:make_torchgeo_spec",
        listed="gairbench_models.torchgeo_models.listing:list_torchgeo",
        rest="WEIGHTS",
        description="Weights of TorchGeo with their transform, as torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO",
    ),
)
